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

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Migrations = Vec<Box<dyn Migration<Sqlite>>>;

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
    /// Another process has the file open that must not have it open now.
    #[error("{} is in use; stop the service and every other command on it first", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file has another form than this version's.
    #[error("{}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// In what it differs, and what to do.
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
        Ok(names(&known().map_err(|error| migration_error(config, &error))?))
    }

    /// Brings the file's tables up to date, in one transaction: all of the missing migrations, or none. Of several
    /// processes one migrates and the others wait. Returns the names of those it applied.
    pub fn migrate(config: &SqliteConfig) -> Result<Vec<String>, OpenError> {
        Self::run_migrations(config, None)
    }

    /// [`Self::migrate`], but no further than the migration of this name. A name there is none of is refused.
    pub fn migrate_to(config: &SqliteConfig, last: &str) -> Result<Vec<String>, OpenError> {
        let names = names(&known().map_err(|error| migration_error(config, &error))?);
        if !names.iter().any(|name| name == last) {
            let reason = format!("there is no migration {last}, but {}", names.join(", "));
            return Err(OpenError::Migration { path: config.path.clone(), reason });
        }
        Self::run_migrations(config, Some(last))
    }

    fn run_migrations(config: &SqliteConfig, last: Option<&str>) -> Result<Vec<String>, OpenError> {
        create_private(&config.path)?;
        let mut connection = connect(config)?;
        let missing = |connection: &mut SqliteConnection| -> Result<Migrations, BoxError> {
            let mut missing = connection.pending_migrations(MIGRATIONS)?;
            missing.retain(|migration| last.is_none_or(|last| migration.name().to_string().as_str() <= last));
            Ok(missing)
        };
        let result = missing(&mut connection).and_then(|found| match found.as_slice() {
            [] => Ok(Vec::new()),
            // Asked again under the write lock: another process may have been quicker.
            _ => connection.immediate_transaction(|connection| {
                let missing = missing(connection)?;
                connection.run_migrations(&missing)?;
                Ok(names(&missing))
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
    Ok(names(&connection.pending_migrations(MIGRATIONS)?))
}

/// The migrations this program has.
pub(crate) fn known() -> Result<Migrations, BoxError> {
    MIGRATIONS.migrations()
}

/// Their names, oldest first.
fn names(migrations: &[Box<dyn Migration<Sqlite>>]) -> Vec<String> {
    let mut names: Vec<String> = migrations.iter().map(|migration| migration.name().to_string()).collect();
    names.sort();
    names
}

pub(crate) fn migration_error(config: &SqliteConfig, error: &BoxError) -> OpenError {
    OpenError::Migration { path: config.path.clone(), reason: error.to_string() }
}

pub(crate) fn settings(config: &SqliteConfig) -> Result<Settings, OpenError> {
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
