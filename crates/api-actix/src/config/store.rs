use std::path::PathBuf;
use std::time::Duration;

use keystead_domain::SecretString;

use super::address::Address;
use super::problem::Invalid;
use super::reader::{Noted, Reader, Reading};
use super::values::choice;

const URL_FIX: &str = "write sqlite:// and the path of a file, \"sqlite:///var/lib/keystead/keystead.db\", or \
                       \"postgres://user:password@db.example.com/keystead\"; write characters such as / # @ % of a \
                       password as %2F %23 %40 %25";
const REDIS_FIX: &str = "write redis://user:password@redis.example.com:6379 (rediss:// with TLS), \
                         redis+sentinel://user:password@s1:26379,s2:26379/<name of the master> or \
                         redis+cluster://user:password@n1:6379,n2:6379";

/// Parameters of a PostgreSQL address that mean something here.
const POSTGRES_PARAMETERS: [&str; 6] =
    ["sslmode", "host", "target_session_attrs", "load_balance_hosts", "application_name", "options"];

/// `[store]`: where the data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Which databases.
    pub data: Data,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
}

/// Which databases the data lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// One file, for one process.
    Embedded(SqliteConfig),
    /// PostgreSQL and Redis, for any number of replicas.
    Shared(Box<SharedConfig>),
}

/// A SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The file.
    pub path: PathBuf,
    /// What a commit waits for.
    pub synchronous: Synchronous,
}

/// What a commit waits for (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// The disk: a commit survives a power cut.
    #[default]
    Full,
    /// The operating system: a commit survives a crash of the process, not of the machine.
    Normal,
}

/// What replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedConfig {
    /// What must not be lost.
    pub postgres: PostgresConfig,
    /// What passes.
    pub redis: RedisConfig,
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Its address, without `sslmode`.
    pub url: SecretString,
    /// How the connection is protected.
    pub link: Link,
    /// Connections of this process, at most.
    pub connections: usize,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// Whether `serve` brings the schema to its form itself.
    pub migrate: bool,
}

/// A Redis, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// How many, and where.
    pub topology: RedisTopology,
    /// ACL user; `default` without.
    pub user: Option<String>,
    /// Password.
    pub password: Option<SecretString>,
    /// Database number; a cluster has only 0.
    pub database: u32,
    /// How the connection is protected.
    pub link: Link,
    /// What the names of all keys begin with.
    pub prefix: String,
}

/// Hosts and ports of a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisTopology {
    /// One server.
    Single(String, u16),
    /// Sentinels that know which server is the master.
    Sentinel {
        /// The sentinels.
        nodes: Vec<(String, u16)>,
        /// What they call the master.
        master: String,
        /// Their own password, when they have one.
        password: Option<SecretString>,
    },
    /// Some nodes of a cluster; the others are found through them.
    Cluster(Vec<(String, u16)>),
}

/// How a connection to another service is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it is encrypted, with the certificate checked.
    pub tls: bool,
    /// Whether it stays on this machine.
    pub is_local: bool,
    /// Certificates, PEM, believed besides the machine's own.
    pub ca_file: Option<PathBuf>,
}

impl StoreConfig {
    /// The SQLite file, when that is the store.
    pub fn sqlite(&self) -> Option<&SqliteConfig> {
        match &self.data {
            Data::Embedded(sqlite) => Some(sqlite),
            Data::Shared(_) => None,
        }
    }

    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let known = [("full", Synchronous::Full), ("normal", Synchronous::Normal)];
        let synchronous = r.value("store.synchronous", |text| choice(text, &known));
        let patience = Duration::from_millis(100)..=Duration::from_mins(1);
        let acquire_timeout = if r.is_set("store.acquire_timeout") {
            r.duration("store.acquire_timeout", patience).map(Some)
        } else {
            Ok(None)
        };
        let shared = Shared::read(r);
        let Some(url) = r.secret("store.url")? else {
            r.fault("store.url", "must be set", URL_FIX);
            return Err(Noted);
        };
        let key = r.secret_key("store.url");
        let redis = r.secret("store.redis_url");
        let (data, patience) = if let Some(path) = url.expose().strip_prefix("sqlite://") {
            if redis?.is_some() {
                let redis_key = r.secret_key("store.redis_url");
                r.fault(
                    &redis_key,
                    "is set beside a SQLite file, which holds everything",
                    "remove it, or use postgres://",
                );
            }
            let path =
                sqlite_path(path).map_err(|invalid| r.fault(&key, invalid.what, invalid.fix)).map_err(|()| Noted)?;
            let path = r.resolve(&key, &path);
            (Data::Embedded(SqliteConfig { path, synchronous: synchronous? }), Duration::from_secs(5))
        } else {
            let postgres = postgres(url.expose());
            let postgres = postgres.map_err(|what| r.fault(&key, what, URL_FIX)).map_err(|()| Noted);
            (Data::Shared(Box::new(shared?.join(r, postgres, redis?)?)), Duration::from_secs(1))
        };
        Ok(Self { data, acquire_timeout: acquire_timeout?.unwrap_or(patience) })
    }
}

fn sqlite_path(path: &str) -> Result<PathBuf, Invalid> {
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '#', '\0']) || path.contains(":memory:") {
        return Err(Invalid::new("names no file", URL_FIX));
    }
    Ok(PathBuf::from(path))
}

/// The settings that only matter with PostgreSQL and Redis.
struct Shared {
    connections: usize,
    statement_timeout: Duration,
    migrate: bool,
    postgres_ca_file: Option<PathBuf>,
    redis_ca_file: Option<PathBuf>,
    prefix: String,
}

impl Shared {
    fn read(r: &mut Reader) -> Reading<Self> {
        let connections = r.integer("store.connections", 2..=1000);
        // Four seconds, so that no transaction outlasts the overlap with which the revocation log is read.
        let bounds = Duration::from_millis(100)..=Duration::from_secs(4);
        let statement_timeout = r.duration("store.statement_timeout", bounds);
        let migrate = r.value("store.migrate", super::values::boolean);
        let postgres_ca_file = r.path("store.postgres_ca_file");
        let redis_ca_file = r.path("store.redis_ca_file");
        let prefix = r.value("store.redis_prefix", |text| {
            let fits = (1..=32).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            let fix = "write 1 to 32 of a-z, 0-9 and -";
            if fits { Ok(text.to_owned()) } else { Err(Invalid::new("is not fit for the names of keys", fix)) }
        });
        Ok(Self {
            connections: connections?,
            statement_timeout: statement_timeout?,
            migrate: migrate?,
            postgres_ca_file: postgres_ca_file?,
            redis_ca_file: redis_ca_file?,
            prefix: prefix?,
        })
    }

    fn join(
        self,
        r: &mut Reader,
        postgres: Reading<(SecretString, Link)>,
        redis: Option<SecretString>,
    ) -> Reading<SharedConfig> {
        let key = r.secret_key("store.redis_url");
        let Some(redis) = redis else {
            let fix = format!("PostgreSQL is for several replicas, which share their sessions in Redis: {REDIS_FIX}");
            r.fault("store.redis_url", "must be set beside postgres://", fix);
            return Err(Noted);
        };
        let read = redis_server(redis.expose()).map_err(|what| r.fault(&key, what, REDIS_FIX));
        let (url, link) = postgres?;
        let redis = read.map_err(|()| Noted)?;
        Ok(SharedConfig {
            postgres: PostgresConfig {
                url,
                link: Link { ca_file: self.postgres_ca_file, ..link },
                connections: self.connections,
                statement_timeout: self.statement_timeout,
                migrate: self.migrate,
            },
            redis: RedisConfig {
                link: Link { ca_file: self.redis_ca_file, ..redis.link },
                prefix: self.prefix,
                ..redis
            },
        })
    }
}

/// The address of a PostgreSQL without `sslmode`, and what that said: encrypted unless it stays on this machine.
fn postgres(text: &str) -> Result<(SecretString, Link), &'static str> {
    let address = Address::parse(text).map_err(|_| "is not the address of a database")?;
    if !matches!(address.scheme.as_str(), "postgres" | "postgresql") {
        return Err("has another scheme than sqlite, postgres or postgresql");
    }
    if address.user.is_none() || address.path.is_empty() || address.path.contains('/') {
        return Err("must name a user and a database");
    }
    let socket = address.parameter("host").is_some_and(|host| host.starts_with('/'));
    if address.hosts.is_empty() != socket {
        return Err("must name a host, or the folder of a socket as ?host=/run/postgresql, and not both");
    }
    if address.query.iter().any(|(key, _)| !POSTGRES_PARAMETERS.contains(&key.as_str())) {
        return Err("has a parameter that is not known here; certificates are named by store.postgres_ca_file");
    }
    let is_local = socket || address.is_loopback();
    let tls = match address.parameter("sslmode") {
        None => !is_local,
        Some("disable") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        Some(_) => return Err("has an sslmode that may end in plain text; write disable or verify-full"),
    };
    Ok((SecretString::new(without_parameter(text, "sslmode")), Link { tls, is_local, ca_file: None }))
}

fn without_parameter(text: &str, name: &str) -> String {
    let Some((address, query)) = text.split_once('?') else { return text.to_owned() };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| pair.split_once('=').is_none_or(|(key, _)| key != name)).collect();
    if kept.is_empty() { address.to_owned() } else { format!("{address}?{}", kept.join("&")) }
}

/// The address of a Redis, with the default prefix.
fn redis_server(text: &str) -> Result<RedisConfig, &'static str> {
    let address = Address::parse(text).map_err(|_| "is not the address of a Redis")?;
    let (protocol, form) = address.scheme.split_once('+').unwrap_or((&address.scheme, ""));
    let tls = match protocol {
        "redis" => false,
        "rediss" => true,
        _ => return Err("has another scheme than redis or rediss"),
    };
    if address.hosts.is_empty() {
        return Err("names no host");
    }
    if address.query.iter().any(|(key, _)| key != "sentinel_password") {
        return Err("has a parameter that is not known here");
    }
    let nodes =
        |port: u16| address.hosts.iter().map(|(host, own)| (host.clone(), own.unwrap_or(port))).collect::<Vec<_>>();
    let (topology, database) = match form {
        "" => match nodes(6379).as_slice() {
            [(host, port)] => (RedisTopology::Single(host.clone(), *port), address.path.as_str()),
            _ => return Err("names several hosts: say redis+sentinel:// or redis+cluster://"),
        },
        "sentinel" => {
            let (master, database) = address.path.split_once('/').unwrap_or((&address.path, ""));
            if master.is_empty() {
                return Err("must name the master the sentinels watch, after the hosts");
            }
            let password = address.parameter("sentinel_password").map(|text| SecretString::new(text.to_owned()));
            (RedisTopology::Sentinel { nodes: nodes(26379), master: master.to_owned(), password }, database)
        }
        "cluster" if address.path.is_empty() => (RedisTopology::Cluster(nodes(6379)), ""),
        "cluster" => return Err("names a database: a cluster has only one"),
        _ => return Err("has another scheme than redis, redis+sentinel or redis+cluster"),
    };
    let database = match database {
        "" => 0,
        number => number.parse().map_err(|_| "has a database that is not a number")?,
    };
    Ok(RedisConfig {
        topology,
        database,
        link: Link { tls, is_local: address.is_loopback(), ca_file: None },
        user: address.user,
        password: address.password,
        prefix: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> (bool, bool, String) {
        let (url, link) = postgres(text).unwrap_or_else(|what| panic!("{text}: {what}"));
        (link.tls, link.is_local, url.expose().to_owned())
    }

    #[test]
    fn a_database_elsewhere_is_reached_by_tls_unless_it_says_otherwise() {
        let url = "postgres://ada:pw@db.example.com:5433/app".to_owned();
        assert_eq!(link("postgres://ada:pw@db.example.com:5433/app"), (true, false, url.clone()));
        assert_eq!(link("postgres://ada:pw@db.example.com:5433/app?sslmode=verify-full"), (true, false, url.clone()));
        assert_eq!(link("postgres://ada:pw@db.example.com:5433/app?sslmode=disable"), (false, false, url));
        let failover = "postgresql://ada@a,b:5433/app?target_session_attrs=read-write";
        assert_eq!(link(&format!("{failover}&sslmode=require")), (true, false, failover.to_owned()));
    }

    #[test]
    fn a_database_on_this_machine_is_reached_in_plain_text_unless_it_says_otherwise() {
        assert_eq!(link("postgres://ada@127.0.0.1/app"), (false, true, "postgres://ada@127.0.0.1/app".into()));
        assert!(link("postgres://ada@localhost/app?sslmode=verify-full").0);
        let socket = "postgres://ada@/app?host=/run/postgresql";
        assert_eq!(link(socket), (false, true, socket.into()));
    }

    #[test]
    fn addresses_of_databases_that_would_surprise_are_refused_without_repeating_them() {
        for text in [
            "mysql://ada:hunter2@db/app",
            "postgres://ada:hunter2@db",
            "postgres://ada:hunter2@db/a/b",
            "postgres://:hunter2@db/app",
            "postgres://ada:hunter2@/app",
            "postgres://ada:hunter2@db/app?host=/run/postgresql",
            "postgres://ada:hunter2@db/app?sslmode=prefer",
            "postgres://ada:hunter2@db/app?sslmode=allow",
            "postgres://ada:hunter2@db/app?sslrootcert=/ca.pem",
            "/var/lib/keystead.db",
        ] {
            let what = postgres(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
            assert!(!what.contains("hunter2"));
        }
    }

    #[test]
    fn schemes_say_what_kind_of_redis_it_is() {
        let single = redis_server("redis://:pw@r.example.com/3").unwrap();
        assert_eq!(single.topology, RedisTopology::Single("r.example.com".into(), 6379));
        assert_eq!((single.database, single.link.tls, single.link.is_local, single.user), (3, false, false, None));
        let sentinel = redis_server("rediss+sentinel://ada:pw@s1,s2:26380/main/1?sentinel_password=x").unwrap();
        let nodes = vec![("s1".to_owned(), 26379), ("s2".to_owned(), 26380)];
        let password = Some(SecretString::new("x".to_owned()));
        assert_eq!(sentinel.topology, RedisTopology::Sentinel { nodes, master: "main".into(), password });
        assert_eq!((sentinel.database, sentinel.link.tls, sentinel.user.as_deref()), (1, true, Some("ada")));
        let cluster = redis_server("redis+cluster://127.0.0.1:7000,127.0.0.1:7001").unwrap();
        let nodes = vec![("127.0.0.1".to_owned(), 7000), ("127.0.0.1".to_owned(), 7001)];
        assert_eq!((cluster.topology, cluster.link.is_local), (RedisTopology::Cluster(nodes), true));
    }

    #[test]
    fn addresses_of_redis_that_would_surprise_are_refused() {
        for text in [
            "valkey://r",
            "redis://a,b",
            "redis://r/one",
            "redis://",
            "redis+sentinel://s1",
            "redis+cluster://n1/2",
            "redis+ring://n1",
            "redis://r?db=2",
        ] {
            assert!(redis_server(text).is_err(), "{text}");
        }
    }
}
