use std::time::Duration;

use super::{CLOCK_TOLERANCE, RatePolicy};
use crate::Timestamp;

impl RatePolicy {
    /// How long one takes to come back: `window / limit` in whole microseconds, rounded down, and one at least. Of a limit
    /// of 0, which lets nobody through: the window.
    pub fn interval(&self) -> Duration {
        let micros = self.window.as_micros() / u128::from(self.limit.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX).max(1))
    }

    /// How long the whole limit takes to come back: the window, but for what [`Self::interval`] rounds.
    pub fn refill(&self) -> Duration {
        self.span(self.limit)
    }

    /// The latest end that a window in a store can have, as a replica sees it whose clock says `now`: one that a clock ahead
    /// by no more than [`CLOCK_TOLERANCE`] begins at this moment. What ends later is from a longer policy, or from a clock
    /// that is or was wrong.
    pub fn latest_end(&self, now: Timestamp) -> Timestamp {
        now.plus(self.refill()).plus(CLOCK_TOLERANCE)
    }

    /// How long `count` take to come back.
    fn span(&self, count: u32) -> Duration {
        self.interval().saturating_mul(count)
    }
}

/// The generic cell rate algorithm (ITU-T I.371 annex A, "virtual scheduling"): a counter that is one point in time, the
/// one from which everything is free again. A hit moves it on by [`RatePolicy::interval`]; a hit that would move it further
/// than `limit` intervals ahead of now is refused, and moves nothing.
///
/// So `limit` are let through at once and then one per interval: there is no edge at which a second burst is free. In any
/// span of time at most `limit`, and one more for every interval in it, are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gcra {
    free_at: Option<Timestamp>,
}

impl Gcra {
    /// A counter that is wholly free at that time; `None`: nobody hit it yet.
    pub const fn new(free_at: Option<Timestamp>) -> Self {
        Self { free_at }
    }

    /// A counter as stores keep it, who count `count` hits in a window that ends then: all of them as of its beginning. A
    /// hit counts one on; where the window is full, as it may be long after it began, it moves the end on by an interval.
    /// More hits than the limit, which was higher then, make a full window: its end says when they all came back.
    pub fn of_window(policy: &RatePolicy, count: u32, ends_at: Timestamp) -> Self {
        Self::new(Some(ends_at.minus(policy.span(policy.limit.saturating_sub(count)))))
    }

    /// The counter that a hit at `now` finds where a store keeps this window: nobody's, if it ends after
    /// [`RatePolicy::latest_end`], so that nobody waits out what no longer is. Every other one is as it stands, whatever the
    /// clock says: pulled back to the time of a clock behind, it would be over for a clock ahead, and the other way around
    /// at every hit.
    pub fn standing(policy: &RatePolicy, count: u32, ends_at: Timestamp, now: Timestamp) -> Self {
        if ends_at > policy.latest_end(now) { Self::default() } else { Self::of_window(policy, count, ends_at) }
    }

    /// The counter as stores keep it: what [`Self::of_window`] reads.
    pub fn as_window(&self, policy: &RatePolicy, now: Timestamp) -> (u32, Timestamp) {
        let count = self.taken(policy, now);
        let free_at = self.free_at.unwrap_or(now).max(now);
        (count, free_at.plus(policy.span(policy.limit.saturating_sub(count))))
    }

    /// When everything is free again. That may have been long ago.
    pub const fn free_at(&self) -> Option<Timestamp> {
        self.free_at
    }

    /// Counts a hit. `Ok`: it is let through; that many of the limit are taken now, it included. `Err`: it is refused and
    /// changed nothing; when one is let through again, if nobody else comes. For a limit of 0 that time means nothing.
    pub fn take(&mut self, policy: &RatePolicy, now: Timestamp) -> Result<u32, Timestamp> {
        if policy.limit == 0 {
            return Err(now.plus(policy.window));
        }
        let free_at = self.free_at.unwrap_or(now).max(now).plus(policy.interval());
        if free_at > now.plus(policy.refill()) {
            return Err(self.again_at(policy).unwrap_or(now));
        }
        self.free_at = Some(free_at);
        Ok(self.taken(policy, now))
    }

    /// Takes back a hit that was let through.
    pub fn give_back(&mut self, policy: &RatePolicy) {
        self.free_at = self.free_at.map(|free_at| free_at.minus(policy.interval()));
    }

    /// How many of the limit are taken at `now`: what came back in part is still taken.
    pub fn taken(&self, policy: &RatePolicy, now: Timestamp) -> u32 {
        let ahead = self.free_at.map_or(Duration::ZERO, |free_at| free_at.since(now));
        let taken = ahead.as_micros().div_ceil(policy.interval().as_micros());
        u32::try_from(taken).unwrap_or(u32::MAX).min(policy.limit)
    }

    /// From when on one hit is let through, if nobody else comes. That may have been long ago; `None`: it always was.
    pub fn again_at(&self, policy: &RatePolicy) -> Option<Timestamp> {
        self.free_at.map(|free_at| free_at.minus(policy.span(policy.limit.saturating_sub(1))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MICRO: Duration = Duration::from_micros(1);
    const POLICY: RatePolicy = RatePolicy { name: "test", limit: 5, window: Duration::from_secs(60), per: "test" };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn micros(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn the_whole_limit_is_free_at_once_and_then_one_per_interval() {
        let mut counter = Gcra::default();
        for count in 1..=5 {
            assert_eq!(counter.take(&POLICY, at(100)), Ok(count));
        }
        assert_eq!(counter.free_at(), Some(at(160)));
        assert_eq!(counter.take(&POLICY, at(100)), Err(at(112)));
        assert_eq!(counter.take(&POLICY, at(112).minus(MICRO)), Err(at(112)));
        assert_eq!(counter.take(&POLICY, at(112)), Ok(5));
        assert_eq!(counter.take(&POLICY, at(112)), Err(at(124)));
        assert_eq!(counter.take(&POLICY, at(125)), Ok(5), "what came back in part is still taken");
        assert_eq!(counter.take(&POLICY, at(160)), Ok(3));
    }

    #[test]
    fn the_edge_of_a_window_gives_no_second_burst() {
        let mut counter = Gcra::default();
        let burst = |counter: &mut Gcra, now| (0..20).filter(|_| counter.take(&POLICY, now).is_ok()).count();
        assert_eq!(burst(&mut counter, at(0)), 5);
        assert_eq!(burst(&mut counter, at(59)), 4);
        assert_eq!(burst(&mut counter, at(60)), 1);
        assert_eq!(burst(&mut counter, at(61)), 0);
        assert_eq!(burst(&mut counter, at(121)), 5);
    }

    #[test]
    fn what_is_given_back_is_free_again_and_no_more() {
        let mut counter = Gcra::default();
        for _ in 0..5 {
            counter.take(&POLICY, at(0)).unwrap();
        }
        counter.give_back(&POLICY);
        assert_eq!(counter.take(&POLICY, at(1)), Ok(5));
        assert_eq!(counter.take(&POLICY, at(1)), Err(at(12)));
        let mut untouched = Gcra::default();
        untouched.give_back(&POLICY);
        assert_eq!(untouched, Gcra::default());
    }

    #[test]
    fn a_limit_of_nothing_lets_nobody_through() {
        let nobody = RatePolicy { limit: 0, ..POLICY };
        let mut counter = Gcra::default();
        assert_eq!(counter.take(&nobody, at(1)), Err(at(61)));
        assert_eq!((counter, counter.taken(&nobody, at(1))), (Gcra::default(), 0));
        assert_eq!(nobody.interval(), POLICY.window);
    }

    #[test]
    fn intervals_are_whole_microseconds_and_never_none() {
        let interval = |limit, window| RatePolicy { limit, window, ..POLICY }.interval();
        assert_eq!(interval(5, Duration::from_secs(60)), Duration::from_secs(12));
        assert_eq!(interval(7, Duration::from_secs(60)), Duration::from_micros(8_571_428));
        assert_eq!(interval(u32::MAX, Duration::from_secs(60)), MICRO);
        assert_eq!(interval(1, Duration::MAX), Duration::from_micros(u64::MAX));
        let mut endless = Gcra::default();
        let off = RatePolicy { limit: u32::MAX, window: Duration::from_secs(1), ..POLICY };
        assert!((1..=1000).all(|count| endless.take(&off, at(0)) == Ok(count)));
    }

    #[test]
    fn a_window_as_stores_keep_it_is_the_same_counter() {
        let kept = |count| Gcra::of_window(&POLICY, count, at(60)).free_at();
        assert_eq!([0, 1, 5].map(kept), [at(0), at(12), at(60)].map(Some));
    }

    #[test]
    fn more_hits_than_the_limit_are_a_full_window_and_wait_no_longer() {
        for count in [5, 6, 60, u32::MAX] {
            let mut counter = Gcra::of_window(&POLICY, count, at(60));
            assert_eq!(counter.free_at(), Some(at(60)), "{count}");
            assert_eq!(counter.take(&POLICY, at(0)), Err(at(12)), "{count}");
            assert_eq!(counter.take(&POLICY, at(12)), Ok(5), "{count}");
        }
    }

    #[test]
    fn what_no_tolerated_clock_explains_is_nobodys_however_full() {
        assert_eq!(POLICY.latest_end(at(0)), at(70));
        for count in [0, 1, 5, 60] {
            let standing = |ends_at| Gcra::standing(&POLICY, count, ends_at, at(0));
            assert_eq!(standing(at(70)), Gcra::of_window(&POLICY, count, at(70)), "{count}");
            assert_eq!(standing(at(70).plus(MICRO)), Gcra::default(), "{count}");
            assert_eq!(standing(at(86_400)), Gcra::default(), "{count}");
        }
    }

    prop_compose! {
        fn any_policy()(limit in 1u32..12, window in 1u64..5_000) -> RatePolicy {
            RatePolicy { limit, window: Duration::from_micros(window), ..POLICY }
        }
    }

    /// Times of hits, never going back.
    fn any_times() -> impl Strategy<Value = Vec<i64>> {
        let steps = prop::collection::vec(prop_oneof![Just(0i64), 0i64..40, 0i64..6_000], 1..200);
        steps.prop_map(|steps| {
            let add = |now: &mut i64, step: i64| {
                *now += step;
                Some(*now)
            };
            steps.into_iter().scan(0, add).collect()
        })
    }

    proptest! {
        /// Two replicas, one of whose clocks is ahead of the other's, keep a counter as stores do.
        #[test]
        fn clocks_that_differ_have_the_limit_and_what_comes_back_in_the_difference(
            policy in any_policy(), times in any_times(), ahead in 0i64..20_000, who in prop::collection::vec(any::<bool>(), 200),
        ) {
            let mut kept = None;
            let mut passed = Vec::new();
            for (time, is_ahead) in times.into_iter().zip(who) {
                let now = micros(time + if is_ahead { ahead } else { 0 });
                let mut counter =
                    kept.map_or_else(Gcra::default, |(count, ends_at)| Gcra::standing(&policy, count, ends_at, now));
                if counter.take(&policy, now).is_ok() {
                    passed.push(time);
                    kept = Some(counter.as_window(&policy, now));
                }
            }
            let interval = i64::try_from(policy.interval().as_micros()).unwrap();
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = i64::from(policy.limit) + (to - from + ahead) / interval;
                    prop_assert!(i64::try_from(last - first + 1).unwrap() <= most, "{policy:?} {ahead} {passed:?}");
                }
            }
        }

        #[test]
        fn any_span_has_the_limit_and_one_more_per_interval(policy in any_policy(), times in any_times()) {
            let mut counter = Gcra::default();
            let passed: Vec<i64> =
                times.into_iter().filter(|now| counter.take(&policy, micros(*now)).is_ok()).collect();
            let interval = i64::try_from(policy.interval().as_micros()).unwrap();
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = i64::from(policy.limit) + (to - from) / interval;
                    prop_assert!(i64::try_from(last - first + 1).unwrap() <= most, "{policy:?} {passed:?}");
                }
            }
        }

        #[test]
        fn two_full_bursts_are_a_window_apart(policy in any_policy(), first in 0i64..9_000, gap in 0i64..9_000) {
            let mut counter = Gcra::default();
            let burst = |counter: &mut Gcra, now| {
                (0..=policy.limit).take_while(|_| counter.take(&policy, micros(now)).is_ok()).count()
            };
            let limit = usize::try_from(policy.limit).unwrap();
            prop_assert_eq!(burst(&mut counter, first), limit);
            let whole = i64::try_from(policy.refill().as_micros()).unwrap();
            prop_assert_eq!(burst(&mut counter, first + gap) == limit, gap >= whole);
        }

        #[test]
        fn refusals_change_nothing_and_tell_the_truth(policy in any_policy(), times in any_times()) {
            let mut counter = Gcra::default();
            for now in times.into_iter().map(micros) {
                let before = counter;
                match counter.take(&policy, now) {
                    Ok(taken) => {
                        prop_assert!(taken >= 1 && taken <= policy.limit);
                        prop_assert_eq!(taken, counter.taken(&policy, now));
                    }
                    Err(again_at) => {
                        prop_assert_eq!(counter, before);
                        prop_assert_eq!(counter.taken(&policy, now), policy.limit);
                        prop_assert!(again_at > now);
                        let passes = |now| Gcra::new(before.free_at()).take(&policy, now).is_ok();
                        prop_assert!(!passes(again_at.minus(MICRO)) && passes(again_at));
                    }
                }
            }
        }

        #[test]
        fn a_window_of_silence_frees_everything(policy in any_policy(), times in any_times()) {
            let mut counter = Gcra::default();
            for now in &times {
                let _ = counter.take(&policy, micros(*now));
            }
            let later = micros(*times.last().unwrap()).plus(policy.window.max(policy.refill()));
            prop_assert_eq!(counter.taken(&policy, later), 0);
            for count in 1..=policy.limit {
                prop_assert_eq!(counter.take(&policy, later), Ok(count));
            }
        }

        #[test]
        fn given_back_it_was_never_taken(policy in any_policy(), times in any_times()) {
            let mut counter = Gcra::default();
            for now in times.into_iter().map(micros) {
                let before = counter.taken(&policy, now);
                if counter.take(&policy, now).is_ok() {
                    counter.give_back(&policy);
                    prop_assert_eq!(counter.taken(&policy, now), before);
                    counter.take(&policy, now).unwrap();
                }
            }
        }
    }
}
