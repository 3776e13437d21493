//! Limits that are known to be used up.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystead_application::ports::{RateDecision, RateHit};
use keystead_domain::Timestamp;

/// Most counters remembered: about 2 MB.
const MOST: usize = 10_000;

/// Counters that refused, until they let one through again. Whoever goes on asking is refused without a question to the
/// store, and uses up nothing else meanwhile: of the requests that are refused to one host, its site would otherwise have
/// none left for the neighbours.
///
/// Nothing is ever refused longer than the counter itself would, unless it was deleted.
#[derive(Default)]
pub(super) struct Spent(Mutex<HashMap<(&'static str, String), RateDecision>>);

impl Spent {
    /// The refusal that stands for one of these counters at `now`.
    pub(super) fn find(&self, hits: &[RateHit], now: Timestamp) -> Option<RateDecision> {
        let known = self.lock();
        if known.is_empty() {
            return None;
        }
        let refusal = |hit: &RateHit| known.get(&(hit.policy.name, hit.key.clone())).copied();
        hits.iter().filter_map(refusal).find(|refusal| now < refusal.again_at())
    }

    /// Remembers a refusal.
    pub(super) fn note(&self, hit: &RateHit, refusal: RateDecision) {
        let mut known = self.lock();
        // Forgetting costs a question to the store, for each that is asked again.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((hit.policy.name, hit.key.clone()), refusal);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, String), RateDecision>> {
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

    fn refusal() -> RateDecision {
        RateDecision::of(LOGIN, false, Gcra::new(Some(NOW.plus(LOGIN.window))), NOW)
    }

    #[test]
    fn a_refusal_stands_until_the_counter_lets_one_through() {
        let spent = Spent::default();
        spent.note(&hit("a"), refusal());
        let again_at = NOW.plus(LOGIN.interval());
        assert_eq!(spent.find(&[hit("b"), hit("a")], NOW), Some(refusal()));
        assert!(spent.find(&[hit("a")], again_at.minus(Duration::from_micros(1))).is_some());
        assert_eq!(spent.find(&[hit("a")], again_at), None);
        assert_eq!(spent.find(&[hit("b"), RateHit { policy: LINK, ..hit("a") }], NOW), None);
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let spent = Spent::default();
        for n in 0..=MOST {
            spent.note(&hit(&n.to_string()), refusal());
        }
        assert_eq!(spent.lock().len(), 1);
    }
}
