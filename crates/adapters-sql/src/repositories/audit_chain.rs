use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use keystead_adapters_sql::Hold;
use keystead_adapters_sql::rows::{AuditRow, CheckpointRow, link};
use keystead_adapters_sql::schema::{audit_checkpoints as checkpoints, audit_events as events};
use keystead_application::ports::{
    AuditChain, AuditRow as Stored, AuditRowId, ChainLink, Checkpoint, CheckpointKind, StoreError,
};

use super::{Transaction, count_of, dialect, domain, optional};

#[async_trait]
impl AuditChain for Transaction {
    async fn head(&mut self) -> Result<Option<ChainLink>, StoreError> {
        dialect::hold(self, Hold::AuditChain).await?;
        let last = events::table
            .filter(events::position.is_not_null())
            .order(events::position.desc())
            .select((events::position, events::hash))
            .first::<(Option<i64>, Option<Vec<u8>>)>(self.connection()?)
            .await
            .optional();
        let (position, hash) = self.check(last)?.unwrap_or_default();
        Ok(link(position, hash)?)
    }

    async fn unlinked(&mut self, limit: u32) -> Result<Vec<Stored>, StoreError> {
        let rows = events::table
            .filter(events::position.is_null())
            .order(events::id)
            .limit(i64::from(limit))
            .select(AuditRow::as_select())
            .load(self.connection()?)
            .await;
        self.check(rows)?.into_iter().map(AuditRow::stored).collect()
    }

    async fn link(&mut self, links: &[(AuditRowId, ChainLink)]) -> Result<(), StoreError> {
        self.mark().await?;
        let linked = dialect::link(self.connection()?, links).await;
        let linked = self.check_marked(linked).await?;
        if linked == links.len() {
            return Ok(());
        }
        Err(StoreError::Corrupt(format!("{linked} of {} audit events had no link", links.len())))
    }

    async fn page(&mut self, after: i64, limit: u32) -> Result<Vec<Stored>, StoreError> {
        let rows = events::table
            .filter(events::position.gt(after))
            .order(events::position)
            .limit(i64::from(limit))
            .select(AuditRow::as_select())
            .load(self.connection()?)
            .await;
        self.check(rows)?.into_iter().map(AuditRow::stored).collect()
    }

    async fn last_checkpoint(&mut self, kind: CheckpointKind) -> Result<Option<Checkpoint>, StoreError> {
        let query = checkpoints::table
            .filter(checkpoints::kind.eq(kind.as_str()))
            .order(checkpoints::position.desc())
            .select(CheckpointRow::as_select());
        let row = query.first(self.connection()?).await.optional();
        optional(self.check(row)?)
    }

    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>, StoreError> {
        let query = checkpoints::table.order((checkpoints::position, checkpoints::kind));
        let rows = query.select(CheckpointRow::as_select()).load(self.connection()?).await;
        domain(self.check(rows)?)
    }

    async fn put_checkpoint(&mut self, checkpoint: &Checkpoint, replaced: Option<i64>) -> Result<(), StoreError> {
        if let Some(position) = replaced {
            let old = checkpoints::table.find((checkpoint.kind.as_str(), position));
            let result = diesel::delete(old).execute(self.connection()?).await;
            self.check(result)?;
        }
        let statement = diesel::insert_into(checkpoints::table).values(CheckpointRow::from(checkpoint));
        let result = statement.execute(self.connection()?).await;
        self.check(result).map(drop)
    }

    async fn prune(&mut self, floor: &Checkpoint) -> Result<u64, StoreError> {
        dialect::hold(self, Hold::AuditChain).await?;
        let end = floor.link.position;
        let old = checkpoints::kind.eq(floor.kind.as_str()).or(checkpoints::position.le(end));
        let result = diesel::delete(checkpoints::table.filter(old)).execute(self.connection()?).await;
        self.check(result)?;
        // Before the rows go: the database lets none go that is not below it.
        self.put_checkpoint(floor, None).await?;
        let rows = events::table.filter(events::position.le(end));
        let result = diesel::delete(rows).execute(self.connection()?).await;
        self.check(result).map(count_of)
    }
}
