//! Addresses of other services as URLs: `scheme://user:password@host:port,host:port/path?key=value`.
//!
//! Read by hand where several hosts may stand, which browsers' URLs do not know. Errors never repeat an address: it may
//! hold a password.

use keystead_domain::SecretString;

use super::origin::is_loopback_host;

/// The parts of an address, percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
    /// Names or addresses without brackets, in lower case.
    pub(super) hosts: Vec<(String, Option<u16>)>,
    /// Without the leading slash.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
}

impl Address {
    /// Reads an address. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
        if rest.contains('#') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("holds a character that must be percent-encoded");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(info, hosts)| (Some(info), hosts));
        let (user, password) =
            match user_info.map(|info| info.split_once(':').map_or((info, None), |(u, p)| (u, Some(p)))) {
                Some((user, password)) => (decoded(user)?, password.map(decoded).transpose()?.flatten()),
                None => (None, None),
            };
        let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(host_and_port).collect::<Result<_, _>>()?;
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').ok_or("has a parameter without a value")?;
            Ok((key.to_owned(), percent_decode(value).ok_or("has a parameter that is not properly written")?))
        });
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password: password.map(SecretString::new),
            hosts,
            path: percent_decode(path).ok_or("has a path that is not properly written")?,
            query: pairs.collect::<Result<_, &'static str>>()?,
        })
    }

    /// The last value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether every host is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.hosts.iter().all(|(host, _)| is_loopback_host(host))
    }
}

fn decoded(part: &str) -> Result<Option<String>, &'static str> {
    let text = percent_decode(part).filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or("has a user or password that is not properly written")?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((ip, rest)) => {
            ip.parse::<std::net::Ipv6Addr>().map_err(|_| "has a host in brackets that is no IPv6 address")?;
            if !rest.is_empty() && !rest.starts_with(':') {
                return Err("has something between its host and its port");
            }
            (ip, rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if !host.contains(':') && !is_host_name(host) {
        return Err("names no host");
    }
    let port =
        port.map(|port| port.parse().ok().filter(|port| *port > 0).ok_or("has a port that is none")).transpose()?;
    Ok((host.to_ascii_lowercase(), port))
}

pub(super) fn is_host_name(name: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    name.len() <= 253 && name.split('.').all(is_label)
}

pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+'))?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_read() {
        let address = Address::parse("redis+sentinel://a%40b:p%2Fw@S1:26379,[::1]:26380,s3/main/2?x=1&x=%32").unwrap();
        assert_eq!(address.scheme, "redis+sentinel");
        assert_eq!(address.user.as_deref(), Some("a@b"));
        assert_eq!(address.password.as_ref().unwrap().expose(), "p/w");
        let hosts = [("s1", Some(26379)), ("::1", Some(26380)), ("s3", None)];
        assert_eq!(address.hosts, hosts.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!(
            (address.path.as_str(), address.parameter("x"), address.parameter("y")),
            ("main/2", Some("2"), None)
        );
        assert!(!address.is_loopback());
        assert!(Address::parse("redis://127.0.0.1,localhost:1,[::1]").unwrap().is_loopback());
    }

    #[test]
    fn a_password_may_hold_what_is_no_separator_in_it() {
        let address = Address::parse("postgres://ada:a:b@c@db.internal/app").unwrap();
        assert_eq!(address.user.as_deref(), Some("ada"));
        assert_eq!(address.password.unwrap().expose(), "a:b@c");
        assert_eq!(Address::parse("redis://:pw@h").unwrap().user, None);
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for text in [
            "db.internal:5432",
            "postgres://db..internal/app",
            "postgres://db:0/app",
            "postgres://db:port/app",
            "postgres://db:5432:1/app",
            "postgres://[db]/app",
            "postgres://[::1]5432/app",
            "postgres://db/app#x",
            "postgres://db/a pp",
            "postgres://db/app?sslmode",
            "postgres://a%zz@db/app",
            "postgres://a%0a@db/app",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
