use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult, Timeouts};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{Connector, Link};

/// Connections are renewed after this long, so that a server that came back gets its share again, and what a server keeps
/// for a connection does not grow for ever.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);

/// A few connections, made when first needed.
pub(crate) type Pool = managed::Pool<Manager>;
/// A connection of one's own until dropped; dropping gives it to the next.
pub(crate) type Lease = managed::Object<Manager>;

/// Makes connections for the pool, on our own runtime.
pub(crate) struct Manager {
    connector: Arc<Connector>,
    runtime: Handle,
}

/// A pool of at most `size` connections; waiting for one, making one and looking at one each take at most `patience`.
pub(crate) fn pool(
    connector: Arc<Connector>,
    runtime: Handle,
    size: usize,
    patience: Duration,
) -> Result<Pool, managed::BuildError> {
    let patience = Some(patience);
    Pool::builder(Manager { connector, runtime })
        .max_size(size.max(1))
        .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
        .runtime(Runtime::Tokio1)
        .build()
}

/// Ends a task with the one who waits for it.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl managed::Manager for Manager {
    type Type = Link;
    type Error = String;

    async fn create(&self) -> Result<Link, String> {
        let connector = Arc::clone(&self.connector);
        let task = self.runtime.spawn(async move { connector.connect().await });
        let _abort = Abort(task.abort_handle());
        task.await.unwrap_or_else(|_| Err("the store is closed".to_owned()))
    }

    async fn recycle(&self, link: &mut Link, metrics: &Metrics) -> RecycleResult<String> {
        match link.end() {
            Some(reason) => Err(RecycleError::Backend(reason.to_owned())),
            None if metrics.age() > LONGEST_LIFE => Err(RecycleError::message("old")),
            None => Ok(()),
        }
    }
}
