use std::time::Duration;

use async_trait::async_trait;
use diesel::dsl::not;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{AuditRow, NewAuditRow};
use keystead_adapters_sql::schema::audit_events as events;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{AuditFilter, AuditLog, AuditRow as Stored, AuditRowId, MacTag, StoreError};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEvent;

use super::Transaction;

/// How far the order of times may be off the order of numbers: transactions overlap, and clocks of replicas differ, by
/// seconds. A row whose clock was further off may be missing where times are asked for; never elsewhere.
const DISORDER: Duration = Duration::from_secs(86_400);
/// So many rows must agree on a bound; where fewer lie beyond it, there is nothing to save.
const AGREED: i64 = 1000;

/// Numbers that are enough to be believed.
fn agreed(ids: &[i64]) -> Option<&[i64]> {
    Some(ids).filter(|ids| i64::try_from(ids.len()) == Ok(AGREED))
}

impl Transaction {
    /// The number below which every row lies that happened before `until`, if it spares many.
    ///
    /// Rows are listed by number and looked for by time. Neither database knows that the two go together: they would read
    /// everything newer than `until`, or sort everything older.
    async fn numbers_below(&mut self, until: Timestamp) -> Result<Option<i64>, StoreError> {
        let newest = events::table.order(events::id.desc()).select(events::at);
        let newest = newest.first::<At>(self.connection()?).await.optional();
        if self.check(newest)?.is_none_or(|newest| newest.0 < until) {
            return Ok(None);
        }
        let later = events::table
            .filter(events::at.ge(At(until.plus(DISORDER))))
            .order((events::at.asc(), events::id.asc()))
            .limit(AGREED)
            .select(events::id);
        let later = later.load::<i64>(self.connection()?).await;
        Ok(agreed(&self.check(later)?).and_then(|ids| ids.iter().max().copied()))
    }

    /// The number above which every row lies that happened at `from` or later, if it spares many.
    async fn numbers_above(&mut self, from: Timestamp) -> Result<Option<i64>, StoreError> {
        let oldest = events::table.order(events::id.asc()).select(events::at);
        let oldest = oldest.first::<At>(self.connection()?).await.optional();
        if self.check(oldest)?.is_none_or(|oldest| oldest.0 >= from) {
            return Ok(None);
        }
        let earlier = events::table
            .filter(events::at.lt(At(from.minus(DISORDER))))
            .order((events::at.desc(), events::id.desc()))
            .limit(AGREED)
            .select(events::id);
        let earlier = earlier.load::<i64>(self.connection()?).await;
        Ok(agreed(&self.check(earlier)?).and_then(|ids| ids.iter().min().copied()))
    }
}

#[async_trait]
impl AuditLog for Transaction {
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        let statement = diesel::insert_into(events::table).values(NewAuditRow::new(event, None));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn append_sealed(&mut self, event: &AuditEvent, seal: &MacTag) -> Result<(), StoreError> {
        let statement = diesel::insert_into(events::table).values(NewAuditRow::new(event, Some(seal)));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = events::table
            .filter(events::subject_id.eq(Uid(user)))
            .order((events::at.desc(), events::id.desc()))
            .limit(i64::from(limit))
            .select(AuditRow::as_select())
            .load::<AuditRow>(self.connection()?)
            .await;
        self.check(rows)?.into_iter().map(|row| row.stored().map(|row| row.event)).collect()
    }

    async fn list(
        &mut self,
        filter: &AuditFilter,
        before: Option<AuditRowId>,
        size: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut query =
            events::table.order(events::id.desc()).limit(i64::from(size)).select(AuditRow::as_select()).into_boxed();
        if let Some(before) = before {
            query = query.filter(events::id.lt(before.0));
        }
        if let Some(name) = filter.name {
            query = query.filter(events::name.eq(name.as_str()));
        }
        if let Some(actor) = filter.actor.map(Uid) {
            query = query.filter(events::actor_id.eq(actor).or(events::impersonator_id.eq(actor)));
        }
        if let Some(subject) = filter.subject {
            query = query.filter(events::subject_id.eq(Uid(subject)));
        }
        // Negated, so that SQLite does not sort what it finds by time: the bounds are enough.
        if let Some(from) = filter.from {
            query = query.filter(not(events::at.lt(At(from))));
            if let Some(above) = self.numbers_above(from).await? {
                query = query.filter(events::id.gt(above));
            }
        }
        if let Some(until) = filter.until {
            query = query.filter(not(events::at.ge(At(until))));
            if let Some(below) = self.numbers_below(until).await? {
                query = query.filter(events::id.lt(below));
            }
        }
        let rows = query.load(self.connection()?).await;
        self.check(rows)?.into_iter().map(AuditRow::stored).collect()
    }
}
