//! `RateLimiter`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{RateDecision, RateHit, RateLimiter};
use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;

use super::MICRO;
use crate::race::race;

const POLICY: RatePolicy = RatePolicy { name: "contract", limit: 5, window: Duration::from_secs(60), per: "test" };

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
                refusals_neither_count_nor_extend_the_window,
                a_window_begins_with_its_first_hit_and_ends_at_its_microsecond,
                keys_and_policies_do_not_mix,
                decisions_come_in_the_order_of_the_hits,
                two_hits_on_one_counter_in_one_call_both_count,
                a_refused_hit_does_not_undo_the_others,
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

fn allowed(count: u32, resets_at: Timestamp) -> RateDecision {
    RateDecision { policy: POLICY, allowed: true, count, resets_at }
}

async fn spend(limiter: &Arc<dyn RateLimiter>, key: &str, now: Timestamp) {
    for count in 1..=POLICY.limit {
        assert_eq!(hit(limiter, key, now).await, allowed(count, now.plus(POLICY.window)));
    }
}

/// Every hit up to the limit is allowed and told its number and the end of the window; the next one is refused.
pub async fn hits_are_counted_up_to_the_limit(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    let refused = hit(&limiter, "a", after(1)).await;
    assert_eq!((refused.allowed, refused.policy, refused.resets_at), (false, POLICY, after(60)));
    assert!(refused.count >= POLICY.limit);
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

/// Refused hits leave count and window as they are.
pub async fn refusals_neither_count_nor_extend_the_window(limiter: Arc<dyn RateLimiter>) {
    spend(&limiter, "a", after(0)).await;
    let first = hit(&limiter, "a", after(1)).await;
    assert!(!first.allowed);
    for second in [2, 30, 59] {
        assert_eq!(hit(&limiter, "a", after(second)).await, first);
    }
    spend(&limiter, "a", after(60)).await;
}

/// The window is counted from the first hit, and from its end on a new one begins.
pub async fn a_window_begins_with_its_first_hit_and_ends_at_its_microsecond(limiter: Arc<dyn RateLimiter>) {
    assert_eq!(hit(&limiter, "a", after(10)).await, allowed(1, after(70)));
    for count in 2..=5 {
        assert_eq!(hit(&limiter, "a", after(40)).await, allowed(count, after(70)));
    }
    assert!(!hit(&limiter, "a", after(70).minus(MICRO)).await.allowed);
    assert_eq!(hit(&limiter, "a", after(70)).await, allowed(1, after(130)));
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
        allowed(1, after(70)),
        RateDecision { policy: long, allowed: true, count: 1, resets_at: after(910) },
        allowed(2, after(60)),
        allowed(1, after(70)),
    ];
    assert_eq!(decisions, expected);
    assert_eq!(limiter.hit(&[], after(10)).await.unwrap(), []);
}

/// A counter named twice in a call is counted twice.
pub async fn two_hits_on_one_counter_in_one_call_both_count(limiter: Arc<dyn RateLimiter>) {
    let decisions = limiter.hit(&[hit_of("a"), hit_of("a")], after(0)).await.unwrap();
    assert_eq!(decisions, [allowed(1, after(60)), allowed(2, after(60))]);
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
