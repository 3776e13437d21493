//! Everything in the file, for another database.

#[path = "../../adapters-sql/src/transfer_pages.rs"]
mod transfer_pages;

use std::io;
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::{SqliteConnection, sql_query};
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use diesel_migrations::MigrationHarness;
use keystead_adapters_sql::rows::KeyRow;
use keystead_adapters_sql::schema::{factor_keys, keys};
use keystead_adapters_sql::transfer::{Rows, Tally};
use keystead_adapters_sql::{RowError, store_error};
use keystead_application::ports::{CeremonyKey, CeremonyKind, StoreError, StoredKey};
use keystead_domain::token::Session;
use keystead_domain::{SecretBytes, Timestamp};

use crate::connection::{Access, Connection, Deadline, Worker, establish, is_busy};
use crate::database::{known, migration_error, settings};
use crate::ephemeral::{living_ceremonies, living_sessions};
use crate::{OpenError, SqliteConfig};
use transfer_pages::Pages;

/// How often the file is tried again while others have it open.
const TURN: Duration = Duration::from_millis(50);
/// What can be under way.
const KINDS: [CeremonyKind; 8] = [
    CeremonyKind::Code,
    CeremonyKind::Idempotency,
    CeremonyKind::StepUp,
    CeremonyKind::Contact,
    CeremonyKind::Passkey,
    CeremonyKind::Srp,
    CeremonyKind::Captcha,
    CeremonyKind::Social,
];
/// Sessions read at once.
const PAGE: i64 = 1000;

/// Everything in one file, read while no other process has it open. Changes nothing. While this lives nobody can open the
/// file.
pub struct SqliteExport {
    connection: Connection,
    pages: Pages,
    /// The session that was read last.
    session: String,
    /// The ceremony that was read last.
    ceremony: (String, String),
}

/// Take-once state on its way to another store.
pub struct Carried {
    /// Which.
    pub key: CeremonyKey,
    /// What.
    pub state: SecretBytes,
    /// Until when.
    pub expires_at: Timestamp,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

impl SqliteExport {
    /// Opens the file for itself alone, waiting for others to close it for the acquire time-out.
    ///
    /// # Errors
    /// [`OpenError::InUse`], or [`OpenError::Form`] when the file has not exactly the tables of this version.
    pub async fn open(config: &SqliteConfig) -> Result<Self, OpenError> {
        let path = config.path.clone();
        if !path.is_file() {
            return Err(OpenError::File { path, source: io::ErrorKind::NotFound.into() });
        }
        let (config, settings) = (config.clone(), settings(config)?);
        let mut worker = Worker::start();
        let opened = worker.spawn_blocking(move || {
            let refused = |reason: String| OpenError::Database { path: config.path.clone(), reason };
            let mut connection = establish(&settings, Access::Write).map_err(|error| refused(error.to_string()))?;
            match alone(&mut connection, Deadline::after(config.acquire_timeout)) {
                Ok(()) => check_form(&mut connection, &config).map(|()| connection),
                Err(error) if is_busy(&error) => Err(OpenError::InUse { path: config.path.clone() }),
                Err(error) => Err(refused(error.to_string())),
            }
        });
        match opened.await {
            Ok(connection) => {
                let connection = SyncConnectionWrapper::with_runtime(connection?, worker);
                let ceremony = (String::new(), String::new());
                Ok(Self { connection, pages: Pages::new(), session: String::new(), ceremony })
            }
            Err(error) => Err(OpenError::Database { path, reason: error.to_string() }),
        }
    }

    /// The next rows of the tables both databases have; `None` when all were read.
    pub async fn next(&mut self) -> Result<Option<&Rows>, StoreError> {
        self.pages.next(&mut self.connection).await.map_err(store_error)
    }

    /// What [`Self::next`] has read.
    pub fn tallies(&self) -> &[Tally] {
        self.pages.tallies()
    }

    /// The highest number each table that counts its rows has ever given.
    pub async fn last_numbers(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let work = |connection: &mut SqliteConnection| {
            sql_query("SELECT name, seq FROM sqlite_sequence").load::<Number>(connection)
        };
        let numbers = self.connection.spawn_blocking(work).await.map_err(store_error)?;
        Ok(numbers.into_iter().map(|number| (number.name, number.seq)).collect())
    }

    /// Every key in the file, sealed.
    pub async fn keys(&mut self) -> Result<Vec<StoredKey>, StoreError> {
        let work = |connection: &mut SqliteConnection| {
            let mut rows = keys::table.load::<KeyRow>(connection)?;
            rows.extend(factor_keys::table.load::<KeyRow>(connection)?);
            Ok(rows)
        };
        let rows: Vec<KeyRow> = self.connection.spawn_blocking(work).await.map_err(store_error)?;
        rows.into_iter().map(|row| row.try_into().map_err(StoreError::from)).collect()
    }

    /// The next sessions that are not over by their time at `now`, ended ones too: showing one of their older refresh
    /// tokens must still be told from showing nonsense. Empty when all were read.
    pub async fn next_sessions(&mut self, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let last = self.session.clone();
        let work = move |connection: &mut SqliteConnection| living_sessions(connection, &last, now, PAGE);
        let sessions = self.connection.spawn_blocking(work).await.map_err(store_error)?;
        if let Some(session) = sessions.last() {
            self.session = session.id.to_string();
        }
        Ok(sessions)
    }

    /// The next ceremonies that are alive at `now`. Empty when all were read.
    pub async fn next_ceremonies(&mut self, now: Timestamp) -> Result<Vec<Carried>, StoreError> {
        let (kind, id) = self.ceremony.clone();
        let work = move |connection: &mut SqliteConnection| living_ceremonies(connection, (&kind, &id), now, PAGE);
        let rows = self.connection.spawn_blocking(work).await.map_err(store_error)?;
        if let Some(last) = rows.last() {
            self.ceremony = (last.kind.clone(), last.id.clone());
        }
        let carried = rows.into_iter().map(|row| {
            let kind = KINDS.into_iter().find(|kind| kind.as_str() == row.kind).ok_or(RowError("ceremonies.kind"))?;
            let key = CeremonyKey { kind, id: row.id };
            Ok(Carried { key, state: SecretBytes::new(row.state), expires_at: row.expires_at.0 })
        });
        carried.collect::<Result<_, RowError>>().map_err(StoreError::from)
    }
}

/// Opens a transaction nobody else can be beside, not even to read: SQLite gives this lock only while no other connection
/// is open, and a service keeps one open as long as it runs.
fn alone(connection: &mut SqliteConnection, deadline: Deadline) -> QueryResult<()> {
    connection.batch_execute("PRAGMA locking_mode = EXCLUSIVE")?;
    loop {
        match connection.batch_execute("BEGIN IMMEDIATE") {
            Err(error) if is_busy(&error) && !deadline.has_passed() => thread::sleep(TURN),
            result => return result,
        }
    }
}

/// Refuses a file that has fewer tables or columns than this version carries over, or more.
fn check_form(connection: &mut SqliteConnection, config: &SqliteConfig) -> Result<(), OpenError> {
    let failed = |error| migration_error(config, &error);
    let applied = connection.applied_migrations().map_err(failed)?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    let known = known().map_err(failed)?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let reason = if known.iter().any(|version| !applied.contains(version)) {
        "migrations are missing; run `keystead migrate` on it first"
    } else if applied.iter().any(|version| !known.contains(version)) {
        "it has the form of a newer version of keystead; use that one"
    } else {
        return Ok(());
    };
    Err(OpenError::Form { path: config.path.clone(), reason: reason.to_owned() })
}
