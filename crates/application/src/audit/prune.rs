use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::limits;
use keystead_domain::token::DeviceInfo;

use super::seal::checkpoint;
use crate::failure::Failure;
use crate::ports::{CheckpointKind, Clock, KeyedHash, Store};

/// Most batches of one round: what a larger backlog leaves is for the next.
const BATCHES: u32 = 200;

/// Deletes audit rows that the policy keeps no longer: from the beginning of the chain on, whole, behind a signed checkpoint
/// from which the rest is verified.
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
        let oldest = now.minus(self.kept);
        let mut tx = self.store.begin().await?;
        let chain = tx.audit_chain();
        // Nobody links meanwhile.
        chain.head().await?;
        let floor = chain.last_checkpoint(CheckpointKind::Floor).await?;
        let rows = chain.page(floor.map_or(0, |floor| floor.link.position), limits::AUDIT_BATCH).await?;
        let last = rows.iter().take_while(|row| row.event.at < oldest).last().and_then(|row| row.link);
        let Some(last) = last else { return Ok(0) };
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
}
