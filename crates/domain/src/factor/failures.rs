use std::time::Duration;

use crate::Timestamp;

/// When wrong codes block an account's second factors, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPolicy {
    /// Failures, over all factors and paths, that begin a block.
    pub max_failures: u32,
    /// The first block; each block after it, without a success in between, is twice as long.
    pub block: Duration,
    /// The longest block.
    pub longest: Duration,
    /// Failures that led to no block are forgotten this long after the last.
    pub memory: Duration,
    /// The least time between two alert mails.
    pub alert_gap: Duration,
}

impl BlockPolicy {
    fn block_after(&self, earlier: u32) -> Duration {
        self.block.saturating_mul(1 << earlier.min(20)).min(self.longest.max(self.block))
    }
}

/// Failures at the second factors of one account, at one known device or at all unknown ones together.
///
/// Every try is counted as a failure before it is compared, in one locked step, so that parallel tries cannot outrun the
/// count; the one that is right takes its factor's count back.
///
/// ```text
/// open ── try ──> failures + 1 ── the max-th ──> blocked until now + block · 2^blocks
///  ^                   └── right: this factor's count := 0, the block it began is lifted
///  └── block over: the next one begins after as many failures again, whatever other factors succeeded meanwhile
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactorFailures {
    /// Failures by factor since its last success, in the order device, totp, email, phone, recovery.
    pub counts: [u32; 5],
    /// Blocks since the last success.
    pub blocks: u32,
    /// Until when nothing is compared.
    pub blocked_until: Option<Timestamp>,
    /// When the owner was last told.
    pub alerted_at: Option<Timestamp>,
    /// When the last try was counted.
    pub last_at: Option<Timestamp>,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// Compare. It counts as a failure unless [`FactorFailures::succeed`] is called.
    Counted {
        /// The try began a block: no other will be compared. Its owner is to be told when it fails.
        last: bool,
    },
    /// Compare nothing.
    Blocked {
        /// Until then.
        until: Timestamp,
    },
}

impl FactorFailures {
    /// Counts a try. `slot`: which factor.
    pub fn count(&mut self, slot: FailureSlot, policy: &BlockPolicy, now: Timestamp) -> Try {
        let block = self.blocked_until.filter(|until| now < *until);
        if let Some(until) = block {
            return Try::Blocked { until };
        }
        let quiet_since = self.blocked_until.take().max(self.last_at);
        if quiet_since.is_some_and(|since| now.since(since) > policy.memory) {
            *self = Self { alerted_at: self.alerted_at, ..Self::default() };
        }
        self.last_at = Some(now);
        if let Some(count) = self.counts.get_mut(slot as usize) {
            *count = count.saturating_add(1);
        }
        let last = self.sum() >= policy.max_failures.saturating_mul(self.blocks.saturating_add(1));
        if last {
            self.blocked_until = Some(now.plus(policy.block_after(self.blocks)));
            self.blocks = self.blocks.saturating_add(1);
        }
        Try::Counted { last }
    }

    fn sum(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The try was right: failures of its factor are forgotten, those of others stay, and the blocks they led to.
    pub fn succeed(&mut self, slot: FailureSlot, last: bool, policy: &BlockPolicy) {
        if let Some(count) = self.counts.get_mut(slot as usize) {
            *count = 0;
        }
        if last {
            self.blocked_until = None;
        }
        self.blocks = self.blocks.min(self.sum() / policy.max_failures.max(1));
    }

    /// The try was not compared after all: its own count is taken back.
    pub fn give_back(&mut self, slot: FailureSlot, last: bool) {
        if let Some(count) = self.counts.get_mut(slot as usize) {
            *count = count.saturating_sub(1);
        }
        if last {
            self.blocked_until = None;
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    /// Whether the owner is to be told of a block now; remembers that they were.
    pub fn alert(&mut self, policy: &BlockPolicy, now: Timestamp) -> bool {
        let due = self.alerted_at.is_none_or(|at| now.since(at) >= policy.alert_gap);
        if due {
            self.alerted_at = Some(now);
        }
        due
    }

    /// When nothing of it matters any more.
    pub fn forgotten_at(&self, policy: &BlockPolicy) -> Timestamp {
        let last = self.last_at.unwrap_or(Timestamp::from_micros(0));
        self.blocked_until.map_or(last, |until| until.max(last)).plus(policy.memory)
    }
}

/// Which factor a try is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureSlot {
    /// A passkey.
    Device = 0,
    /// A time-based code.
    Totp = 1,
    /// A code by e-mail.
    Email = 2,
    /// A code by SMS.
    Phone = 3,
    /// A recovery code.
    Recovery = 4,
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BlockPolicy = BlockPolicy {
        max_failures: 3,
        block: Duration::from_secs(60),
        longest: Duration::from_secs(150),
        memory: Duration::from_secs(3600),
        alert_gap: Duration::from_secs(900),
    };
    use FailureSlot::{Email, Totp};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn fail(failures: &mut FactorFailures, times: usize, slot: FailureSlot, now: i64) -> Vec<Try> {
        (0..times).map(|_| failures.count(slot, &POLICY, at(now))).collect()
    }

    const COUNTED: Try = Try::Counted { last: false };
    const LAST: Try = Try::Counted { last: true };

    #[test]
    fn failures_of_all_factors_add_up_to_a_block() {
        let mut failures = FactorFailures::default();
        assert_eq!(fail(&mut failures, 2, Totp, 0), [COUNTED, COUNTED]);
        assert_eq!(fail(&mut failures, 2, Email, 0), [LAST, Try::Blocked { until: at(60) }]);
    }

    #[test]
    fn blocks_grow_to_the_longest() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 3, Totp, 0);
        assert_eq!(fail(&mut failures, 3, Totp, 60), [COUNTED, COUNTED, LAST]);
        assert_eq!(fail(&mut failures, 1, Totp, 179), [Try::Blocked { until: at(180) }]);
        fail(&mut failures, 3, Totp, 180);
        assert_eq!(fail(&mut failures, 1, Totp, 200), [Try::Blocked { until: at(330) }]);
    }

    #[test]
    fn a_success_forgives_its_own_factor_only() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 1, Totp, 0);
        fail(&mut failures, 1, Email, 0);
        failures.succeed(Email, false, &POLICY);
        assert_eq!(fail(&mut failures, 2, Email, 0), [COUNTED, LAST]);
    }

    #[test]
    fn another_factors_success_washes_no_block_away() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 3, Totp, 0);
        assert_eq!(fail(&mut failures, 1, Email, 60), [COUNTED]);
        failures.succeed(Email, false, &POLICY);
        assert_eq!(fail(&mut failures, 3, Totp, 60), [COUNTED, COUNTED, LAST]);
        assert_eq!(fail(&mut failures, 1, Totp, 60), [Try::Blocked { until: at(180) }], "twice as long");
    }

    #[test]
    fn the_right_last_try_begins_no_block() {
        let mut failures = FactorFailures::default();
        assert_eq!(fail(&mut failures, 3, Totp, 0)[2], LAST);
        failures.succeed(Totp, true, &POLICY);
        assert_eq!(failures.blocks, 0);
        assert_eq!(fail(&mut failures, 1, Totp, 0), [COUNTED]);
    }

    #[test]
    fn the_right_last_try_beside_others_failures_lengthens_no_later_block() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 2, Email, 0);
        assert_eq!(fail(&mut failures, 1, Totp, 0), [LAST]);
        failures.succeed(Totp, true, &POLICY);
        assert_eq!((failures.blocks, failures.blocked_until), (0, None));
        assert_eq!(fail(&mut failures, 2, Email, 0), [LAST, Try::Blocked { until: at(60) }]);
    }

    #[test]
    fn a_try_that_was_not_compared_leaves_nothing() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 2, Totp, 0);
        let before = failures.clone();
        assert_eq!(failures.count(Totp, &POLICY, at(0)), LAST);
        failures.give_back(Totp, true);
        assert_eq!(failures, before);
    }

    #[test]
    fn failures_without_a_block_are_forgotten_and_alerts_are_rare() {
        let mut failures = FactorFailures::default();
        fail(&mut failures, 2, Totp, 0);
        assert_eq!(fail(&mut failures, 2, Totp, 3601), [COUNTED, COUNTED]);
        assert!(
            failures.alert(&POLICY, at(0)) && !failures.alert(&POLICY, at(899)) && failures.alert(&POLICY, at(900))
        );
    }
}
