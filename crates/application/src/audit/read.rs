use std::sync::Arc;

use keystead_domain::account::Role;

use crate::admin::AdminError;
use crate::failure::Failure;
use crate::ports::{AuditFilter, AuditRow, AuditRowId, CheckpointKind, Store};
use crate::service::Caller;

/// Where a page of audit events ended.
pub type AuditCursor = AuditRowId;

/// Shows the audit log.
pub struct ReadAudit {
    store: Arc<dyn Store>,
}

impl ReadAudit {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A page of events for an administrator, newest first.
    pub async fn list(
        &self,
        caller: &Caller,
        filter: &AuditFilter,
        before: Option<AuditCursor>,
        size: u32,
    ) -> Result<Vec<AuditRow>, AdminError> {
        crate::admin::AdminDesk::require(caller, Role::Admin)?;
        Ok(self.store.read().await?.audit().list(filter, before, size).await?)
    }

    /// The next rows of the chain for an operator on the machine, oldest first. Begin with `None`.
    pub async fn export(&self, after: Option<i64>, size: u32) -> Result<Vec<AuditRow>, Failure> {
        let mut tx = self.store.read().await?;
        let after = if let Some(position) = after {
            position
        } else {
            let floor = tx.audit_chain().last_checkpoint(CheckpointKind::Floor).await?;
            floor.map_or(0, |floor| floor.link.position)
        };
        Ok(tx.audit_chain().page(after, size).await?)
    }
}
