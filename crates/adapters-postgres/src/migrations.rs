//! Bringing the tables up to date.

use std::thread;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::Link;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The lock of the one process that migrates; a number nobody else chooses ("keystead" in ASCII).
const LOCK: i64 = 0x6b65_7973_7465_6164;
/// How often who waits for that lock asks again.
const TURN: Duration = Duration::from_millis(100);

/// How long a change of a table waits for its lock. Everybody else who wants the table waits behind it meanwhile, so
/// this is less than the statement time-out of those who serve.
const PATIENCE: &str = "SET lock_timeout = '700ms'";
/// Building an index lets others write, and may wait for whoever is in its way.
const NO_HURRY: &str = "SET lock_timeout = 0";
/// How often a change of a table that did not get its lock is tried, and how long others have their turn in between.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Indexes of our tables that a killed `CREATE INDEX CONCURRENTLY` left behind: kept up to date and never used. Those
/// with PostgreSQL's own suffixes belong to a `REINDEX CONCURRENTLY` somebody runs.
const BROKEN_INDEXES: &str = "\
    SELECT format('%I.%I', n.nspname, i.relname) AS name FROM pg_index x \
    JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
    JOIN pg_namespace n ON n.oid = i.relnamespace \
    WHERE NOT x.indisvalid AND n.nspname = current_schema() AND i.relname !~ '_cc(new|old)[0-9]*$' \
    AND t.relname IN ('users', 'passwords', 'pending_registrations', 'link_tokens', 'outbox', 'audit_events', \
    'revocations', 'guess_budgets', 'devices', 'login_history', 'keys', 'totp', 'recovery_codes', 'passkeys', \
    'pending_contacts', 'contact_undos', 'factor_failures', 'factor_keys', 'audit_checkpoints', 'general_revocations')";

/// Why a migration failed.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Names of migrations the database does not have yet, oldest first. Changes nothing. Migrations it has and this program
/// does not know are a newer program's: it was made so that this one can still serve.
pub(crate) async fn pending(connection: &mut AsyncPgConnection) -> Result<Vec<String>, BoxError> {
    let exists = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS yes");
    let exists: Answer = exists.get_result(connection).await?;
    let applied: Vec<Name> = if exists.yes {
        diesel::sql_query("SELECT version AS name FROM __diesel_schema_migrations").load(connection).await?
    } else {
        Vec::new()
    };
    let is_missing = |migration: &dyn Migration<Pg>| {
        let version = migration.name().version().to_string();
        applied.iter().all(|applied| applied.name != version)
    };
    Ok(known()?
        .iter()
        .filter(|migration| is_missing(&***migration))
        .map(|migration| migration.name().to_string())
        .collect())
}

/// The migrations this program has, oldest first.
fn known() -> Result<Vec<Box<dyn Migration<Pg>>>, BoxError> {
    let mut migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations()?;
    migrations.sort_by_key(|migration| migration.name().to_string());
    Ok(migrations)
}

/// Applies missing migrations, up to the one of this name if one is named, under a lock: of several processes one
/// migrates and the others wait for it. Returns the names of those it applied.
///
/// Each is a transaction of its own but those that build indexes while others write. Whatever a killed predecessor left
/// half-done is done again.
pub(crate) async fn migrate(mut link: Link, last: Option<String>) -> Result<Vec<String>, BoxError> {
    if let Some(last) = &last {
        check_name(last)?;
    }
    let connection = &mut link.connection;
    lock(connection).await?;
    // Asked under the lock: another process may have been quicker.
    let mut wanted = pending(connection).await?;
    wanted.retain(|name| last.as_ref().is_none_or(|last| name <= last));
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let broken: Vec<Name> = diesel::sql_query(BROKEN_INDEXES).load(connection).await?;
    for index in broken {
        tracing::warn!(index = %index.name, "dropping an index whose making was cut short");
        connection.batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.name)).await?;
    }
    // diesel's harness blocks. The lock ends with the session, whatever happens here.
    tokio::task::spawn_blocking(move || {
        let (connection, held) = link.into_parts();
        let mut connection: AsyncConnectionWrapper<AsyncPgConnection> = connection.into();
        let applied = apply(&mut connection, &wanted).map(|()| wanted);
        drop((connection, held));
        applied
    })
    .await?
}

/// Becomes the one process that migrates, until the session ends.
///
/// Never waits inside a statement: who builds an index without locking waits for every statement that began before,
/// and would wait for one that waits for it.
pub(crate) async fn lock(connection: &mut AsyncPgConnection) -> Result<(), BoxError> {
    // The session of a process that was killed ends within a second, also in the middle of a statement, and with it the
    // lock. Not every system PostgreSQL runs on can do that; there it ends with its statement.
    if let Err(error) = connection.batch_execute("SET client_connection_check_interval = '1s'").await {
        tracing::debug!(%error, "PostgreSQL does not look after its clients");
    }
    loop {
        let query = diesel::sql_query(format!("SELECT pg_try_advisory_lock({LOCK}) AS yes"));
        let locked: Answer = query.get_result(connection).await?;
        if locked.yes {
            return Ok(());
        }
        tokio::time::sleep(TURN).await;
    }
}

fn check_name(wanted: &str) -> Result<(), BoxError> {
    let names: Vec<String> = known()?.iter().map(|migration| migration.name().to_string()).collect();
    if names.iter().any(|name| name == wanted) {
        return Ok(());
    }
    Err(format!("there is no migration {wanted}, but {}", names.join(", ")).into())
}

fn apply(connection: &mut AsyncConnectionWrapper<AsyncPgConnection>, wanted: &[String]) -> Result<(), BoxError> {
    // Makes diesel's own table on the first run.
    connection.applied_migrations()?;
    let migrations = known()?;
    for migration in migrations.iter().filter(|migration| wanted.contains(&migration.name().to_string())) {
        let waits = migration.metadata().run_in_transaction();
        SimpleConnection::batch_execute(connection, if waits { PATIENCE } else { NO_HURRY })?;
        let mut attempt = 1;
        while let Err(error) = connection.run_migration(&**migration) {
            if attempt == ATTEMPTS || !error.to_string().contains("lock timeout") {
                return Err(format!("{}: {error}", migration.name()).into());
            }
            attempt += 1;
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
