//! Dedicated threads with a short queue in front.
//!
//! ```text
//! submit ──► queue (bounded) ──► worker 1 ─┐  each with memory of its own
//!    │                      └──► worker n ─┴──► reply
//!    └─ full: Full { retry_after }, at once
//! ```

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io, mem};

use keystead_application::ports::HashError;
use tokio::sync::oneshot;

use super::memory::Memory;

/// Workers and queue are full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// When the queue will have gone through, estimated; at least a second.
    pub(super) retry_after: Duration,
}

/// The threads of an [`Argon2Hasher`](super::Argon2Hasher), for other work that is too heavy for the asynchronous ones: it
/// takes the same permits and waits in the same queue. Clones are the same threads.
#[derive(Clone)]
pub struct HashPool(pub(super) Arc<Pool>);

impl HashPool {
    /// Takes a permit, waiting in the queue for one, and does the work under it. `work` must not own a pool: the last
    /// owner waits for the threads to end, which a thread cannot do for itself.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let result = self.0.submit(|_| work()).map_err(|full| HashError::Busy { retry_after: full.retry_after })?;
        result.await.map_err(|_| HashError::Failed)
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").finish_non_exhaustive()
    }
}

/// A fixed number of threads. Dropping the pool refuses what waits, lets what runs finish, and joins the threads.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    permits: usize,
    /// Jobs that may run and wait together.
    capacity: usize,
    /// A worker without work gives its memory back after this long.
    idle: Duration,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Job>>,
    running: usize,
    closing: bool,
    /// Moving average of the time a job takes.
    average: Duration,
}

trait Job: Send {
    /// Whether nobody waits for the result any more.
    fn is_abandoned(&self) -> bool;

    /// Does the work, and survives its panics. What is returned tells the caller: it is called after the permit is free
    /// again, so that whoever has an answer finds room for the next job.
    fn run(self: Box<Self>, memory: &mut Memory) -> Box<dyn FnOnce()>;
}

struct Task<F, T> {
    work: F,
    reply: oneshot::Sender<T>,
}

impl<T: Send + 'static, F: FnOnce(&mut Memory) -> T + Send> Job for Task<F, T> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>, memory: &mut Memory) -> Box<dyn FnOnce()> {
        let Self { work, reply } = *self;
        let result = catch_unwind(AssertUnwindSafe(|| work(memory)));
        if result.is_err() {
            memory.release();
            tracing::error!("a password hash, or work in its place, panicked");
        }
        Box::new(move || match result {
            // A caller that left meanwhile has no use for the result.
            Ok(result) => drop(reply.send(result)),
            Err(_panic) => drop(reply),
        })
    }
}

impl Pool {
    /// Starts `permits` threads, with room for `queue` jobs in front; each keeps up to `blocks` blocks of memory, and
    /// gives them back after `idle` without work.
    pub(super) fn try_new(permits: usize, queue: usize, blocks: usize, idle: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            permits,
            capacity: permits.saturating_add(queue),
            idle,
        });
        let mut pool = Self { shared, threads: Vec::with_capacity(permits) };
        for number in 1..=permits {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new().name(format!("argon2-{number}"));
            // On failure the drop of `pool` ends the threads already started.
            pool.threads.push(thread.spawn(move || {
                step_back();
                shared.serve(&mut Memory::new(blocks));
            })?);
        }
        Ok(pool)
    }

    /// Queues a job, or refuses it at once. A receiver that is dropped before the job began costs nothing; one that
    /// ends without a value means the job panicked or the pool was dropped.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Full> {
        let (reply, result) = oneshot::channel();
        let mut state = self.shared.lock();
        if state.is_full(self.shared.capacity) {
            state.queue.retain(|job| !job.is_abandoned());
        }
        if state.is_full(self.shared.capacity) {
            return Err(Full { retry_after: state.retry_after(self.shared.permits) });
        }
        state.queue.push_back(Box::new(Task { work, reply }));
        drop(state);
        self.shared.work.notify_one();
        Ok(result)
    }

    /// How many jobs run.
    pub(super) fn running(&self) -> usize {
        self.shared.lock().running
    }

    /// How many jobs wait.
    pub(super) fn queued(&self) -> usize {
        self.shared.lock().queue.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        let refused = mem::take(&mut state.queue);
        drop(state);
        drop(refused);
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // Jobs catch their panics; there is nothing left to report about one that ended.
            let _ = thread.join();
        }
    }
}

impl State {
    fn is_full(&self, capacity: usize) -> bool {
        self.running.saturating_add(self.queue.len()) >= capacity
    }

    fn retry_after(&self, permits: usize) -> Duration {
        let ahead = self.running.saturating_add(self.queue.len()).div_ceil(permits.max(1));
        let wait = self.average.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX));
        wait.max(Duration::from_secs(1))
    }
}

impl Shared {
    /// A panic never happens while the lock is held, so a poisoned lock still guards a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, memory: &mut Memory) {
        while let Some(job) = self.next(memory) {
            #[expect(clippy::disallowed_methods, reason = "measures how long a hash takes")]
            let started = Instant::now();
            let deliver = job.run(memory);
            self.finished(started.elapsed());
            deliver();
        }
    }

    /// The next job somebody waits for; `None` when the pool closes.
    fn next(&self, memory: &mut Memory) -> Option<Box<dyn Job>> {
        let mut state = self.lock();
        loop {
            if state.closing {
                return None;
            }
            while let Some(job) = state.queue.pop_front() {
                if !job.is_abandoned() {
                    state.running += 1;
                    return Some(job);
                }
            }
            if memory.is_released() {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (waited, timeout) = self.work.wait_timeout(state, self.idle).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if timeout.timed_out() && state.queue.is_empty() {
                drop(state);
                memory.release();
                state = self.lock();
            }
        }
    }

    fn finished(&self, took: Duration) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.average = if state.average.is_zero() { took } else { (state.average * 7 + took) / 8 };
    }
}
/// How far hashing stands back (`nice`). Whoever verifies tokens waits microseconds, whoever logs in waits for a hash
/// anyway: when cores are short, the short work goes first.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lowers the priority of this thread. On Linux priorities belong to threads, elsewhere to processes.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "hashing keeps its priority");
    }
}
