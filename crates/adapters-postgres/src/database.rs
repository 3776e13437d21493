//! Opening, and what can be asked of a database.

use std::sync::Arc;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use keystead_application::ports::StoreError;
use keystead_domain::Timestamp;
use thiserror::Error;

use crate::config::PgConfig;
use crate::connection::{Connector, pool};
use crate::migrations;
use crate::runtime::OwnRuntime;
use crate::store::{Access, PgStore, Shared};

/// The database could not be opened or migrated. Texts name servers, never a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The configuration cannot work. Nothing but a change of it helps.
    #[error("PostgreSQL: {0}")]
    Config(String),
    /// This machine has no thread to give.
    #[error("PostgreSQL: no thread could be started: {0}")]
    Thread(std::io::Error),
    /// No server could be used: the servers that were tried, and why each failed.
    #[error("PostgreSQL at {0}")]
    Connect(String),
    /// A migration failed; nothing of it was kept, those before it were.
    #[error("PostgreSQL at {servers}: migration failed: {reason}")]
    Migration {
        /// The servers of the connection string.
        servers: String,
        /// Which, and PostgreSQL's words.
        reason: String,
    },
    /// Nothing can be carried into this database.
    #[error("PostgreSQL at {servers}: {reason}")]
    Import {
        /// The servers of the connection string.
        servers: String,
        /// What it holds already, or PostgreSQL's words.
        reason: String,
    },
}

/// One PostgreSQL database, and a pool of connections to it. Cheap to clone; connections are closed with the last clone
/// and the last store or transaction made of it.
#[derive(Clone)]
pub struct PgDatabase {
    shared: Arc<Shared>,
}

impl PgDatabase {
    /// Connects, which proves that the address, the login and the server's version are right; migrates nothing. Blocks
    /// at most for the acquire time-out. May be called with or without a runtime around.
    pub fn open(config: &PgConfig) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(config).map_err(OpenError::Config)?);
        let runtime = OwnRuntime::start().map_err(OpenError::Thread)?;
        let handle = runtime.handle().map_err(OpenError::Thread)?;
        let pool = pool(Arc::clone(&connector), handle.clone(), config.connections, config.acquire_timeout)
            .map_err(|error| OpenError::Config(error.to_string()))?;
        let first = {
            let pool = pool.clone();
            // The connection is kept for the first caller.
            runtime.wait_for(async move { pool.get().await.map(drop) })
        };
        let refused = |reason: String| OpenError::Connect(reason);
        match first {
            Some(Ok(())) => {}
            Some(Err(deadpool::managed::PoolError::Backend(reason))) => return Err(refused(reason)),
            Some(Err(_)) | None => return Err(refused(format!("{}: no answer in time", connector.names()))),
        }
        let limits = (config.acquire_timeout, config.statement_timeout, Connector::answer_limit(config));
        Ok(Self { shared: Arc::new(Shared::new(pool, runtime, handle, limits)) })
    }

    /// Names of migrations the database does not have yet, oldest first. Changes nothing. Blocks while it asks.
    pub fn pending_migrations(config: &PgConfig) -> Result<Vec<String>, OpenError> {
        let (connector, runtime) = Self::patient(config)?;
        let (servers, work) = (connector.names(), async move {
            let mut link = connector.connect().await.map_err(OpenError::Connect)?;
            Ok(migrations::pending(&mut link.connection).await)
        });
        Self::migration_result(servers, runtime.wait_for(work))
    }

    /// Brings the tables up to date under a lock: of several processes one migrates and the others wait for it, however
    /// long it takes. Each migration is a transaction of its own, but for those that build an index while others write.
    /// Killed half-way it can be run again. Returns the names of those it applied. Blocks.
    pub fn migrate(config: &PgConfig) -> Result<Vec<String>, OpenError> {
        Self::run_migrations(config, None)
    }

    /// [`Self::migrate`], but no further than the migration of this name. A name there is none of is refused.
    pub fn migrate_to(config: &PgConfig, last: &str) -> Result<Vec<String>, OpenError> {
        Self::run_migrations(config, Some(last.to_owned()))
    }

    fn run_migrations(config: &PgConfig, last: Option<String>) -> Result<Vec<String>, OpenError> {
        let (connector, runtime) = Self::patient(config)?;
        let (servers, work) = (connector.names(), async move {
            let link = connector.connect().await.map_err(OpenError::Connect)?;
            Ok(migrations::migrate(link, last).await)
        });
        Self::migration_result(servers, runtime.wait_for(work))
    }

    fn patient(config: &PgConfig) -> Result<(Connector, OwnRuntime), OpenError> {
        let connector = Connector::new(config).map_err(OpenError::Config)?.patient();
        Ok((connector, OwnRuntime::start().map_err(OpenError::Thread)?))
    }

    fn migration_result(
        servers: String,
        result: Option<Result<Result<Vec<String>, migrations::BoxError>, OpenError>>,
    ) -> Result<Vec<String>, OpenError> {
        match result {
            Some(Ok(Ok(names))) => Ok(names),
            Some(Ok(Err(error))) => Err(OpenError::Migration { servers, reason: error.to_string() }),
            Some(Err(error)) => Err(error),
            None => Err(OpenError::Migration { servers, reason: "it panicked".to_owned() }),
        }
    }

    /// Transactions.
    pub fn store(&self) -> PgStore {
        PgStore::new(Arc::clone(&self.shared))
    }

    /// The database's clock minus `now`, in microseconds. Replicas compare times with each other through rows, so their
    /// clocks and this one must agree within seconds.
    pub async fn clock_skew(&self, now: Timestamp) -> Result<i64, StoreError> {
        #[derive(QueryableByName)]
        struct Clock {
            #[diesel(sql_type = BigInt)]
            micros: i64,
        }
        let mut tx = self.store().open(Access::Read).await?;
        let query = sql_query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros");
        let clock = query.get_result::<Clock>(tx.connection()?).await;
        Ok(tx.check(clock)?.micros.saturating_sub(now.as_micros()))
    }
}

impl std::fmt::Debug for PgDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgDatabase").field("pool", &self.shared.pool.status()).finish_non_exhaustive()
    }
}
