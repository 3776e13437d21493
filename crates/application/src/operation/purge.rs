use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, UserId};
use keystead_domain::audit::AuditEventName;

use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{Clock, Store};
use crate::service::record;

/// Most accounts of one round: what a larger backlog leaves is for the next.
const MOST: u32 = 1000;

/// Deletes accounts that their owners closed long enough ago, with everything that is kept for them but the audit log.
pub struct PurgeAccounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kept: Duration,
}

impl PurgeAccounts {
    /// The use-case with its dependencies. Closed accounts are kept this long.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, kept: Duration) -> Self {
        Self { store, clock, kept }
    }

    /// Runs one round. Returns how many accounts were deleted.
    pub async fn run(&self) -> Result<u64, Failure> {
        let now = self.clock.now();
        let before = now.minus(self.kept);
        let due = self.store.read().await?.users().closed_before(before, MOST).await?;
        let mut deleted = 0;
        for user in due {
            deleted += u64::from(self.purge(user, before, now).await?);
        }
        Ok(deleted)
    }

    async fn purge(&self, id: UserId, before: Timestamp, now: Timestamp) -> Result<bool, Failure> {
        let mut tx = self.store.begin().await?;
        // It may have been opened again since it was found.
        let user = tx.users().get(id).await?;
        let is_due = user.is_some_and(|user| user.status == AccountStatus::Deactivated && user.updated_at < before);
        if !is_due || !tx.users().delete(id).await? {
            return Ok(false);
        }
        let (who, context) = ((None, Some(id)), RequestContext::default());
        record(&mut *tx, AuditEventName::UserPurged, who, None, &context, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::World;
    use crate::testing::{START, a_user, after, user_number};

    #[tokio::test]
    async fn only_what_its_owner_closed_long_ago_goes() {
        let kept = Duration::from_secs(60);
        let (early, late) = (START.minus(kept), after(30));
        let world = World::default();
        let closed = |n, status, updated_at| keystead_domain::account::User { status, updated_at, ..user_number(n) };
        world.add(closed(2, AccountStatus::Deactivated, early));
        world.add(closed(3, AccountStatus::Deactivated, late));
        world.add(closed(4, AccountStatus::Banned, early));
        world.add(a_user());
        world.clock.set(after(1));
        let purge = PurgeAccounts::new(world.store.clone(), world.clock.clone(), kept);
        assert_eq!(purge.run().await, Ok(1));
        assert_eq!(purge.run().await, Ok(0));
        let mut tx = world.store.read().await.unwrap();
        assert_eq!(tx.users().get(user_number(2).id).await, Ok(None));
        for kept in [3, 4] {
            assert!(tx.users().get(user_number(kept).id).await.unwrap().is_some());
        }
        assert_eq!(world.events(), [AuditEventName::UserPurged]);
    }
}
