use std::fmt;
use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::problem::Invalid;

/// Scheme, host and port of a web address (RFC 6454), in the form browsers send in `Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    https: bool,
    host: Host<String>,
}

impl Origin {
    /// Reads an `http` or `https` address that names nothing but an origin: no user, path, query or fragment.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let bad = |what: &str| {
            // The text may hold a user's password: it is not repeated.
            Invalid::new(
                what,
                "write scheme, host and, where it is not the usual one, port: \"https://id.example.com\"",
            )
        };
        let url = Url::parse(text).map_err(|_| bad("is not a web address"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("is neither an http nor an https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds a user name or password, which would be sent to everyone"));
        }
        if url.path() != "/" {
            return Err(bad("has a path: Keystead is served from the root of its host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a query or a fragment"));
        }
        let host = url.host().ok_or_else(|| bad("names no host"))?.to_owned();
        Ok(Self { text: url.origin().ascii_serialization(), https: url.scheme() == "https", host })
    }

    /// The plain http origin of a loopback listener.
    pub(super) fn of_listener(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
        Self { text: format!("http://{host}{port}"), https: false, host }
    }

    /// `https://id.example.com`, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host: lower case, international names in their ASCII form, IPv6 addresses in brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// Whether the host is this machine: `localhost` (RFC 6761 section 6.3) or a loopback address.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => is_localhost(name),
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        }
    }

    /// The same with `localhost` for an address of numbers.
    pub(super) fn at_localhost(&self) -> Self {
        if self.domain().is_some() {
            return self.clone();
        }
        let host = Host::Domain("localhost".to_owned());
        Self { text: self.text.replacen(&self.host.to_string(), "localhost", 1), https: self.https, host }
    }

    /// The domain name of the host; `None` for addresses.
    pub(super) fn domain(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a host name or address, as written, is this machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().map_or_else(|_| is_localhost(host), |ip| ip.is_loopback())
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, origin) in [
            ("https://ID.example.com:443/", "https://id.example.com"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), origin);
        }
    }

    #[test]
    fn anything_beyond_an_origin_is_refused() {
        for (text, word) in [
            ("https://id.example.com/auth", "path"),
            ("https://id.example.com/?a=b", "query"),
            ("https://id.example.com/#x", "fragment"),
            ("https://ada:hunter2@id.example.com", "user name"),
            ("ftp://id.example.com", "neither"),
            ("id.example.com", "not a web address"),
            ("null", "not a web address"),
            ("", "not a web address"),
        ] {
            let refused = Origin::parse(text).unwrap_err();
            assert!(refused.what.contains(word), "{text:?}: {}", refused.what);
            assert!(!format!("{refused:?}").contains("hunter2"));
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for host in ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1", "example.com", "[::2]"] {
            assert!(!is_loopback_host(host), "{host}");
        }
        assert!(Origin::parse("http://127.0.0.1:1").unwrap().is_loopback());
        assert!(!Origin::parse("http://127.0.0.1.example.com").unwrap().is_loopback());
    }

    #[test]
    fn localhost_stands_for_numbers_only() {
        for (text, expected) in [
            ("http://127.0.0.1:8787", "http://localhost:8787"),
            ("http://[::1]", "http://localhost"),
            ("http://app.localhost:1", "http://app.localhost:1"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().at_localhost(), Origin::parse(expected).unwrap());
        }
    }

    #[test]
    fn a_listener_has_the_origin_a_parser_would_read() {
        for address in ["127.0.0.1:8787", "[::1]:8787", "127.0.0.1:80"] {
            let origin = Origin::of_listener(address.parse().unwrap());
            assert_eq!(origin, Origin::parse(origin.as_str()).unwrap());
        }
    }
}
