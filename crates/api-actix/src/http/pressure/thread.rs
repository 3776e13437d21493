//! What a thread that serves connections knows: whether it keeps up, and which of its connections are too slow.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::lag::LoopLag;
use super::line::Line;
use super::pace::Patience;
use super::peers::Admitted;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// Looks between two looks at the connections.
const SWEEP: u32 = 5;

/// How late the timers of a server's threads come.
#[derive(Clone, Debug, Default)]
pub struct Lags(Arc<Mutex<Vec<Arc<AtomicU64>>>>);

impl Lags {
    /// The longest lag of any thread since this was asked last.
    pub fn take_longest(&self) -> Duration {
        let threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = threads.iter().map(|micros| micros.swap(0, Ordering::Relaxed)).max();
        Duration::from_micros(longest.unwrap_or(0))
    }

    fn enter(&self) -> Arc<AtomicU64> {
        let micros = Arc::new(AtomicU64::new(0));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&micros));
        micros
    }
}

/// One thread.
pub(super) struct Thread {
    lines: RefCell<Vec<Weak<Line>>>,
    sheds: Cell<bool>,
    patience: Patience,
    /// Connections it may have.
    room: usize,
    longest: Arc<AtomicU64>,
}

impl Thread {
    /// Watches the thread this is called on, in its runtime, until this is dropped.
    pub(super) fn watch(patience: Patience, room: usize, lag: Duration, lags: &Lags) -> Rc<Self> {
        let thread =
            Rc::new(Self { lines: RefCell::default(), sheds: Cell::new(false), patience, room, longest: lags.enter() });
        actix_web::rt::spawn(keep(Rc::downgrade(&thread), LoopLag::new(lag)));
        thread
    }

    /// Whether to take nothing but what must always go through.
    pub(super) fn sheds(&self) -> bool {
        self.sheds.get()
    }

    /// A connection of this thread.
    pub(super) fn connect(self: &Rc<Self>, peer: Admitted) -> Rc<Line> {
        let line = Rc::new(Line::new(Rc::clone(self), peer));
        self.lines.borrow_mut().push(Rc::downgrade(&line));
        line
    }

    fn sweep(&self, now: Instant) {
        let mut lines = self.lines.borrow_mut();
        let crowded = lines.len().saturating_mul(4) > self.room.saturating_mul(3);
        lines.retain(|line| {
            let line = line.upgrade();
            line.inspect(|line| line.judge(now, &self.patience, crowded)).is_some()
        });
    }
}

async fn keep(thread: Weak<Thread>, mut lag: LoopLag) {
    let mut ticks = 0;
    loop {
        let due = Instant::now() + TICK;
        sleep_until(due).await;
        let Some(thread) = thread.upgrade() else { return };
        let now = Instant::now();
        let late = now.saturating_duration_since(due);
        thread.sheds.set(lag.note(late));
        thread.longest.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        ticks += 1;
        // After a pause the bytes that came through it are read first; but a thread that is always late must sweep too.
        if ticks >= SWEEP && (late < TICK || ticks >= 2 * SWEEP) {
            ticks = 0;
            thread.sweep(now);
        }
    }
}
