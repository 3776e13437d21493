use std::sync::Arc;

use keystead_domain::{Timestamp, limits};

use super::seal::{checkpoint, genesis, link_after};
use crate::failure::Failure;
use crate::ports::{AuditChain, AuditRow, AuditRowId, ChainLink, CheckpointKind, Clock, KeyedHash, Store};

/// Of the checkpoints of one hour the last is kept.
const HOUR: i64 = 3600;

/// Links new audit rows into the chain, a batch at a time. Requests write their rows and wait for nobody; of several workers
/// one links.
pub struct LinkAudit {
    store: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
    clock: Arc<dyn Clock>,
}

impl LinkAudit {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, hash: Arc<dyn KeyedHash>, clock: Arc<dyn Clock>) -> Self {
        Self { store, hash, clock }
    }

    /// Links one batch, and signs a checkpoint of the chain as it is then. Returns the rows, in their order in the chain; none
    /// when nothing waits. Call it again while it returns [`limits::AUDIT_BATCH`] rows.
    pub async fn run(&self) -> Result<Vec<AuditRow>, Failure> {
        if self.store.read().await?.audit_chain().unlinked(1).await?.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let chain = tx.audit_chain();
        let begun = self.end_of(chain).await?;
        let mut last = begun;
        let mut rows = chain.unlinked(limits::AUDIT_BATCH).await?;
        let mut links: Vec<(AuditRowId, ChainLink)> = Vec::with_capacity(rows.len());
        for row in &mut rows {
            last = link_after(&*self.hash, last, row).ok_or_else(|| wrong("there is no place after the last"))?;
            row.link = Some(last);
            links.push((row.id, last));
        }
        if links.is_empty() {
            return Ok(rows);
        }
        chain.link(&links).await?;
        let before = chain.last_checkpoint(CheckpointKind::Head).await?;
        let fits = before.as_ref().is_none_or(|signed| begun.position > signed.link.position || begun == signed.link);
        if !fits {
            tracing::error!(position = begun.position, "the audit log does not end where it was signed: audit verify");
        }
        // What does not fit is kept as it was signed, to be found.
        let replaced = before.filter(|old| fits && hour(old.at) == hour(now)).map(|old| old.link.position);
        let signed = checkpoint(&*self.hash, CheckpointKind::Head, last, now);
        chain.put_checkpoint(&signed, replaced).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Where the chain ends. Others who ask wait.
    async fn end_of(&self, chain: &mut dyn AuditChain) -> Result<ChainLink, Failure> {
        if let Some(head) = chain.head().await? {
            return Ok(head);
        }
        // Everything before was deleted by the policy, or nothing was ever there.
        let floor = chain.last_checkpoint(CheckpointKind::Floor).await?;
        Ok(floor.map_or_else(|| genesis(&*self.hash), |floor| floor.link))
    }
}

fn wrong(what: &str) -> Failure {
    Failure::Internal(format!("the audit chain: {what}"))
}

const fn hour(at: Timestamp) -> i64 {
    at.as_seconds().div_euclid(HOUR)
}
