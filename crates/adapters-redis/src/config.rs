use std::time::Duration;

use keystead_domain::SecretString;

/// A host name or address, and a port.
pub(crate) type Address = (String, u16);

/// Where Redis is, and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// How many servers there are, and how they share the work.
    pub topology: Topology,
    /// The ACL user; `None` is Redis' `default` user. Needs a password.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretString>,
    /// The database number; 0 in a cluster, which has no other.
    pub database: u32,
    /// Whether connections, those to the sentinels too, are encrypted.
    pub tls: Tls,
    /// What every key begins with: 1 to 32 of `a-z`, `0-9` and `-`. Two services on one Redis need two prefixes.
    pub prefix: String,
    /// The longest a connection may take: name, TCP, TLS, password and one answer.
    pub connect_timeout: Duration,
    /// The longest an answer may take. No call takes longer than both limits together.
    pub response_timeout: Duration,
}

/// How Redis is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server, or one name that always leads to the master.
    Single {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A master with replicas, watched by sentinels that say who the master is.
    Sentinel {
        /// The sentinels, not the servers.
        nodes: Vec<(String, u16)>,
        /// The name the sentinels know the master by.
        master: String,
        /// The sentinels' own ACL user.
        username: Option<String>,
        /// The sentinels' own password.
        password: Option<SecretString>,
    },
    /// A Redis Cluster.
    Cluster {
        /// Some of its nodes; the others are found through them.
        nodes: Vec<(String, u16)>,
    },
}

/// Whether connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain TCP.
    #[default]
    Off,
    /// TLS 1.2 or 1.3; the certificate must name the host connected to and come from a trusted authority.
    Verified {
        /// PEM certificates of authorities trusted besides the machine's.
        extra_ca_pem: Option<Vec<u8>>,
    },
}

/// Why there is no usable Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The configuration cannot work with any Redis.
    #[error("the Redis configuration is not usable: {0}")]
    Config(String),
    /// Nobody answered, or what answered refused us.
    #[error("Redis cannot be used: {0}")]
    Unreachable(String),
    /// Redis answers, but set up in a way that loses data.
    #[error("Redis at {server} is not set up for Keystead: {what}")]
    Unsuitable {
        /// The server it is about.
        server: String,
        /// What is wrong, and what to set.
        what: String,
    },
}

impl RedisConfig {
    /// One server without TLS or password, with the defaults: database 0, prefix `keystead`, 500 ms to connect, 1 s for
    /// an answer.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            topology: Topology::Single { host: host.into(), port },
            username: None,
            password: None,
            database: 0,
            tls: Tls::Off,
            prefix: "keystead".to_owned(),
            connect_timeout: Duration::from_millis(500),
            response_timeout: Duration::from_secs(1),
        }
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse = |why: &str| Err(OpenError::Config(why.to_owned()));
        let safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !((1..=32).contains(&self.prefix.len()) && self.prefix.bytes().all(safe)) {
            return refuse("the prefix of keys must be 1 to 32 of a-z, 0-9 and -");
        }
        // The client would silently stay the default user.
        if self.username.is_some() && self.password.is_none() {
            return refuse("a user needs a password");
        }
        if self.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return refuse("a time limit is zero");
        }
        match &self.topology {
            Topology::Single { host, .. } if host.is_empty() => refuse("the host is empty"),
            Topology::Sentinel { nodes, .. } if nodes.is_empty() => refuse("no sentinel is named"),
            Topology::Sentinel { master, .. } if master.is_empty() => refuse("the master has no name"),
            Topology::Sentinel { username: Some(_), password: None, .. } => {
                refuse("the sentinels' user needs a password")
            }
            Topology::Cluster { nodes } if nodes.is_empty() => refuse("no node of the cluster is named"),
            Topology::Cluster { .. } if self.database != 0 => refuse("a cluster has no database but 0"),
            Topology::Single { .. } | Topology::Sentinel { .. } | Topology::Cluster { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RedisConfig {
        RedisConfig::new("localhost", 6379)
    }

    fn reason(config: &RedisConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_prefix_is_short_and_plain() {
        assert_eq!(config().check(), Ok(()));
        for prefix in ["", "Keystead", "key stead", "key:stead", "{k}", "a*", &"k".repeat(33)] {
            let config = RedisConfig { prefix: (*prefix).to_owned(), ..config() };
            assert!(reason(&config).contains("prefix"), "{prefix:?}");
        }
    }

    #[test]
    fn what_no_redis_could_serve_is_refused() {
        let user = RedisConfig { username: Some("keystead".into()), ..config() };
        assert!(reason(&user).contains("password"));
        let nodes = vec![("localhost".to_owned(), 7000)];
        let cluster = RedisConfig { topology: Topology::Cluster { nodes }, database: 1, ..config() };
        assert!(reason(&cluster).contains("database"));
        let nobody = RedisConfig { topology: Topology::Cluster { nodes: Vec::new() }, ..config() };
        assert!(reason(&nobody).contains("no node"));
        let hasty = RedisConfig { response_timeout: Duration::ZERO, ..config() };
        assert!(reason(&hasty).contains("time limit"));
    }

    #[test]
    fn a_password_is_never_printed() {
        let password = SecretString::new("hunter2".into());
        let nodes = vec![("localhost".to_owned(), 26379)];
        let topology = Topology::Sentinel {
            nodes,
            master: "m".into(),
            username: Some("s".into()),
            password: Some(password.clone()),
        };
        let config = RedisConfig { topology, username: Some("u".into()), password: Some(password), ..config() };
        assert_eq!(config.check(), Ok(()));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
