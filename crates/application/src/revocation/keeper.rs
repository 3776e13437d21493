use std::sync::Arc;

use keystead_domain::{Timestamp, limits};

use super::RevocationView;
use crate::ports::{Clock, Store, StoreError};

/// Reads the revocation log into the view. One per process; the transport's worker calls [`Self::poll`] every
/// [`limits::REVOCATION_POLL`].
///
/// Each reading goes back over the last ten seconds, because a row may become visible later than its time says.
pub struct RevocationKeeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    view: Arc<RevocationView>,
    newest: Option<Timestamp>,
}

impl RevocationKeeper {
    /// A keeper that has read nothing yet: its first reading is the whole last hour.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, view: Arc<RevocationView>) -> Self {
        Self { store, clock, view, newest: None }
    }

    /// Reads what is new and confirms the view. On an error the view stays unconfirmed, and requests ask the store.
    pub async fn poll(&mut self) -> Result<(), StoreError> {
        // The time is read before the log: what commits in between is confirmed by the next reading, not by this one.
        let now = self.clock.now();
        let since = match self.newest {
            Some(newest) => newest.minus(limits::REVOCATION_OVERLAP),
            None => now.minus(limits::REVOCATION_WINDOW),
        };
        let rows = self.store.read().await?.revocations().since(since).await?;
        self.view.apply(&rows);
        self.newest = rows.iter().map(|row| row.at).chain(self.newest).max().or(Some(since));
        self.view.confirm(now);
        Ok(())
    }
}
