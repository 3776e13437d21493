use std::sync::Arc;

use async_trait::async_trait;
use diesel::dsl::case_when;
use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{EphemeralError, RateDecision, RateHit, RateLimiter};
use keystead_domain::Timestamp;
use keystead_domain::limits::Gcra;

use super::schema::rate_windows as windows;
use super::unavailable;
use crate::connection::{Durability, Pool};
use crate::dialect;

const TABLE: &str = "rate_windows";

/// Counters in the SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteRateLimiter {
    writer: Arc<Pool>,
}

impl SqliteRateLimiter {
    pub(crate) fn new(writer: Arc<Pool>) -> Self {
        Self { writer }
    }
}

/// Counts one hit, in one statement unless it is refused. Rows are what those of `guess_budgets` are.
fn count(connection: &mut SqliteConnection, hit: &RateHit, now: Timestamp) -> QueryResult<RateDecision> {
    let (policy, ends) = (hit.policy, now.plus(hit.policy.refill()));
    let free_by = |time: Timestamp| dialect::free_at(TABLE, &policy).le(At(time));
    let has_room = || windows::count.lt(i64::from(policy.limit));
    let is_nobodys = || windows::resets_at.gt(At(policy.latest_end(now)));
    let upsert = diesel::insert_into(windows::table)
        .values((
            windows::policy.eq(policy.name),
            windows::key.eq(&hit.key),
            windows::count.eq(1_i64),
            windows::resets_at.eq(At(ends)),
        ))
        .on_conflict((windows::policy, windows::key))
        .do_update()
        .set((
            windows::count.eq(case_when(free_by(now).or(is_nobodys()), excluded(windows::count))
                .when(has_room(), windows::count + 1_i64)
                .otherwise(i64::from(policy.limit))),
            windows::resets_at.eq(case_when(free_by(now).or(is_nobodys()), excluded(windows::resets_at))
                .when(has_room(), windows::resets_at)
                .otherwise(dialect::end_of_full(TABLE, &policy))),
        ));
    // A counter without room is left alone, and returns no row.
    let counted = methods::FilterDsl::filter(upsert, free_by(ends.minus(policy.interval())).or(is_nobodys()))
        .returning((windows::count, windows::resets_at))
        .get_result::<(i64, At)>(connection)
        .optional()?;
    let allowed = counted.is_some();
    let (count, resets_at) = if let Some(window) = counted {
        window
    } else {
        let row = windows::table.find((policy.name, &hit.key));
        row.select((windows::count, windows::resets_at)).first(connection)?
    };
    let stands = Gcra::of_window(&policy, u32::try_from(count).unwrap_or(u32::MAX), resets_at.0);
    Ok(RateDecision::of(policy, allowed, stands, now))
}

#[async_trait]
impl RateLimiter for SqliteRateLimiter {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let hits = hits.to_vec();
        let work = move |connection: &mut SqliteConnection| {
            hits.iter()
                .map(|hit| match hit.policy.limit {
                    0 => Ok(RateDecision::never(hit.policy, now)),
                    _ => count(connection, hit, now),
                })
                .collect()
        };
        // A power failure may forgive the last moments' hits; waiting for the disk at every request would cost more.
        self.writer.write(Durability::Relaxed, work).await.map_err(unavailable)
    }
}
