use keystead_domain::Timestamp;
use keystead_domain::account::Role;
use keystead_domain::audit::AuditEventName;

use super::{AdminDesk, AdminError};
use crate::context::RequestContext;
use crate::ports::{OutboxEntry, OutboxId};
use crate::service::Caller;

/// Where a page of messages ended.
pub type OutboxCursor = (Timestamp, OutboxId);

/// Shows what waits to be sent and what never will be, without what it says or to whom.
pub struct ManageOutbox {
    desk: AdminDesk,
}

impl ManageOutbox {
    /// The use-case with its dependencies.
    pub fn new(desk: AdminDesk) -> Self {
        Self { desk }
    }

    /// A page of messages, newest first.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<OutboxCursor>,
        size: u32,
    ) -> Result<Vec<OutboxEntry>, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        Ok(self.desk.store.read().await?.outbox().list(after, size).await?)
    }

    /// Has a message that waits tried at once. A dead one has no contents any more.
    pub async fn retry(
        &self,
        caller: &Caller,
        id: &OutboxId,
        context: &RequestContext,
    ) -> Result<OutboxEntry, AdminError> {
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        let entry = act.tx.outbox().retry(id, act.now).await?.ok_or(AdminError::NotFound)?;
        if entry.dead_at.is_some() {
            return Err(AdminError::MessageDead);
        }
        act.record_with(AuditEventName::MessageRetried, None, id.0.clone()).await?;
        act.tx.commit().await?;
        Ok(entry)
    }
}
