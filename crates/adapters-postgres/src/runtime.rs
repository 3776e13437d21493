//! The threads connections live on, whoever calls.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Handle, Runtime};

/// A small runtime of its own: one thread named `keystead-postgres`.
///
/// Callers' runtimes come and go (an actix worker, a test), and a connection that was made on one dies with it. Ended
/// in the background with the last owner: whatever runs on it then is dropped, and PostgreSQL rolls back.
pub(crate) struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(4)
            .thread_name("keystead-postgres")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Where to put tasks.
    pub(crate) fn handle(&self) -> io::Result<Handle> {
        let runtime = self.0.as_ref().ok_or_else(|| io::Error::other("the runtime has ended"))?;
        Ok(runtime.handle().clone())
    }

    /// Runs `work` there and blocks the calling thread until it is done. Unlike `block_on` this may be called from
    /// within another runtime. `None` when the work panicked.
    pub(crate) fn wait_for<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (reply, answer) = mpsc::channel();
        self.0.as_ref()?.spawn(async move {
            // The caller waits; it cannot have gone.
            drop(reply.send(work.await));
        });
        answer.recv().ok()
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
