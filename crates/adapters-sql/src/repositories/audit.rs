use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::rows::{AuditRow, NewAuditRow};
use keystead_adapters_sql::schema::audit_events;
use keystead_adapters_sql::types::Uid;
use keystead_application::ports::{AuditLog, StoreError};
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEvent;

use super::{Transaction, domain};

#[async_trait]
impl AuditLog for Transaction {
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        let statement = diesel::insert_into(audit_events::table).values(NewAuditRow::from(event));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = audit_events::table
            .filter(audit_events::subject_id.eq(Uid(user)))
            .order((audit_events::at.desc(), audit_events::id.desc()))
            .limit(i64::from(limit))
            .select(AuditRow::as_select())
            .load(self.connection()?)
            .await;
        domain(self.check(rows)?)
    }
}
