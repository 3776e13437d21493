//! Where the data lives: one SQLite file, or PostgreSQL and Redis.

use std::path::Path;
use std::sync::Arc;

use keystead_adapters_postgres::{PgConfig, PgDatabase};
use keystead_adapters_redis::{RedisConfig, RedisLink, Topology};
use keystead_adapters_sqlite::{LocalRevocationFeed, SqliteConfig, SqliteDatabase, Synchronous};
use keystead_application::ports::{
    CeremonyStore, Entropy, EphemeralError, RateLimiter, RevocationFeed, SessionStore, Store,
};
use keystead_application::random;
use keystead_domain::Timestamp;

use super::{ComposeError, broken};
use crate::config::{self, Config, Data, Link, PostgresConfig, RedisTopology, StoreConfig};

/// The adapters that keep something, as ports.
pub(super) struct Stores {
    pub store: Arc<dyn Store>,
    /// The same data over a connection that requests cannot take: for what must be read in time, whatever they wait for.
    pub watch: Arc<dyn Store>,
    pub sessions: Arc<dyn SessionStore>,
    pub ceremonies: Arc<dyn CeremonyStore>,
    pub limiter: Arc<dyn RateLimiter>,
    pub feed: Arc<dyn RevocationFeed>,
    pub garbage: Garbage,
    pub is_alone: bool,
}

/// Deletes sessions, ceremonies and rate windows that lapsed. Redis does that by itself.
pub struct Garbage(Option<SqliteDatabase>);

impl Garbage {
    /// Runs one round.
    pub async fn collect(&self, now: Timestamp) -> Result<(), EphemeralError> {
        match &self.0 {
            Some(database) => database.collect_garbage(now).await.map(drop),
            None => Ok(()),
        }
    }
}

/// What stores are opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve. Without Redis there would be little to serve.
    Serving,
    /// For one command. Somebody must be able to ban an account while Redis is away.
    Command,
}

/// Opens the stores of a configuration, in this version's form. Blocks while it connects.
pub(super) fn open(config: &Config, entropy: &dyn Entropy, purpose: Purpose) -> Result<Stores, ComposeError> {
    let feed_id = random::secret(entropy).expose().to_owned();
    match &config.store.data {
        Data::Embedded(sqlite) => {
            let database = SqliteDatabase::open(&sqlite_config(&config.store, sqlite)).map_err(broken)?;
            Ok(Stores {
                store: Arc::new(database.store()),
                watch: Arc::new(database.store()),
                sessions: Arc::new(database.sessions()),
                ceremonies: Arc::new(database.ceremonies()),
                limiter: Arc::new(database.rate_limiter()),
                feed: Arc::new(LocalRevocationFeed::new(feed_id)),
                garbage: Garbage(Some(database)),
                is_alone: true,
            })
        }
        Data::Shared(shared) => {
            let settings = postgres_config(&config.store, &shared.postgres)?;
            bring_to_form(&settings, shared.postgres.migrate)?;
            let [database, watch] = databases(settings)?;
            let redis = redis_config(&shared.redis)?;
            let redis = match purpose {
                Purpose::Serving => RedisLink::open(&redis),
                Purpose::Command => RedisLink::open_though_away(&redis),
            }
            .map_err(broken)?;
            Ok(Stores {
                store: Arc::new(database.store()),
                watch: Arc::new(watch.store()),
                sessions: Arc::new(redis.sessions()),
                ceremonies: Arc::new(redis.ceremonies()),
                limiter: Arc::new(redis.rate_limiter()),
                feed: Arc::new(redis.revocation_feed(feed_id)),
                garbage: Garbage(None),
                is_alone: false,
            })
        }
    }
}

/// The database for requests, and once more with one of its connections for what must be read in time.
fn databases(settings: PgConfig) -> Result<[PgDatabase; 2], ComposeError> {
    let requests = PgConfig { connections: settings.connections.saturating_sub(1), ..settings.clone() };
    let watch = PgConfig { connections: 1, ..settings };
    Ok([PgDatabase::open(&requests).map_err(broken)?, PgDatabase::open(&watch).map_err(broken)?])
}

/// Applies what is missing, or refuses to run without it.
pub(super) fn bring_to_form(settings: &PgConfig, migrate: bool) -> Result<(), ComposeError> {
    if migrate {
        return PgDatabase::migrate(settings).map(drop).map_err(broken);
    }
    let pending = PgDatabase::pending_migrations(settings).map_err(broken)?;
    if pending.is_empty() {
        return Ok(());
    }
    Err(broken(format!(
        "{} migrations are missing; run `keystead migrate` first (store.migrate = false)",
        pending.len()
    )))
}

/// Brings the database to this version's form. Returns the names of the migrations it applied.
pub fn migrate(config: &Config) -> Result<Vec<String>, ComposeError> {
    match &config.store.data {
        Data::Embedded(sqlite) => SqliteDatabase::migrate(&sqlite_config(&config.store, sqlite)).map_err(broken),
        Data::Shared(shared) => PgDatabase::migrate(&postgres_config(&config.store, &shared.postgres)?).map_err(broken),
    }
}

/// [`migrate`], but no further than the migration of this name.
pub fn migrate_to(config: &Config, last: &str) -> Result<Vec<String>, ComposeError> {
    match &config.store.data {
        Data::Embedded(sqlite) => {
            SqliteDatabase::migrate_to(&sqlite_config(&config.store, sqlite), last).map_err(broken)
        }
        Data::Shared(shared) => {
            PgDatabase::migrate_to(&postgres_config(&config.store, &shared.postgres)?, last).map_err(broken)
        }
    }
}

/// Migrations the database does not have yet.
pub fn pending_migrations(config: &Config) -> Result<Vec<String>, ComposeError> {
    match &config.store.data {
        Data::Embedded(sqlite) => {
            SqliteDatabase::pending_migrations(&sqlite_config(&config.store, sqlite)).map_err(broken)
        }
        Data::Shared(shared) => {
            PgDatabase::pending_migrations(&postgres_config(&config.store, &shared.postgres)?).map_err(broken)
        }
    }
}

pub(super) fn sqlite_config(store: &StoreConfig, sqlite: &config::SqliteConfig) -> SqliteConfig {
    let synchronous = match sqlite.synchronous {
        config::Synchronous::Full => Synchronous::Full,
        config::Synchronous::Normal => Synchronous::Normal,
    };
    SqliteConfig { synchronous, acquire_timeout: store.acquire_timeout, ..SqliteConfig::new(&sqlite.path) }
}

pub(super) fn postgres_config(store: &StoreConfig, postgres: &PostgresConfig) -> Result<PgConfig, ComposeError> {
    use keystead_adapters_postgres::Tls;
    let tls = if postgres.link.tls { Tls::Verified { extra_ca_pem: extra_ca(&postgres.link)? } } else { Tls::Off };
    Ok(PgConfig {
        tls,
        connections: postgres.connections,
        acquire_timeout: store.acquire_timeout,
        statement_timeout: postgres.statement_timeout,
        ..PgConfig::new(postgres.url.expose())
    })
}

pub(super) fn redis_config(redis: &config::RedisConfig) -> Result<RedisConfig, ComposeError> {
    use keystead_adapters_redis::Tls;
    let topology = match redis.topology.clone() {
        RedisTopology::Single(host, port) => Topology::Single { host, port },
        RedisTopology::Sentinel { nodes, master, password } => {
            Topology::Sentinel { nodes, master, username: None, password }
        }
        RedisTopology::Cluster(nodes) => Topology::Cluster { nodes },
    };
    let tls = if redis.link.tls { Tls::Verified { extra_ca_pem: extra_ca(&redis.link)? } } else { Tls::Off };
    Ok(RedisConfig {
        topology,
        username: redis.user.clone(),
        password: redis.password.clone(),
        database: redis.database,
        tls,
        prefix: redis.prefix.clone(),
        ..RedisConfig::new("", 0)
    })
}

fn extra_ca(link: &Link) -> Result<Option<Vec<u8>>, ComposeError> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| broken(format!("{}: {error}", path.display())));
    link.ca_file.as_deref().map(read).transpose()
}
