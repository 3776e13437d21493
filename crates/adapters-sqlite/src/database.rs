//! Opening, migrating, and the ports of one file.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use keystead_application::ports::EphemeralError;
use keystead_domain::Timestamp;
use thiserror::Error;

pub use crate::connection::Synchronous;
use crate::connection::{Access, Deadline, Pool, Settings, establish, is_busy};
use crate::ephemeral::{Garbage, SqliteCeremonies, SqliteRateLimiter, SqliteSessions, collect};
use crate::store::SqliteStore;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// How often switching to WAL is tried again while another process holds the file: SQLite itself does not wait there.
const WAL_TURN: Duration = Duration::from_millis(10);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where the file is and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database file. Its folder must exist; SQLite keeps two more files beside it.
    pub path: PathBuf,
    /// When commits wait for the disk.
    pub synchronous: Synchronous,
    /// How long to wait for a connection, and for other processes.
    pub acquire_timeout: Duration,
    /// How many transactions may read at once; at least 1. Connections are made when first needed.
    pub readers: usize,
}

impl SqliteConfig {
    /// The defaults: durable commits, 5 s, 4 readers.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), synchronous: Synchronous::Full, acquire_timeout: Duration::from_secs(5), readers: 4 }
    }
}

/// The file could not be opened or migrated. Texts name it.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    File {
        /// The file, or the folder it should be in.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{}: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        reason: String,
    },
    /// A migration failed; nothing of it was kept.
    #[error("{}: migration failed: {reason}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Which, and SQLite's words.
        reason: String,
    },
}

/// One open SQLite file. Cheap to clone; the file is closed with the last clone and the last port made of it.
#[derive(Clone)]
pub struct SqliteDatabase {
    writer: Arc<Pool>,
    readers: Arc<Pool>,
}

impl SqliteDatabase {
    /// Opens the file, making it (for its owner's eyes only) and its tables when they are missing. Blocks for the time
    /// of a few file operations. Other processes may have the file open.
    pub fn open(config: &SqliteConfig) -> Result<Self, OpenError> {
        Self::migrate(config)?;
        let settings = Arc::new(settings(config)?);
        Ok(Self {
            writer: Pool::new(Arc::clone(&settings), Access::Write, 1),
            readers: Pool::new(settings, Access::Read, config.readers),
        })
    }

    /// Names of migrations the file does not have yet, oldest first; all of them when there is no file.
    pub fn pending_migrations(config: &SqliteConfig) -> Result<Vec<String>, OpenError> {
        if config.path.exists() {
            let mut connection = connect(config)?;
            return pending(&mut connection).map_err(|error| migration_error(config, &error));
        }
        let all: Result<Vec<Box<dyn Migration<Sqlite>>>, BoxError> = MIGRATIONS.migrations();
        let all = all.map_err(|error| migration_error(config, &error))?;
        let mut names: Vec<String> = all.iter().map(|migration| migration.name().to_string()).collect();
        names.sort();
        Ok(names)
    }

    /// Brings the file's tables up to date, in one transaction: all of the missing migrations, or none. Of several
    /// processes one migrates and the others wait. Returns the names of those it applied.
    pub fn migrate(config: &SqliteConfig) -> Result<Vec<String>, OpenError> {
        create_private(&config.path)?;
        let mut connection = connect(config)?;
        let result = pending(&mut connection).and_then(|missing| match missing.as_slice() {
            [] => Ok(missing),
            // Asked again under the write lock: another process may have been quicker.
            _ => connection.immediate_transaction(|connection| {
                let missing = pending(connection)?;
                connection.run_pending_migrations(MIGRATIONS)?;
                Ok(missing)
            }),
        });
        result.map_err(|error| migration_error(config, &error))
    }

    /// Transactions.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::new(Arc::clone(&self.writer), Arc::clone(&self.readers))
    }

    /// Signed-in clients.
    pub fn sessions(&self) -> SqliteSessions {
        SqliteSessions::new(Arc::clone(&self.writer), Arc::clone(&self.readers))
    }

    /// Take-once state.
    pub fn ceremonies(&self) -> SqliteCeremonies {
        SqliteCeremonies::new(Arc::clone(&self.writer), Arc::clone(&self.readers))
    }

    /// Request counters.
    pub fn rate_limiter(&self) -> SqliteRateLimiter {
        SqliteRateLimiter::new(Arc::clone(&self.writer))
    }

    /// Deletes sessions, ceremonies and rate windows that lapsed by `now`, a batch at a time so that others can write.
    pub async fn collect_garbage(&self, now: Timestamp) -> Result<Garbage, EphemeralError> {
        collect(&self.writer, now).await
    }
}

fn pending(connection: &mut SqliteConnection) -> Result<Vec<String>, BoxError> {
    let missing = connection.pending_migrations(MIGRATIONS)?;
    Ok(missing.iter().map(|migration| migration.name().to_string()).collect())
}

fn migration_error(config: &SqliteConfig, error: &BoxError) -> OpenError {
    OpenError::Migration { path: config.path.clone(), reason: error.to_string() }
}

fn settings(config: &SqliteConfig) -> Result<Settings, OpenError> {
    // Absolute, so that no name is taken for a URL or for SQLite's ":memory:".
    let file_error = |source| OpenError::File { path: config.path.clone(), source };
    let path = std::path::absolute(&config.path).map_err(file_error)?;
    let url = path
        .into_os_string()
        .into_string()
        .map_err(|_| file_error(io::Error::new(io::ErrorKind::InvalidFilename, "the path is not valid UTF-8")))?;
    Ok(Settings { url, synchronous: config.synchronous, acquire_timeout: config.acquire_timeout })
}

/// A plain connection, with the file in WAL mode.
fn connect(config: &SqliteConfig) -> Result<SqliteConnection, OpenError> {
    let refused = |reason: String| OpenError::Database { path: config.path.clone(), reason };
    let deadline = Deadline::after(config.acquire_timeout);
    let mut connection = establish(&settings(config)?, Access::Write).map_err(|error| refused(error.to_string()))?;
    let patience = format!("PRAGMA busy_timeout = {}", config.acquire_timeout.as_millis());
    connection.batch_execute(&patience).map_err(|error| refused(error.to_string()))?;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Ok(()) => return Ok(connection),
            Err(error) if is_busy(&error) && !deadline.has_passed() => thread::sleep(WAL_TURN),
            Err(error) => return Err(refused(error.to_string())),
        }
    }
}

/// Makes the file, readable for its owner only, when it is missing. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(source) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
            Err(OpenError::File { path: folder.unwrap_or(path).to_owned(), source })
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::Connection;

    use super::*;

    #[test]
    fn every_migration_can_be_undone_and_done_again() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        for _ in 0..2 {
            assert!(!connection.run_pending_migrations(MIGRATIONS).unwrap().is_empty());
            assert!(!connection.revert_all_migrations(MIGRATIONS).unwrap().is_empty());
        }
        assert!(connection.batch_execute("SELECT 1 FROM users").is_err());
    }
}
