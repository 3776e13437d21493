//! Where the time comes from.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keystead_application::ports::Clock;
use keystead_domain::Timestamp;

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the Clock port")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        match since_epoch {
            Ok(after) => Timestamp::from_micros(micros(after)),
            Err(before) => Timestamp::from_micros(micros(before.duration()).saturating_neg()),
        }
    }
}

/// The operating system's clock, moved forward by hand: development and tests pass hours without waiting.
#[derive(Debug, Default)]
pub struct SettableClock {
    /// Microseconds ahead of the system.
    offset: AtomicI64,
}

impl SettableClock {
    /// A clock that shows the system's time until it is advanced.
    pub const fn new() -> Self {
        Self { offset: AtomicI64::new(0) }
    }

    /// Moves the clock forward, for every holder at once. Saturates.
    pub fn advance(&self, span: Duration) {
        let add = |offset: i64| Some(offset.saturating_add(micros(span)));
        // The closure never returns `None`, so there is no failure to report.
        let _ = self.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros().saturating_add(self.offset.load(Ordering::SeqCst)))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advanced_clock_stays_advanced() {
        let clock = SettableClock::new();
        let before = SystemClock.now();
        assert!(clock.now() >= before);
        clock.advance(Duration::from_hours(1));
        clock.advance(Duration::from_mins(1));
        let ahead = clock.now().since(before);
        assert!(ahead >= Duration::from_mins(61) && ahead < Duration::from_mins(63), "{ahead:?}");
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::from_micros(i64::MAX));
    }
}
