//! `RateLimiter`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{RateDecision, RateHit, RateLimiter};
use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::{CLOCK_TOLERANCE, Gcra, RatePolicy};

use super::MICRO;
use super::rates::{POLICY, QUICK, SKEWS, Times, most_of_readings, odd_policies, readings};
use crate::race::race;

/// Tests every contract of [`RateLimiter`](keystead_application::ports::RateLimiter). The expression is a future of a
/// [`Harness`](crate::Harness) with an empty limiter; it is evaluated once per test.
#[macro_export]
macro_rules! rate_limiter_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            rate_limiter,
            dyn $crate::ports::RateLimiter,
            $make,
            [
                hits_are_counted_up_to_the_limit,
                of_parallel_hits_exactly_the_limit_is_allowed,
                refusals_change_nothing,
                one_comes_back_per_interval_at_its_microsecond,
                the_edge_of_a_window_gives_no_second_burst,
                a_window_of_silence_frees_everything,
                it_decides_as_the_domain_does,
                a_limit_of_nothing_allows_nothing,
                keys_and_policies_do_not_mix,
                decisions_come_in_the_order_of_the_hits,
                two_hits_on_one_counter_in_one_call_both_count,
                a_refused_hit_does_not_undo_the_others,
                a_counter_of_a_longer_policy_holds_nobody_back,
                a_lowered_limit_makes_nobody_wait_for_what_was_above_it,
                only_a_window_that_no_tolerated_clock_explains_is_forgotten,
            ]
        );
    };
}

fn hit_of(key: &str) -> RateHit {
    RateHit { key: key.to_owned(), policy: POLICY }
}

async fn hit(limiter: &Arc<dyn RateLimiter>, key: &str, now: Timestamp) -> RateDecision {
    limiter.hit(&[hit_of(key)], now).await.unwrap()[0]
}

/// The number of hits that are allowed, of more than the limit at one moment.
async fn burst(limiter: &Arc<dyn RateLimiter>, key: &str, now: Timestamp) -> usize {
    let mut allowed = 0;
    for _ in 0..POLICY.limit + 3 {
        allowed += usize::from(hit(limiter, key, now).await.allowed);
    }
    allowed
}

fn allowed(count: u32, resets_at: Timestamp) -> RateDecision {
    RateDecision { policy: POLICY, allowed: true, count, resets_at }
}

async fn spend(limiter: &Arc<dyn RateLimiter>, key: &str, now: Timestamp) {
    for count in 1..=POLICY.limit {
        let resets_at = now.plus(POLICY.interval() * count);
        assert_eq!(hit(limiter, key, now).await, allowed(count, resets_at));
    }
}

/// Every hit up to the limit is allowed and told how many are taken and when all are free; the next one is refused.
pub async fn hits_are_counted_up_to_the_limit(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    let refused = hit(&limiter, "a", after(1)).await;
    let expected = RateDecision { allowed: false, ..allowed(POLICY.limit, after(60)) };
    assert_eq!((refused, refused.again_at()), (expected, after(12)));
}

/// Of `limit + n` parallel hits exactly `limit` are allowed, each with a number of its own.
pub async fn of_parallel_hits_exactly_the_limit_is_allowed(limiter: Arc<dyn RateLimiter>) {
    let policy = RatePolicy { limit: 40, ..POLICY };
    let decisions = race(100, |_| {
        let limiter = Arc::clone(&limiter);
        async move { limiter.hit(&[RateHit { policy, ..hit_of("a") }], after(0)).await.unwrap()[0] }
    })
    .await;
    let mut counts: Vec<u32> = decisions.iter().filter(|decision| decision.allowed).map(|d| d.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<_>>());
}

/// Refused hits leave the counter as it is: who goes on trying waits no longer.
pub async fn refusals_change_nothing(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    let first = hit(&limiter, "a", after(1)).await;
    assert!(!first.allowed);
    for second in [2, 7, 11] {
        assert_eq!(hit(&limiter, "a", after(second)).await, first);
    }
    assert_eq!(hit(&limiter, "a", after(12)).await, allowed(5, after(72)));
}

/// Once the limit is used up there is one more per interval, from its microsecond on, and not two.
pub async fn one_comes_back_per_interval_at_its_microsecond(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(10)).await;
    for again_at in [22, 34, 46, 58, 70, 82, 94].map(after) {
        let early = hit(&limiter, "a", again_at.minus(MICRO)).await;
        assert_eq!((early.allowed, early.count, early.again_at()), (false, 5, again_at));
        assert_eq!(hit(&limiter, "a", again_at).await, allowed(5, again_at.plus(POLICY.window)));
        assert!(!hit(&limiter, "a", again_at).await.allowed);
    }
}

/// Whenever the limit is used up, the end of no window frees it: not of one that began with the first hit, and not of a
/// minute.
pub async fn the_edge_of_a_window_gives_no_second_burst(limiter: Arc<dyn RateLimiter>) {
    for second in [0, 59, 59, 59, 59] {
        assert!(hit(&limiter, "a", after(second)).await.allowed, "{second}");
    }
    assert_eq!(burst(&limiter, "a", after(60)).await, 1, "the one of the beginning came back");
    for second in [61, 70] {
        assert_eq!(burst(&limiter, "a", after(second)).await, 0, "{second}");
    }
    assert_eq!(burst(&limiter, "a", after(71)).await, 1);
    assert_eq!(burst(&limiter, "a", after(118)).await, 3, "those of 83, 95 and 107");
    assert_eq!(burst(&limiter, "a", after(119)).await, 1);
    assert_eq!(burst(&limiter, "a", after(120)).await, 0);
}

/// Nobody came for a window: the whole limit is there again, whatever was before, and no more than the limit.
pub async fn a_window_of_silence_frees_everything(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    for second in [12, 24, 25, 36, 47] {
        hit(&limiter, "a", after(second)).await;
    }
    spend(&limiter, "a", after(107)).await;
    assert_eq!(burst(&limiter, "a", after(100_000)).await, 5);
}

/// Over many hits at odd times, under limits that divide their window and limits that do not, every decision is the one
/// of [`Gcra`].
pub async fn it_decides_as_the_domain_does(limiter: Arc<dyn RateLimiter>) {
    let mut refusals = 0;
    for (policy, key) in odd_policies().into_iter().zip(["a", "b", "c", "d"]) {
        let mut counter = Gcra::default();
        for now in Times::new(&policy).take(60) {
            let expected_again = counter.take(&policy, now);
            let decision = limiter.hit(&[RateHit { policy, ..hit_of(key) }], now).await.unwrap()[0];
            assert_eq!(decision, RateDecision::of(policy, expected_again.is_ok(), counter, now), "{policy:?} {now:?}");
            if let Err(again_at) = expected_again {
                assert_eq!(decision.again_at(), again_at);
                refusals += 1;
            }
        }
    }
    assert!((20..=200).contains(&refusals), "{refusals} refusals are too few or too many to prove anything");
}

/// Nothing is ever allowed under a limit of 0.
pub async fn a_limit_of_nothing_allows_nothing(limiter: Arc<dyn RateLimiter>) {
    let policy = RatePolicy { limit: 0, ..POLICY };
    for now in [after(0), after(1000)] {
        let decision = limiter.hit(&[RateHit { policy, ..hit_of("a") }], now).await.unwrap()[0];
        assert_eq!(decision, RateDecision::never(policy, now));
    }
}

/// Every key has a counter of its own under every policy name.
pub async fn keys_and_policies_do_not_mix(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    spend(&limiter, "b", after(0)).await;
    let other = RatePolicy { name: "contract-other", ..POLICY };
    let decision = limiter.hit(&[RateHit { policy: other, ..hit_of("a") }], after(0)).await.unwrap()[0];
    assert_eq!((decision.allowed, decision.count, decision.policy), (true, 1, other));
}

/// One call counts every hit and answers in their order.
pub async fn decisions_come_in_the_order_of_the_hits(limiter: Arc<dyn RateLimiter>) {
    hit(&limiter, "b", after(0)).await;
    let long = RatePolicy { name: "contract-long", window: Duration::from_secs(900), limit: 100, per: "test" };
    let hits = [hit_of("c"), RateHit { policy: long, ..hit_of("a") }, hit_of("b"), hit_of("a")];
    let decisions = limiter.hit(&hits, after(10)).await.unwrap();
    let expected = [
        allowed(1, after(22)),
        RateDecision { policy: long, allowed: true, count: 1, resets_at: after(19) },
        allowed(2, after(24)),
        allowed(1, after(22)),
    ];
    assert_eq!(decisions, expected);
    assert_eq!(limiter.hit(&[], after(10)).await.unwrap(), []);
}

/// A counter named twice in a call is counted twice.
pub async fn two_hits_on_one_counter_in_one_call_both_count(limiter: Arc<dyn RateLimiter>) {
    let decisions = limiter.hit(&[hit_of("a"), hit_of("a")], after(0)).await.unwrap();
    assert_eq!(decisions, [allowed(1, after(12)), allowed(2, after(24))]);
    assert_eq!(hit(&limiter, "a", after(1)).await.count, 3);
}

/// Hits that are allowed count although another of the same call is refused.
pub async fn a_refused_hit_does_not_undo_the_others(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "spent", after(0)).await;
    let decisions = limiter.hit(&[hit_of("a"), hit_of("spent"), hit_of("b")], after(1)).await.unwrap();
    assert_eq!(decisions.iter().map(|decision| decision.allowed).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(hit(&limiter, "a", after(2)).await.count, 2);
    assert_eq!(hit(&limiter, "b", after(2)).await.count, 2);
}

/// Two replicas, which are two handles of one store, share every counter. For limiters that can be opened twice.
pub async fn two_handles_share_a_counter(one: Arc<dyn RateLimiter>, other: Arc<dyn RateLimiter>) {
    assert_eq!(hit(&one, "a", after(0)).await, allowed(1, after(12)));
    assert_eq!(hit(&other, "a", after(0)).await, allowed(2, after(24)));
    let policy = RatePolicy { limit: 40, ..POLICY };
    let decisions = race(100, |number| {
        let limiter = Arc::clone(if number % 2 == 0 { &one } else { &other });
        async move { limiter.hit(&[RateHit { policy, ..hit_of("raced") }], after(0)).await.unwrap()[0] }
    })
    .await;
    assert_eq!(decisions.iter().filter(|decision| decision.allowed).count(), 40);
}

/// Two replicas whose clocks differ, who are hit in turn, share every counter: it is the one of [`Gcra`] at what their clocks
/// say. For limiters that can be opened twice.
pub async fn two_handles_whose_clocks_differ_share_a_counter(one: Arc<dyn RateLimiter>, other: Arc<dyn RateLimiter>) {
    for skew in SKEWS {
        let hits = [RateHit { policy: QUICK, ..hit_of(&format!("{skew}")) }];
        let (mut counter, mut passed) = (Gcra::default(), 0);
        for (is_other, now) in readings(skew) {
            let limiter = if is_other { &other } else { &one };
            let decision = limiter.hit(&hits, now).await.unwrap()[0];
            let allowed = counter.take(&QUICK, now).is_ok();
            assert_eq!(decision, RateDecision::of(QUICK, allowed, counter, now), "{skew} {now:?}");
            passed += u64::from(decision.allowed);
        }
        assert!((20..=most_of_readings(skew)).contains(&passed), "{skew}: {passed}");
    }
}

/// What was hit under a longer policy, or as a clock far ahead said, is forgotten, though it was the whole limit: nobody
/// waits out a window that no longer is.
pub async fn a_counter_of_a_longer_policy_holds_nobody_back(limiter: Arc<dyn RateLimiter>) {
    let day = RatePolicy { window: Duration::from_secs(86_400), ..POLICY };
    let off = RatePolicy { limit: u32::MAX, ..POLICY };
    let cases = [("day", day, after(0)), ("off", off, after(0)), ("ahead", POLICY, after(500_000))];
    for ((name, policy, now), count) in cases.into_iter().flat_map(|case| [1, POLICY.limit].map(|count| (case, count)))
    {
        let key = format!("{name}-{count}");
        for _ in 0..count {
            assert!(limiter.hit(&[RateHit { policy, ..hit_of(&key) }], now).await.unwrap()[0].allowed);
        }
        spend(&limiter, &key, after(1)).await;
        let refused = hit(&limiter, &key, after(1)).await;
        assert_eq!((refused.allowed, refused.again_at()), (false, after(13)), "{key}");
    }
}

/// More hits than a limit that was lowered since are the whole limit, and no more.
pub async fn a_lowered_limit_makes_nobody_wait_for_what_was_above_it(limiter: Arc<dyn RateLimiter>) {
    let more = RateHit { policy: RatePolicy { limit: 60, ..POLICY }, ..hit_of("a") };
    for _ in 0..60 {
        assert!(limiter.hit(std::slice::from_ref(&more), after(0)).await.unwrap()[0].allowed);
    }
    for second in [12, 24, 36].map(after) {
        let refused = hit(&limiter, "a", second.minus(MICRO)).await;
        assert_eq!((refused.allowed, refused.count, refused.again_at()), (false, 5, second));
        assert_eq!(hit(&limiter, "a", second).await, allowed(5, second.plus(POLICY.window)));
    }
    spend(&limiter, "a", after(96)).await;
}

/// A clock that steps back, or a replica whose clock is behind, finds counters as they are, up to the tolerance; further
/// ahead they count as absent.
pub async fn only_a_window_that_no_tolerated_clock_explains_is_forgotten(limiter: Arc<dyn RateLimiter>) {
    let (behind, too_far) = (after(10).minus(CLOCK_TOLERANCE), after(10).minus(CLOCK_TOLERANCE).minus(MICRO));
    for key in ["used", "forgotten"] {
        assert_eq!(hit(&limiter, key, after(10)).await, allowed(1, after(22)));
    }
    assert_eq!(hit(&limiter, "used", behind).await, allowed(3, after(34)));
    spend(&limiter, "forgotten", too_far).await;
    for key in ["full", "forgotten-full"] {
        spend(&limiter, key, after(10)).await;
    }
    let refused = RateDecision { allowed: false, ..allowed(5, after(70)) };
    assert_eq!(hit(&limiter, "full", behind).await, refused);
    assert_eq!(hit(&limiter, "full", after(21)).await, refused, "the refusal changed nothing");
    spend(&limiter, "forgotten-full", too_far).await;
}
