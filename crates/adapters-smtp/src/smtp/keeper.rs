use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;

/// Keeps at most one idle connection, for a limited time.
pub(super) struct Keeper {
    slot: Arc<Mutex<Slot>>,
    keep_idle: Duration,
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// Counts what was put in, so that a timer closes only the connection it was set for.
    put: u64,
}

impl Keeper {
    pub(super) fn new(keep_idle: Duration) -> Self {
        Self { slot: Arc::default(), keep_idle }
    }

    /// The kept connection. It is the caller's alone: a send that is cancelled drops it with everything half said.
    pub(super) fn take(&self) -> Option<Connection> {
        lock(&self.slot).connection.take()
    }

    /// Keeps a connection for the next message and says goodbye to the one it replaces. Must be called in a tokio
    /// runtime.
    pub(super) fn put(&self, connection: Connection) {
        if self.keep_idle.is_zero() {
            tokio::spawn(connection.quit());
            return;
        }
        let (replaced, put) = {
            let mut slot = lock(&self.slot);
            slot.put += 1;
            (slot.connection.replace(connection), slot.put)
        };
        let slot = Arc::downgrade(&self.slot);
        let keep_idle = self.keep_idle;
        tokio::spawn(async move {
            if let Some(replaced) = replaced {
                replaced.quit().await;
            }
            tokio::time::sleep(keep_idle).await;
            let idle = slot.upgrade().and_then(|slot| {
                let mut slot = lock(&slot);
                if slot.put == put { slot.connection.take() } else { None }
            });
            if let Some(idle) = idle {
                idle.quit().await;
            }
        });
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
