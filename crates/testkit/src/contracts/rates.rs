//! What the contracts of counters share.

use std::time::Duration;

use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;

/// One comes back every 12 seconds.
pub(super) const POLICY: RatePolicy =
    RatePolicy { name: "contract", limit: 5, window: Duration::from_secs(60), per: "test" };

/// One comes back every 50 milliseconds, as many as of `requests`.
pub(super) const QUICK: RatePolicy =
    RatePolicy { name: "contract-quick", limit: 20, window: Duration::from_secs(1), per: "test" };

/// How many milliseconds the clock of the other of two replicas is ahead of the one's.
pub(super) const SKEWS: [i64; 4] = [-5_000, -100, 100, 5_000];

/// What the clocks of two replicas say that are hit in turn, 200 times in two seconds; `true`: it is the other's turn.
pub(super) fn readings(skew: i64) -> impl Iterator<Item = (bool, Timestamp)> {
    (0..200_i64).map(move |turn| {
        let is_other = turn % 2 == 1;
        let millis = turn * 10 + if is_other { skew } else { 0 };
        (is_other, Timestamp::from_micros(after(100).as_micros() + millis * 1_000))
    })
}

/// The most that may pass at [`readings`] under [`QUICK`]: the limit, and what comes back in two seconds and the difference.
pub(super) fn most_of_readings(skew: i64) -> u64 {
    20 + (2_000 + skew.unsigned_abs()) / 50
}

/// Limits that divide their window into whole microseconds, and limits that do not.
pub(super) fn odd_policies() -> [RatePolicy; 4] {
    [(5, 60_000_000), (1, 30_000_000), (7, 10_000_000), (3, 1_000)].map(|(limit, micros)| RatePolicy {
        limit,
        window: Duration::from_micros(micros),
        ..POLICY
    })
}

/// Chance that is the same in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`: xorshift64 (Marsaglia 2003).
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

/// Times that do not go back: bursts, steps of about an interval, and now and then a pause.
pub(super) struct Times {
    dice: Dice,
    now: Timestamp,
    interval: u64,
    window: u64,
}

impl Times {
    pub(super) fn new(policy: &RatePolicy) -> Self {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap();
        Self { dice: Dice::new(), now: after(0), interval: micros(policy.interval()), window: micros(policy.window) }
    }
}

impl Iterator for Times {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        let step = match self.dice.below(10) {
            0..=3 => 0,
            4 => self.interval,
            5..=8 => self.dice.below(self.interval * 2),
            _ => self.dice.below(self.window * 2),
        };
        self.now = self.now.plus(Duration::from_micros(step));
        Some(self.now)
    }
}
