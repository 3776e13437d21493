use std::sync::Arc;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use keystead_adapters_sql::types::At;
use keystead_application::ports::EphemeralError;
use keystead_domain::Timestamp;

use super::schema::{ceremonies, rate_windows, sessions};
use super::unavailable;
use crate::connection::{Durability, Pool};

/// Rows per transaction: other writers get their turn in between.
const BATCH: i64 = 500;

/// How many lapsed rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Sessions past `expires_at`.
    pub sessions: u64,
    /// Ceremonies past their end.
    pub ceremonies: u64,
    /// Rate windows that ended.
    pub rate_windows: u64,
}

diesel::alias!(
    sessions as old_sessions: OldSessions,
    ceremonies as old_ceremonies: OldCeremonies,
    rate_windows as old_windows: OldWindows
);

/// One batch of each kind.
fn batch(connection: &mut SqliteConnection, now: Timestamp) -> QueryResult<[usize; 3]> {
    let lapsed = old_sessions
        .filter(old_sessions.field(sessions::expires_at).le(At(now)))
        .limit(BATCH)
        .select(old_sessions.field(sessions::id));
    let dead_sessions = diesel::delete(sessions::table.filter(sessions::id.eq_any(lapsed))).execute(connection)?;
    let lapsed = old_ceremonies
        .filter(old_ceremonies.field(ceremonies::expires_at).le(At(now)))
        .limit(BATCH)
        .select(old_ceremonies.field(ceremonies::id));
    let dead_ceremonies = diesel::delete(
        ceremonies::table.filter(ceremonies::id.eq_any(lapsed)).filter(ceremonies::expires_at.le(At(now))),
    )
    .execute(connection)?;
    let lapsed = old_windows
        .filter(old_windows.field(rate_windows::resets_at).le(At(now)))
        .limit(BATCH)
        .select(old_windows.field(rate_windows::key));
    let dead_windows = diesel::delete(
        rate_windows::table.filter(rate_windows::key.eq_any(lapsed)).filter(rate_windows::resets_at.le(At(now))),
    )
    .execute(connection)?;
    Ok([dead_sessions, dead_ceremonies, dead_windows])
}

/// Deletes what lapsed by `now`, in batches.
pub(crate) async fn collect(writer: &Arc<Pool>, now: Timestamp) -> Result<Garbage, EphemeralError> {
    let mut garbage = Garbage::default();
    loop {
        let deleted = writer.write(Durability::Relaxed, move |connection| batch(connection, now)).await;
        let [dead_sessions, dead_ceremonies, dead_windows] =
            deleted.map_err(unavailable)?.map(|rows| u64::try_from(rows).unwrap_or(u64::MAX));
        garbage.sessions += dead_sessions;
        garbage.ceremonies += dead_ceremonies;
        garbage.rate_windows += dead_windows;
        if dead_sessions + dead_ceremonies + dead_windows == 0 {
            return Ok(garbage);
        }
    }
}
