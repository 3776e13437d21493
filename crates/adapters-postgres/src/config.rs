//! Where the database is and how it is spoken to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use keystead_domain::SecretString;
use tokio_postgres::config::{Host, SslMode};

/// How the line to PostgreSQL is protected. There is no "if possible": an attacker on the line would choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain text: for a server on the same machine or on a private network that is trusted.
    Off,
    /// TLS with the server's certificate and name checked. A server without TLS is refused.
    Verified {
        /// Certificate authorities to trust besides the machine's, PEM.
        extra_ca_pem: Option<Vec<u8>>,
    },
}

/// Where the database is and how it is used.
#[derive(Clone, Debug)]
pub struct PgConfig {
    /// A connection string as `tokio_postgres::Config` reads it: `postgres://user:password@host:port/database`, several
    /// hosts separated by commas, a folder of a Unix socket as `?host=/run/postgresql`. `sslmode` in it is ignored:
    /// [`Self::tls`] decides. `target_session_attrs=read-write` picks the primary of several hosts.
    pub url: SecretString,
    /// Protection of the line.
    pub tls: Tls,
    /// How many connections at most; at least 1. They are made when first needed.
    pub connections: usize,
    /// How long a caller waits for a transaction to be open, making a connection included.
    pub acquire_timeout: Duration,
    /// How long one statement may take, waiting for locks included.
    pub statement_timeout: Duration,
}

impl PgConfig {
    /// The defaults: no TLS, 10 connections, 1 s to get one, 1.5 s for a statement.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned().into(),
            tls: Tls::Off,
            connections: 10,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_millis(1500),
        }
    }
}

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A name or address to resolve, and the port.
    Tcp { host: String, port: u16 },
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// One of the servers a connection string names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: Address,
    /// The name its certificate must be valid for.
    pub(crate) name: String,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads the connection string. Errors say nothing of its contents: a password may be in any part of a broken one.
pub(crate) fn parse(config: &PgConfig) -> Result<(tokio_postgres::Config, Vec<Server>), String> {
    let mut parsed: tokio_postgres::Config = without_sslmode(config.url.expose()).parse().map_err(|_| {
        "not a connection string: postgres://user:password@host:port/database, special characters percent-encoded, no \
         options but those of tokio-postgres"
            .to_owned()
    })?;
    parsed.ssl_mode(match config.tls {
        Tls::Off => SslMode::Disable,
        Tls::Verified { .. } => SslMode::Require,
    });
    if parsed.get_application_name().is_none() {
        parsed.application_name("keystead");
    }
    let servers = servers(&parsed)?;
    if config.tls != Tls::Off && servers.iter().any(|server| matches!(server.address, Address::Unix(_))) {
        return Err("a Unix socket has no TLS".to_owned());
    }
    Ok((parsed, servers))
}

/// The servers in order, as libpq pairs `host`, `hostaddr` and `port`.
fn servers(parsed: &tokio_postgres::Config) -> Result<Vec<Server>, String> {
    let (hosts, addresses, ports) = (parsed.get_hosts(), parsed.get_hostaddrs(), parsed.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err("no host is named".to_owned());
    }
    let both = !hosts.is_empty() && !addresses.is_empty();
    if (both && hosts.len() != addresses.len()) || (ports.len() > 1 && ports.len() != count) {
        return Err("hosts, addresses and ports differ in number".to_owned());
    }
    let server = |index: usize| {
        let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
        let address: Option<IpAddr> = addresses.get(index).copied();
        match (hosts.get(index), address) {
            (Some(Host::Unix(folder)), None) => {
                Server { address: Address::Unix(folder.join(format!(".s.PGSQL.{port}"))), name: String::new() }
            }
            (Some(Host::Tcp(name)), address) => {
                let host = address.map_or_else(|| name.clone(), |address| address.to_string());
                Server { address: Address::Tcp { host, port }, name: name.clone() }
            }
            (_, address) => {
                let host = address.map_or_else(String::new, |address| address.to_string());
                Server { address: Address::Tcp { host: host.clone(), port }, name: host }
            }
        }
    };
    Ok((0..count).map(server).collect())
}

/// The string without its `sslmode`, of which tokio-postgres knows fewer values than libpq.
fn without_sslmode(text: &str) -> String {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        // The last `?`: one before it belongs to a password that should have been encoded.
        let Some((base, query)) = text.rsplit_once('?') else { return text.to_owned() };
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("sslmode=")).collect();
        return if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    }
    text.split(' ').filter(|pair| !pair.starts_with("sslmode=")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Vec<String> {
        let (_, servers) = parse(&PgConfig::new(url)).unwrap();
        servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_form_of_address_is_understood() {
        assert_eq!(names("postgres://u:p@db.example/keystead"), ["db.example:5432"]);
        assert_eq!(names("postgres://u@a:1,b:2/k?target_session_attrs=read-write"), ["a:1", "b:2"]);
        assert_eq!(names("postgres://u@/k?host=/run/postgresql"), ["/run/postgresql/.s.PGSQL.5432"]);
        assert_eq!(names("postgres://u@%2Frun%2Fpostgresql:7/k"), ["/run/postgresql/.s.PGSQL.7"]);
        assert_eq!(names("host=a,b hostaddr=10.0.0.1,::1 port=7 user=u"), ["10.0.0.1:7", "[::1]:7"]);
        assert_eq!(names("hostaddr=10.0.0.1 user=u"), ["10.0.0.1:5432"]);
    }

    #[test]
    fn sslmode_is_ignored_and_the_configuration_decides() {
        for url in [
            "postgres://u@a/k?sslmode=disable",
            "postgres://u@a/k?sslmode=verify-full&connect_timeout=3",
            "host=a sslmode=prefer user=u",
        ] {
            let config = PgConfig { tls: Tls::Verified { extra_ca_pem: None }, ..PgConfig::new(url) };
            assert_eq!(parse(&config).unwrap().0.get_ssl_mode(), SslMode::Require, "{url}");
            assert_eq!(parse(&PgConfig::new(url)).unwrap().0.get_ssl_mode(), SslMode::Disable, "{url}");
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_string() {
        for url in ["postgres://u:p@a/k?hunter2=x", "postgres://u:hun/ter2@a:port/k", "hunter2", "user=hunter2"] {
            let error = parse(&PgConfig::new(url)).unwrap_err();
            assert!(!error.contains("hun"), "{error}");
        }
        let config = PgConfig { tls: Tls::Verified { extra_ca_pem: None }, ..PgConfig::new("host=/run user=u") };
        assert!(parse(&config).unwrap_err().contains("Unix socket"));
        assert!(!format!("{:?}", PgConfig::new("postgres://u:hunter2@a/k")).contains("hunter2"));
    }
}
