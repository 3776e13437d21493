//! Limits that are known to be used up.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystead_application::ports::{RateDecision, RateHit};
use keystead_domain::Timestamp;
use tokio::time::Instant;

/// Most counters remembered: about 2 MB.
const MOST: usize = 10_000;

/// When a request came: what the clock shows, which somebody may set, and time that only ever goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) clock: Timestamp,
    pub(super) instant: Instant,
}

/// Counters that refused, until they let one through again. Whoever goes on asking is refused without a question to the
/// store.
///
/// Nothing is refused longer than the counter itself would, unless it was deleted: what is remembered ends when the clock
/// says so and, as somebody may set that back, by time that nobody sets; and after one interval of its policy, however far
/// ahead the store's counter is.
#[derive(Default)]
pub(super) struct Spent(Mutex<HashMap<(&'static str, String), Refusal>>);

/// What a counter said, when, and until when it stands.
#[derive(Clone, Copy)]
struct Refusal {
    decision: RateDecision,
    noted: Moment,
    until: Instant,
}

impl Refusal {
    /// As the counter would say it at `now`, if it still refuses then.
    fn told(&self, now: Moment) -> Option<RateDecision> {
        let elapsed = now.instant.duration_since(self.noted.instant);
        let left = self.decision.resets_at.since(self.noted.clock).saturating_sub(elapsed);
        let resets_at = self.decision.resets_at.min(now.clock.plus(left));
        let stands = now.instant < self.until && now.clock < self.decision.again_at();
        stands.then_some(RateDecision { resets_at, ..self.decision })
    }
}

impl Spent {
    /// The refusal that stands for one of these counters at `now`.
    pub(super) fn find<'h>(&self, mut hits: impl Iterator<Item = &'h RateHit>, now: Moment) -> Option<RateDecision> {
        let known = self.lock();
        if known.is_empty() {
            return None;
        }
        hits.find_map(|hit| known.get(&(hit.policy.name, hit.key.clone()))?.told(now))
    }

    /// Remembers a refusal.
    pub(super) fn note(&self, hit: &RateHit, decision: RateDecision, now: Moment) {
        let wait = decision.again_at().since(now.clock).min(decision.policy.interval());
        let mut known = self.lock();
        // Forgetting costs a question to the store, for each that is asked again.
        if known.len() >= MOST {
            known.clear();
        }
        let refusal = Refusal { decision, noted: now, until: now.instant + wait };
        known.insert((hit.policy.name, hit.key.clone()), refusal);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, String), Refusal>> {
        // A map is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystead_domain::limits::{Gcra, LINK, LOGIN};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn hit(key: &str) -> RateHit {
        RateHit { key: key.to_owned(), policy: LOGIN }
    }

    fn refusal(free_at: Timestamp) -> RateDecision {
        RateDecision::of(LOGIN, false, Gcra::new(Some(free_at)), NOW)
    }

    fn spent() -> RateDecision {
        refusal(NOW.plus(LOGIN.refill()))
    }

    fn find(spent: &Spent, keys: &[&str], now: Moment) -> Option<RateDecision> {
        let hits: Vec<_> = keys.iter().map(|key| hit(key)).collect();
        spent.find(hits.iter(), now)
    }

    #[test]
    fn a_refusal_stands_until_the_counter_lets_one_through() {
        let (spent, begin) = (Spent::default(), Moment { clock: NOW, instant: Instant::now() });
        let after = |span: Duration| Moment { clock: NOW.plus(span), instant: begin.instant + span };
        spent.note(&hit("a"), self::spent(), begin);
        assert_eq!(find(&spent, &["b", "a"], begin), Some(self::spent()));
        let last = after(LOGIN.interval().saturating_sub(Duration::from_micros(1)));
        assert_eq!(find(&spent, &["a"], last), Some(self::spent()));
        assert_eq!(find(&spent, &["a"], after(LOGIN.interval())), None);
        let other = RateHit { policy: LINK, ..hit("a") };
        assert_eq!(spent.find([&hit("b"), &other].into_iter(), begin), None);
    }

    #[test]
    fn a_clock_that_is_set_prolongs_no_refusal() {
        let (spent, begin) = (Spent::default(), Moment { clock: NOW, instant: Instant::now() });
        spent.note(&hit("a"), self::spent(), begin);
        let (third, rest) = (LOGIN.interval() / 3, LOGIN.interval() / 3 * 2);
        let back = NOW.minus(Duration::from_hours(24));
        let told = find(&spent, &["a"], Moment { clock: back, instant: begin.instant + third }).unwrap();
        assert_eq!(told.again_at().since(back), rest, "and is told as it is");
        assert!(find(&spent, &["a"], Moment { clock: back, instant: begin.instant + LOGIN.interval() }).is_none());

        let ahead = NOW.plus(third);
        let told = find(&spent, &["a"], Moment { clock: ahead, instant: begin.instant }).unwrap();
        assert_eq!(told.again_at().since(ahead), rest);
        assert!(find(&spent, &["a"], Moment { clock: NOW.plus(LOGIN.interval()), ..begin }).is_none());
    }

    #[test]
    fn a_counter_that_is_far_ahead_is_asked_again_after_an_interval() {
        let (spent, begin) = (Spent::default(), Moment { clock: NOW, instant: Instant::now() });
        spent.note(&hit("a"), refusal(NOW.plus(Duration::from_hours(24))), begin);
        let after = |span| Moment { clock: NOW, instant: begin.instant + span };
        assert!(find(&spent, &["a"], after(LOGIN.interval().saturating_sub(Duration::from_micros(1)))).is_some());
        assert_eq!(find(&spent, &["a"], after(LOGIN.interval())), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (spent, begin) = (Spent::default(), Moment { clock: NOW, instant: Instant::now() });
        for n in 0..=MOST {
            spent.note(&hit(&n.to_string()), self::spent(), begin);
        }
        assert_eq!(spent.lock().len(), 1);
    }
}
