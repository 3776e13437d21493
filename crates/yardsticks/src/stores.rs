//! The stores of a configuration.

use std::path::PathBuf;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use keystead_api_actix::config::{Config, ConfigSources, Data};

use crate::Outcome;

/// A configuration file, with the environment as the service would read it.
pub(crate) fn load(config: &str) -> Outcome<Config> {
    let env = std::env::vars().filter(|(name, _)| name.starts_with("KEYSTEAD_")).collect();
    let sources = ConfigSources { file: Some(PathBuf::from(config)), env, ..ConfigSources::default() };
    Ok(Config::load(sources)?)
}

/// The database itself, for statements no repository has.
pub(crate) enum Raw {
    Sqlite(Box<SqliteConnection>),
    Postgres(tokio_postgres::Client),
}

impl Raw {
    /// Connects. PostgreSQL's connection runs on the current runtime.
    pub(crate) async fn open(config: &Config) -> Outcome<Self> {
        match &config.store.data {
            Data::Embedded(sqlite) => {
                let path = sqlite.path.to_str().ok_or("the path of the database is not UTF-8")?;
                let mut connection = SqliteConnection::establish(path)?;
                connection.batch_execute(
                    "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144",
                )?;
                Ok(Self::Sqlite(Box::new(connection)))
            }
            Data::Shared(shared) => {
                let url = shared.postgres.url.expose();
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
                tokio::spawn(connection);
                Ok(Self::Postgres(client))
            }
        }
    }

    /// Runs statements.
    pub(crate) async fn execute(&mut self, sql: &str) -> Outcome {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql)?,
            Self::Postgres(client) => client.batch_execute(sql).await?,
        }
        Ok(())
    }
}
