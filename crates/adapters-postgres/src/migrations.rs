//! Bringing the tables up to date.

use diesel::QueryableByName;
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

/// Why a migration failed.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Names of migrations the database does not have yet, oldest first. Changes nothing. Migrations it has and this program
/// does not know are a newer program's: it was made so that this one can still serve.
pub(crate) async fn pending(connection: &mut AsyncPgConnection) -> Result<Vec<String>, BoxError> {
    let exists = diesel::sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS exists");
    let exists: Exists = exists.get_result(connection).await?;
    let applied: Vec<Applied> = if exists.exists {
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(connection).await?
    } else {
        Vec::new()
    };
    let known: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations()?;
    let is_missing = |migration: &dyn Migration<Pg>| {
        let version = migration.name().version().to_string();
        applied.iter().all(|applied| applied.version != version)
    };
    let mut names: Vec<String> = known
        .iter()
        .filter(|migration| is_missing(&***migration))
        .map(|migration| migration.name().to_string())
        .collect();
    names.sort();
    Ok(names)
}

/// Applies missing migrations, each in a transaction of its own, under a lock: of several processes one migrates and the
/// others wait for it. Returns the names of those it applied.
pub(crate) async fn migrate(mut link: Link) -> Result<Vec<String>, BoxError> {
    link.connection.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    // Asked under the lock: another process may have been quicker.
    let missing = pending(&mut link.connection).await?;
    if missing.is_empty() {
        return Ok(missing);
    }
    // diesel's harness blocks. The lock ends with the session, whatever happens here.
    tokio::task::spawn_blocking(move || {
        let (connection, held) = link.into_parts();
        let mut connection: AsyncConnectionWrapper<AsyncPgConnection> = connection.into();
        let applied = connection.run_pending_migrations(MIGRATIONS).map(drop);
        drop((connection, held));
        applied
    })
    .await??;
    Ok(missing)
}
