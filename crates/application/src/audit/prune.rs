use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::limits;
use keystead_domain::token::DeviceInfo;

use super::seal::{checkpoint, genesis, is_signed, link_after, sealed_with};
use crate::failure::Failure;
use crate::ports::{AuditRow, ChainLink, CheckpointKind, Clock, KeyedHash, Store};

/// Most batches of one round: what a larger backlog leaves is for the next.
const BATCHES: u32 = 200;

/// Deletes audit rows that the policy keeps no longer: from the beginning of the chain on, whole, behind a signed checkpoint
/// from which the rest is verified. Only rows that are what was written are deleted: retention must not remove the traces of
/// a hand that was laid on the log, nor sign for it.
pub struct PruneAudit {
    store: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
    clock: Arc<dyn Clock>,
    kept: Duration,
}

impl PruneAudit {
    /// The use-case with its dependencies. Rows are kept this long.
    pub fn new(store: Arc<dyn Store>, hash: Arc<dyn KeyedHash>, clock: Arc<dyn Clock>, kept: Duration) -> Self {
        Self { store, hash, clock, kept }
    }

    /// Runs one round. Returns how many rows were deleted.
    pub async fn run(&self) -> Result<u64, Failure> {
        let now = self.clock.now();
        let mut deleted = 0;
        for _ in 0..BATCHES {
            let batch = self.batch(now).await?;
            deleted += batch;
            if batch == 0 {
                break;
            }
        }
        Ok(deleted)
    }

    async fn batch(&self, now: Timestamp) -> Result<u64, Failure> {
        let mut tx = self.store.begin().await?;
        let chain = tx.audit_chain();
        // Nobody links meanwhile.
        chain.head().await?;
        let start = match chain.last_checkpoint(CheckpointKind::Floor).await? {
            Some(floor) if !is_signed(&*self.hash, &floor) => return Err(touched(floor.link.position)),
            Some(floor) => floor.link,
            None => genesis(&*self.hash),
        };
        let rows = chain.page(start.position, limits::AUDIT_BATCH).await?;
        let last = self.last_to_go(start, &rows, now.minus(self.kept))?;
        if last == start {
            return Ok(0);
        }
        let deleted = chain.prune(&checkpoint(&*self.hash, CheckpointKind::Floor, last, now)).await?;
        let event = AuditEvent {
            name: AuditEventName::AuditPruned,
            at: now,
            actor: None,
            impersonator: None,
            subject: None,
            session: None,
            device: DeviceInfo::default(),
            detail: Some(format!("{deleted} rows, up to position {}", last.position)),
        };
        tx.audit().append(&event).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    /// The last of the rows at the beginning that are older than that.
    fn last_to_go(&self, start: ChainLink, rows: &[AuditRow], oldest: Timestamp) -> Result<ChainLink, Failure> {
        let mut last = start;
        for row in rows.iter().take_while(|row| row.event.at < oldest) {
            let intact = row.seal.is_none() || sealed_with(&*self.hash, row).is_some();
            let follows = row.link.is_some() && row.link == link_after(&*self.hash, last, row);
            last = row.link.filter(|_| intact && follows).ok_or_else(|| touched(last.position + 1))?;
        }
        Ok(last)
    }
}

fn touched(position: i64) -> Failure {
    Failure::Internal(format!("the audit log was touched at position {position}: nothing is deleted; see audit verify"))
}
