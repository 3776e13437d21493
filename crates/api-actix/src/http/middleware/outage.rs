//! An outage of a store in the log: a few lines, however many requests fail.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts requests that failed because a store is away, and says when a line is due: at the first one, then every
/// [`PAUSE`] while there are more.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Milliseconds since the process began to count.
    due: AtomicU64,
    untold: AtomicU64,
}

impl Outage {
    /// The one of this process.
    pub(super) fn of_process() -> &'static Self {
        static OUTAGE: Outage = Outage { due: AtomicU64::new(0), untold: AtomicU64::new(0) };
        &OUTAGE
    }

    /// Counts a request that failed now. `Some`: a line is due, about so many requests.
    pub(super) fn count(&self) -> Option<u64> {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        self.count_at(BEGAN.elapsed())
    }

    fn count_at(&self, since_start: Duration) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let now = millis(since_start);
        let due = self.due.load(Ordering::Relaxed);
        // Of several at this moment one tells.
        let tells = now >= due
            && self.due.compare_exchange(due, now + millis(PAUSE), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        tells.then(|| self.untold.swap(0, Ordering::Relaxed))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_told_at_once_and_the_others_by_their_number() {
        let outage = Outage::default();
        let at = |seconds| outage.count_at(Duration::from_secs(seconds));
        assert_eq!(at(3), Some(1));
        for _ in 0..500 {
            assert_eq!(at(12), None);
        }
        assert_eq!(at(13), Some(501));
        assert_eq!(at(13), None);
        assert_eq!(at(100), Some(2), "the next outage begins with a line of its own");
    }
}
