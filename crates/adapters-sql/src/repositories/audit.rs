use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{AuditRow, NewAuditRow};
use keystead_adapters_sql::schema::audit_events as events;
use keystead_adapters_sql::types::{At, Uid};
use keystead_application::ports::{AuditFilter, AuditLog, AuditRow as Stored, AuditRowId, MacTag, StoreError};
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEvent;

use super::Transaction;

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
        if let Some(from) = filter.from {
            query = query.filter(events::at.ge(At(from)));
        }
        if let Some(until) = filter.until {
            query = query.filter(events::at.lt(At(until)));
        }
        let rows = query.load(self.connection()?).await;
        self.check(rows)?.into_iter().map(AuditRow::stored).collect()
    }
}
