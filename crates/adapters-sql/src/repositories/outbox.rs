use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Prepared;
use keystead_adapters_sql::rows::{ClaimedRow, EntryRow};
use keystead_adapters_sql::schema::outbox;
use keystead_adapters_sql::types::At;
use keystead_application::ports::{ClaimedMessage, NewMessage, Outbox, OutboxEntry, OutboxId, StoreError};
use keystead_domain::Timestamp;

use super::{Transaction, count_of, dialect, domain, optional};

/// Condition and order of messages that are alive, and should not be.
const EXPIRED: (&str, &str) = ("dead_at IS NULL AND expires_at <=", "expires_at");

#[async_trait]
impl Outbox for Transaction {
    async fn enqueue(&mut self, message: &NewMessage) -> Result<(), StoreError> {
        let statement = diesel::insert_into(outbox::table).values((
            outbox::id.eq(&message.id.0),
            outbox::sealed.eq(&message.sealed),
            outbox::attempts.eq(0),
            outbox::created_at.eq(At(message.created_at)),
            outbox::expires_at.eq(At(message.expires_at)),
            outbox::due_at.eq(At(message.created_at)),
        ));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn claim(&mut self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<ClaimedMessage>, StoreError> {
        // A claimed message is due again when its lease ends, so being due is being unleased.
        let end = At(now.plus(lease));
        let changes =
            (outbox::attempts.eq(outbox::attempts + 1_i64), outbox::due_at.eq(end), outbox::leased_until.eq(end));
        let statement = diesel::update(outbox::table.filter(dialect::due(limit, now))).set(changes);
        let rows = Prepared(statement.returning(ClaimedRow::as_returning())).load(self.connection()?).await;
        let mut rows: Vec<ClaimedRow> = self.check(rows)?;
        // RETURNING keeps no order.
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        domain(rows)
    }

    async fn mark_sent(&mut self, id: &OutboxId) -> Result<(), StoreError> {
        let result = diesel::delete(outbox::table.find(&id.0)).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn mark_failed(&mut self, id: &OutboxId, next: Timestamp, error: &str) -> Result<(), StoreError> {
        let alive = outbox::table.find(&id.0).filter(outbox::dead_at.is_null());
        let changes = (outbox::due_at.eq(At(next)), outbox::last_error.eq(error), outbox::leased_until.eq(None::<At>));
        let result = Prepared(diesel::update(alive).set(changes)).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn mark_dead(&mut self, id: &OutboxId, now: Timestamp, error: &str) -> Result<(), StoreError> {
        let alive = outbox::table.find(&id.0).filter(outbox::dead_at.is_null());
        let changes = (outbox::sealed.eq(None::<Vec<u8>>), outbox::dead_at.eq(At(now)), outbox::last_error.eq(error));
        let result = Prepared(diesel::update(alive).set(changes)).execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let lapsed = outbox::table.filter(dialect::lapsed("outbox", "id", EXPIRED, now));
        let changes =
            (outbox::sealed.eq(None::<Vec<u8>>), outbox::dead_at.eq(At(now)), outbox::last_error.eq("expired"));
        let result = diesel::update(lapsed).set(changes).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }

    async fn make_due(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let waiting = outbox::table.filter(outbox::dead_at.is_null()).filter(outbox::due_at.gt(At(now)));
        let changes = (outbox::due_at.eq(At(now)), outbox::leased_until.eq(None::<At>));
        let result = diesel::update(waiting).set(changes).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }

    async fn is_due(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let alive = || outbox::table.filter(outbox::dead_at.is_null());
        // The first entry of an index, whatever the planner believes about times.
        let due = alive().order(outbox::due_at).select(outbox::due_at).first::<At>(self.connection()?).await;
        let due = self.check(due.optional())?;
        let end = alive().order(outbox::expires_at).select(outbox::expires_at).first::<At>(self.connection()?).await;
        let end = self.check(end.optional())?;
        Ok(due.into_iter().chain(end).any(|first| first.0 <= now))
    }

    async fn counts(&mut self) -> Result<(u64, u64), StoreError> {
        let waiting = outbox::table.filter(outbox::dead_at.is_null()).count();
        let waiting = waiting.get_result::<i64>(self.connection()?).await;
        let waiting = self.check(waiting)?;
        let dead = outbox::table.filter(outbox::dead_at.is_not_null()).count();
        let dead = dead.get_result::<i64>(self.connection()?).await;
        let dead = self.check(dead)?;
        Ok((u64::try_from(waiting).unwrap_or(0), u64::try_from(dead).unwrap_or(0)))
    }

    async fn list(&mut self, after: Option<(Timestamp, OutboxId)>, size: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut query = outbox::table
            .order((outbox::created_at.desc(), outbox::id.desc()))
            .limit(i64::from(size))
            .select(EntryRow::as_select())
            .into_boxed();
        if let Some((at, id)) = after {
            let earlier = outbox::created_at.lt(At(at)).or(outbox::id.lt(id.0));
            query = query.filter(outbox::created_at.le(At(at))).filter(earlier);
        }
        let rows = query.load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn retry(&mut self, id: &OutboxId, now: Timestamp) -> Result<Option<OutboxEntry>, StoreError> {
        let unowned = outbox::leased_until.is_null().or(outbox::leased_until.assume_not_null().le(At(now)));
        let waiting = outbox::table
            .find(&id.0)
            .filter(outbox::dead_at.is_null())
            .filter(outbox::due_at.gt(At(now)))
            .filter(unowned);
        let result =
            Prepared(diesel::update(waiting).set(outbox::due_at.eq(At(now)))).execute(self.connection()?).await;
        self.check(result)?;
        let row = outbox::table.find(&id.0).select(EntryRow::as_select()).first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }
}
