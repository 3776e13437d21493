use std::time::{Duration, Instant};

/// The end of a caller's patience, in real time: it bounds waiting for locks, and no rule of the domain hangs on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The deadline `patience` from now.
    #[expect(clippy::disallowed_methods, reason = "a time-out measures real time")]
    pub(crate) fn after(patience: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(patience).unwrap_or(now))
    }

    /// How long is left; zero when it has passed.
    #[expect(clippy::disallowed_methods, reason = "a time-out measures real time")]
    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub(crate) fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}
