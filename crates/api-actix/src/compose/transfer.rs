//! From a SQLite file to PostgreSQL and Redis.

use std::sync::Arc;

use keystead_adapters_crypto::{JoseKeyRing, MasterKeySealer, SystemClock};
use keystead_adapters_postgres::{PgConfig, PgDatabase, PgImport};
use keystead_adapters_redis::RedisLink;
use keystead_adapters_sqlite::SqliteExport;
use keystead_application::ports::{CeremonyStore as _, Clock, KeyRing as _, Sealer};

use super::stores::{bring_to_form, postgres_config, redis_config, sqlite_config};
use super::{ComposeError, broken, entropy, ring_config};
use crate::config::{Config, Data, SharedConfig};

/// What became of one kind of data.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// The table, or `sessions` or `ceremonies`.
    pub what: &'static str,
    /// How many were read.
    pub read: u64,
    /// How many are there now; `None` when nothing was written.
    pub written: Option<u64>,
}

/// Carries everything from the SQLite file of one configuration into the empty PostgreSQL and the Redis of the other:
/// all of it, or nothing that counts. The file is not changed, and nobody else can open it meanwhile. What lapses in
/// minutes by itself and protects requests rather than secrets (rate windows) is left behind. With `dry_run` everything
/// is read and checked, and nothing written.
///
/// # Errors
/// The text says what to mend; then nothing was kept in PostgreSQL. Sessions that came as far as Redis belong to nobody
/// there, and are overwritten by the next attempt.
pub async fn transfer(from: &Config, to: &Config, dry_run: bool) -> Result<Vec<Moved>, ComposeError> {
    let Data::Embedded(sqlite) = &from.store.data else {
        return Err(broken("--from must name a configuration whose store.url is sqlite://"));
    };
    let Data::Shared(shared) = &to.store.data else {
        return Err(broken("--to must name a configuration whose store.url is postgres://"));
    };
    if from.secrets.master_key.expose() != to.secrets.master_key.expose() {
        return Err(broken(
            "the two configurations have different master keys, and keys and waiting mails are sealed with the first: \
             write the secrets.master_key of --from into --to",
        ));
    }
    let mut export = SqliteExport::open(&sqlite_config(&from.store, sqlite)).await.map_err(broken)?;
    check_keys(&mut export, to).await?;
    let settings = postgres_config(&to.store, &shared.postgres)?;
    let redis = RedisLink::open(&redis_config(&shared.redis)?).map_err(broken)?;
    if dry_run { look(&mut export, &settings).await } else { carry(&mut export, &settings, shared, &redis).await }
}

/// Whether the master key opens what it should: with another one the new service would not start.
async fn check_keys(export: &mut SqliteExport, to: &Config) -> Result<(), ComposeError> {
    let (entropy, clock): (_, Arc<dyn Clock>) = (entropy(), Arc::new(SystemClock));
    let sealer = MasterKeySealer::try_new(&to.secrets.master_key, Arc::clone(&entropy)).map_err(broken)?;
    let ring = JoseKeyRing::new(ring_config(to), Arc::new(sealer) as Arc<dyn Sealer>, entropy, clock);
    let keys = export.keys().await.map_err(broken)?;
    ring.load(&keys)
        .map_err(|error| broken(format!("{error}: the master key is not the one the SQLite file was made with")))
}

/// Reads everything, and looks whether the database could take it.
async fn look(export: &mut SqliteExport, settings: &PgConfig) -> Result<Vec<Moved>, ComposeError> {
    // A database without its tables is as empty as can be.
    if PgDatabase::pending_migrations(settings).map_err(broken)?.is_empty() {
        drop(PgImport::begin(settings).map_err(broken)?);
    }
    while export.next().await.map_err(broken)?.is_some() {}
    let mut moved: Vec<Moved> =
        export.tallies().iter().map(|tally| Moved { what: tally.table, read: tally.rows, written: None }).collect();
    let now = SystemClock.now();
    let (mut sessions, mut ceremonies) = (0, 0);
    loop {
        let (more, others) = (export.next_sessions(now).await, export.next_ceremonies(now).await);
        let (more, others) = (more.map_err(broken)?.len(), others.map_err(broken)?.len());
        if more + others == 0 {
            break;
        }
        (sessions, ceremonies) = (sessions + count(more), ceremonies + count(others));
    }
    moved.push(Moved { what: "sessions", read: sessions, written: None });
    moved.push(Moved { what: "ceremonies", read: ceremonies, written: None });
    Ok(moved)
}

async fn carry(
    export: &mut SqliteExport,
    settings: &PgConfig,
    shared: &SharedConfig,
    redis: &RedisLink,
) -> Result<Vec<Moved>, ComposeError> {
    bring_to_form(settings, shared.postgres.migrate)?;
    let mut import = PgImport::begin(settings).map_err(broken)?;
    while let Some(rows) = export.next().await.map_err(broken)? {
        import.insert(rows).await.map_err(broken)?;
    }
    for (table, number) in export.last_numbers().await.map_err(broken)? {
        import.go_on_behind(&table, number).await.map_err(broken)?;
    }
    let mut moved = Vec::new();
    for (read, back) in export.tallies().iter().zip(import.read_back().await.map_err(broken)?) {
        if *read != back {
            return Err(broken(format!("{}: {} rows were read, other ones are there now", read.table, read.rows)));
        }
        moved.push(Moved { what: read.table, read: read.rows, written: Some(back.rows) });
    }
    // Before the commit: should this fail, the database stays empty and everything can be done again.
    moved.push(carry_sessions(export, redis).await?);
    moved.push(carry_ceremonies(export, redis).await?);
    import.commit().await.map_err(|error| broken(format!("{error}; look whether there are users in the database")))?;
    Ok(moved)
}

async fn carry_sessions(export: &mut SqliteExport, redis: &RedisLink) -> Result<Moved, ComposeError> {
    let (now, sessions) = (SystemClock.now(), redis.sessions());
    let mut carried = 0;
    loop {
        let page = export.next_sessions(now).await.map_err(broken)?;
        if page.is_empty() {
            return Ok(Moved { what: "sessions", read: carried, written: Some(carried) });
        }
        sessions.carry_over(&page, now).await.map_err(broken)?;
        carried += count(page.len());
    }
}

async fn carry_ceremonies(export: &mut SqliteExport, redis: &RedisLink) -> Result<Moved, ComposeError> {
    let (now, ceremonies) = (SystemClock.now(), redis.ceremonies());
    let (mut read, mut written) = (0, 0);
    loop {
        let page = export.next_ceremonies(now).await.map_err(broken)?;
        if page.is_empty() {
            return Ok(Moved { what: "ceremonies", read, written: Some(written) });
        }
        for one in page {
            let (key, state) = (&one.key, one.state.expose());
            // One that is there is what an earlier attempt left.
            let kept = ceremonies.insert(key, state, now, one.expires_at).await.map_err(broken)?
                || ceremonies.overwrite(key, state, now, one.expires_at).await.map_err(broken)?;
            read += 1;
            written += u64::from(kept);
        }
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
