use std::sync::Arc;

use keystead_domain::token::Revocation;

use crate::ports::{EphemeralError, RevocationFeed};
use crate::revocation::RevocationView;

/// Makes committed revocations known: at once to this process, then to every replica. The rows in the store stay
/// authoritative, so a feed that fails delays the others by one poll and loses nothing.
pub struct Revoker {
    view: Arc<RevocationView>,
    feed: Arc<dyn RevocationFeed>,
}

impl Revoker {
    /// A revoker.
    pub fn new(view: Arc<RevocationView>, feed: Arc<dyn RevocationFeed>) -> Self {
        Self { view, feed }
    }

    /// Call after the commit that wrote the rows, before answering.
    pub async fn announce(&self, revocations: &[Revocation]) {
        self.view.apply(revocations);
        if let Err(error) = self.feed.publish(revocations).await {
            tracing::warn!(%error, "revocations reach other replicas by polling only");
        }
    }

    /// What the session store was told after [`Self::announce`]. When it did not hear, the end counts all the same: whoever
    /// asks compares the session with the view and the log first. So this is no failure of what was committed.
    pub fn told<T>(result: Result<T, EphemeralError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "sessions that ended are not marked in the session store");
        }
    }

    /// The view this process decides by.
    pub fn view(&self) -> &RevocationView {
        &self.view
    }
}
