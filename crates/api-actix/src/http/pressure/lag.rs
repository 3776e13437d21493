//! How late a thread's timer comes, and what follows from that.

use std::time::Duration;

/// Decides from the lateness of one tick after the other whether a thread has more to do than it can.
///
/// One late tick is a pause: whatever waited through it is not helped by a refusal. The second in a row is a load. It ends
/// below half the limit, so that a thread at the limit does not refuse every other request.
#[derive(Debug)]
pub(super) struct LoopLag {
    limit: Duration,
    late: bool,
    sheds: bool,
}

impl LoopLag {
    /// Nothing is late yet.
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, late: false, sheds: false }
    }

    /// Notes how late a tick came. Whether to take nothing but what must always go through.
    pub(super) fn note(&mut self, lag: Duration) -> bool {
        let late = lag > self.limit;
        self.sheds = if late { self.sheds || self.late } else { self.sheds && lag >= self.limit / 2 };
        self.late = late;
        self.sheds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lags: &[u64]) -> Vec<bool> {
        let mut lag = LoopLag::new(Duration::from_millis(500));
        lags.iter().map(|millis| lag.note(Duration::from_millis(*millis))).collect()
    }

    #[test]
    fn one_pause_is_no_load() {
        assert_eq!(after(&[0, 30_000, 0, 501, 500, 501]), [false; 6]);
    }

    #[test]
    fn load_is_shed_from_the_second_late_tick_until_half_the_limit() {
        assert_eq!(after(&[501, 501, 300, 250, 249, 0]), [false, true, true, true, false, false]);
        assert_eq!(after(&[600, 700, 0, 600, 0]), [false, true, false, false, false], "it begins anew");
    }
}
