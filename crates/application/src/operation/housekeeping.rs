use std::sync::Arc;

use keystead_domain::limits;

use crate::failure::Failure;
use crate::ports::{Clock, Store};
use crate::revocation::RevocationView;

/// Deletes what has lapsed: claims, links, budgets, devices, revocations no living token can concern. Every rule works
/// without it; it keeps stores small.
pub struct Housekeeping {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    view: Arc<RevocationView>,
}

impl Housekeeping {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, view: Arc<RevocationView>) -> Self {
        Self { store, clock, view }
    }

    /// Runs one round. Returns how many rows were deleted.
    pub async fn run(&self) -> Result<u64, Failure> {
        let now = self.clock.now();
        self.view.prune(now);
        let mut tx = self.store.begin().await?;
        let mut deleted = tx.registrations().delete_expired(now).await?;
        deleted += tx.link_tokens().delete_expired(now).await?;
        deleted += tx.guess_budgets().delete_expired(now).await?;
        deleted += tx.devices().delete_expired(now).await?;
        // A session can be shown again until its life is over, and its end must then still be known to be announced.
        let oldest = now.minus(limits::SESSION_LIFE + limits::REVOCATION_WINDOW);
        deleted += tx.revocations().delete_before(oldest).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}
