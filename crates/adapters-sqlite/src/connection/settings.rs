use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection as _, ConnectionResult, QueryResult, SqliteConnection};

use super::Deadline;

/// When SQLite waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// At every commit: what was acknowledged survives a power failure.
    #[default]
    Full,
    /// At checkpoints: the last commits may be lost with the power, never with the process, and the file stays sound.
    Normal,
}

impl Synchronous {
    /// The pragma that sets it.
    pub(crate) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "PRAGMA synchronous = FULL",
            Self::Normal => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything.
    Write,
    /// Reading; SQLite refuses the rest.
    Read,
}

/// How connections to one file are made.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file, as SQLite wants it.
    pub(crate) url: String,
    /// When commits wait for the disk.
    pub(crate) synchronous: Synchronous,
    /// How long to wait for a connection, and for other processes' locks.
    pub(crate) acquire_timeout: Duration,
}

/// The writer waits for locks in short turns, so that an abandoned call ends soon.
const WRITER_TURN: Duration = Duration::from_millis(100);

/// Opens a connection. Blocks for the time of a few file operations.
pub(crate) fn establish(settings: &Settings, access: Access) -> ConnectionResult<SqliteConnection> {
    let mut connection = SqliteConnection::establish(&settings.url)?;
    let (patience, access_pragma) = match access {
        Access::Write => (WRITER_TURN.min(settings.acquire_timeout), "PRAGMA secure_delete = ON"),
        Access::Read => (settings.acquire_timeout, "PRAGMA query_only = ON"),
    };
    let pragmas = [
        &*format!("PRAGMA busy_timeout = {}", patience.as_millis()),
        settings.synchronous.pragma(),
        "PRAGMA foreign_keys = ON",
        "PRAGMA cache_size = -4096",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA journal_size_limit = 16777216",
        access_pragma,
    ];
    // One statement each: SQLite stops at the first that fails, and a pragma's row ends a batch.
    for pragma in pragmas {
        connection.batch_execute(pragma).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(connection)
}

/// Opens a transaction that holds the write lock, waiting for other processes until the deadline or until `abandoned`.
pub(crate) fn begin_immediate(
    connection: &mut SqliteConnection,
    deadline: Deadline,
    abandoned: &AtomicBool,
) -> QueryResult<()> {
    loop {
        if abandoned.load(Ordering::Acquire) {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        match connection.batch_execute("BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) && !deadline.has_passed() => {}
            // An earlier rollback failed: do it again.
            Err(error) if error.to_string().contains("within a transaction") => connection.batch_execute("ROLLBACK")?,
            result => return result,
        }
    }
}

/// Ends the open transaction, if there is one, without keeping anything of it.
pub(crate) fn roll_back(connection: &mut SqliteConnection) {
    if let Err(error) = connection.batch_execute("ROLLBACK")
        && !error.to_string().contains("no transaction is active")
    {
        tracing::warn!(%error, "a transaction could not be rolled back");
    }
}

/// Whether another process holds the lock.
pub(crate) fn is_busy(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, information) if information.message().contains("is locked"))
}
