use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

use diesel_async::sync_connection_wrapper::SpawnBlocking;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread of one connection: runs what it is given, strictly in the order it was given.
///
/// diesel-async's own runtime uses tokio's blocking pool, which fits neither of two needs. A cancelled call must not
/// block the asynchronous thread until its statement ends (theirs does, and panics on current-thread runtimes, where
/// actix handlers live). And what comes after a cancelled statement must not overtake it: a `ROLLBACK` that runs before
/// the statement it should undo leaves that statement committed. A queue in front of one thread gives both, and works
/// while no runtime runs at all.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts a thread. When the system has none to give, every job fails.
    pub(crate) fn start() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let run = move || queue.into_iter().for_each(|job| job());
        if let Err(error) = thread::Builder::new().name("keystead-sqlite".to_owned()).spawn(run) {
            tracing::error!(%error, "no thread for a database connection");
        }
        Self { jobs }
    }
}

impl SpawnBlocking for Worker {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = Result<R, Box<dyn Error + Send + Sync + 'static>>> + Send + 'a>>
    where
        R: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // A panic ends the job, not the thread; the dropped `reply` tells the caller.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(task)) {
                // The caller may have gone; the work was done all the same.
                drop(reply.send(result));
            }
        });
        // Queued here, not when the future is first polled: the order of calls is the order of work. A thread that is
        // gone drops the job, and with it `reply`.
        drop(self.jobs.send(job));
        Box::pin(async { answer.await.map_err(|_| "the database thread failed".into()) })
    }

    fn get_runtime() -> Self {
        Self::start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn abandoned_work_is_finished_before_what_comes_after_it() {
        let mut worker = Worker::start();
        let (open, gate) = mpsc::channel::<()>();
        let (log, lines) = mpsc::channel();
        let slow = log.clone();
        drop(worker.spawn_blocking(move || {
            gate.recv().unwrap();
            slow.send("abandoned").unwrap();
        }));
        let next = worker.spawn_blocking(move || log.send("next").unwrap());
        open.send(()).unwrap();
        next.await.unwrap();
        assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["abandoned", "next"]);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_lives_on() {
        let mut worker = Worker::start();
        assert!(worker.spawn_blocking(|| panic!("on purpose")).await.is_err());
        assert_eq!(worker.spawn_blocking(|| 7).await.unwrap(), 7);
    }
}
