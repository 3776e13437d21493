//! `GuessBudgets`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{BudgetDecision, BudgetKey, Store};
use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::{CLOCK_TOLERANCE, Gcra, RatePolicy};

use super::rates::{Dice, POLICY, QUICK, SKEWS, Times, most_of_readings, odd_policies, readings};
use super::{MICRO, begin, commit};
use crate::race::race;

fn key(text: &str) -> BudgetKey {
    BudgetKey(text.to_owned())
}

async fn reserve(store: &Arc<dyn Store>, key: &BudgetKey, policy: &RatePolicy, now: Timestamp) -> BudgetDecision {
    let mut tx = begin(store).await;
    let decision = tx.guess_budgets().reserve(key, policy, now).await.unwrap();
    commit(tx).await;
    decision
}

async fn release(store: &Arc<dyn Store>, key: &BudgetKey, policy: &RatePolicy) {
    let mut tx = begin(store).await;
    tx.guess_budgets().release(key, policy).await.unwrap();
    commit(tx).await;
}

async fn spend(store: &Arc<dyn Store>, key: &BudgetKey, now: Timestamp) {
    for count in 1..=POLICY.limit {
        assert_eq!(reserve(store, key, &POLICY, now).await, BudgetDecision::Reserved { count });
    }
}

/// The number of guesses that are reserved, of more than the limit at one moment.
async fn burst(store: &Arc<dyn Store>, key: &BudgetKey, now: Timestamp) -> usize {
    let mut reserved = 0;
    for _ in 0..POLICY.limit + 3 {
        let decision = reserve(store, key, &POLICY, now).await;
        reserved += usize::from(matches!(decision, BudgetDecision::Reserved { .. }));
    }
    reserved
}

/// Of 200 parallel guesses exactly the limit is reserved, each with a count of its own.
pub async fn parallel_guesses_never_exceed_the_limit(store: Arc<dyn Store>) {
    let policy = RatePolicy { limit: 10, ..POLICY };
    let decisions = race(200, |_| {
        let store = Arc::clone(&store);
        async move { reserve(&store, &key("ada"), &policy, after(1)).await }
    })
    .await;
    let mut counts = Vec::new();
    for decision in decisions {
        match decision {
            BudgetDecision::Reserved { count } => counts.push(count),
            BudgetDecision::Exhausted { again_at } => assert_eq!(again_at, after(7)),
        }
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=10).collect::<Vec<_>>());
}

/// Once the budget is spent there is one guess more per interval, from its microsecond on, and not two.
pub async fn one_comes_back_per_interval_at_its_microsecond(store: Arc<dyn Store>) {
    let ada = key("ada");
    spend(&store, &ada, after(10)).await;
    for again_at in [22, 34, 46, 58, 70, 82].map(after) {
        let spent = BudgetDecision::Exhausted { again_at };
        assert_eq!(reserve(&store, &ada, &POLICY, again_at.minus(MICRO)).await, spent);
        assert_eq!(reserve(&store, &ada, &POLICY, again_at).await, BudgetDecision::Reserved { count: 5 });
        let spent = BudgetDecision::Exhausted { again_at: again_at.plus(POLICY.interval()) };
        assert_eq!(reserve(&store, &ada, &POLICY, again_at).await, spent);
    }
}

/// Whenever the budget is spent, the end of no window frees it.
pub async fn the_edge_of_a_window_gives_no_second_burst(store: Arc<dyn Store>) {
    let ada = key("ada");
    for (second, count) in [(0, 1), (59, 1), (59, 2), (59, 3), (59, 4)] {
        assert_eq!(reserve(&store, &ada, &POLICY, after(second)).await, BudgetDecision::Reserved { count });
    }
    assert_eq!(burst(&store, &ada, after(60)).await, 1, "the one of the beginning came back");
    for second in [61, 70] {
        assert_eq!(burst(&store, &ada, after(second)).await, 0, "{second}");
    }
    assert_eq!(burst(&store, &ada, after(118)).await, 4, "those of 71, 83, 95 and 107");
    assert_eq!(burst(&store, &ada, after(119)).await, 1);
    assert_eq!(burst(&store, &ada, after(1000)).await, 5);
}

/// A refused guess counts nothing and prolongs nothing.
pub async fn refusals_change_nothing(store: Arc<dyn Store>) {
    let ada = key("ada");
    spend(&store, &ada, after(0)).await;
    for second in [1, 7, 11] {
        let refused = reserve(&store, &ada, &POLICY, after(second)).await;
        assert_eq!(refused, BudgetDecision::Exhausted { again_at: after(12) });
    }
    assert_eq!(reserve(&store, &ada, &POLICY, after(12)).await, BudgetDecision::Reserved { count: 5 });
    spend(&store, &ada, after(72)).await;
}

/// `release` takes back one count: the failures of others stay.
pub async fn a_right_guess_takes_back_its_own_count_only(store: Arc<dyn Store>) {
    let ada = key("ada");
    spend(&store, &ada, after(0)).await;
    let mut tx = begin(&store).await;
    tx.guess_budgets().release(&ada, &POLICY).await.unwrap();
    tx.guess_budgets().release(&key("nobody"), &POLICY).await.unwrap();
    commit(tx).await;
    assert_eq!(reserve(&store, &ada, &POLICY, after(1)).await, BudgetDecision::Reserved { count: 5 });
    let spent = BudgetDecision::Exhausted { again_at: after(12) };
    assert_eq!(reserve(&store, &ada, &POLICY, after(1)).await, spent);
    assert_eq!(reserve(&store, &key("nobody"), &POLICY, after(1)).await, BudgetDecision::Reserved { count: 1 });
}

/// Over many guesses at odd times, right ones and wrong ones, every decision is the one of [`Gcra`].
pub async fn it_decides_as_the_domain_does(store: Arc<dyn Store>) {
    let (mut dice, mut refusals) = (Dice::new(), 0);
    for (policy, name) in odd_policies().into_iter().zip(["a", "b", "c", "d"]) {
        let mut counter = Gcra::default();
        for now in Times::new(&policy).take(60) {
            let expected = match counter.take(&policy, now) {
                Ok(count) => BudgetDecision::Reserved { count },
                Err(again_at) => BudgetDecision::Exhausted { again_at },
            };
            assert_eq!(reserve(&store, &key(name), &policy, now).await, expected, "{policy:?} {now:?}");
            let is_reserved = matches!(expected, BudgetDecision::Reserved { .. });
            refusals += u32::from(!is_reserved);
            if is_reserved && dice.below(4) == 0 {
                counter.give_back(&policy);
                release(&store, &key(name), &policy).await;
            }
        }
    }
    assert!((20..=200).contains(&refusals), "{refusals} refusals are too few or too many to prove anything");
}

/// Nothing can be guessed under a limit of 0.
pub async fn a_limit_of_nothing_reserves_nothing(store: Arc<dyn Store>) {
    let policy = RatePolicy { limit: 0, ..POLICY };
    for now in [after(0), after(1000)] {
        let decision = reserve(&store, &key("ada"), &policy, now).await;
        assert!(matches!(decision, BudgetDecision::Exhausted { .. }), "{decision:?}");
    }
}

/// Every key has a budget of its own under every policy.
pub async fn budgets_of_keys_and_policies_do_not_mix(store: Arc<dyn Store>) {
    spend(&store, &key("ada"), after(0)).await;
    spend(&store, &key("bob"), after(0)).await;
    let other = RatePolicy { name: "contract-other", ..POLICY };
    assert_eq!(reserve(&store, &key("ada"), &other, after(0)).await, BudgetDecision::Reserved { count: 1 });
}

/// A guess whose transaction rolled back was not made.
pub async fn a_rolled_back_guess_is_not_counted(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.guess_budgets().reserve(&key("ada"), &POLICY, after(0)).await.unwrap();
    drop(tx);
    spend(&store, &key("ada"), after(1)).await;
}

/// Only counters that are wholly free are deleted, and they are counted: nobody who is busy all the time gets a new one.
pub async fn free_counters_are_deleted(store: Arc<dyn Store>) {
    let (old, busy) = (key("old"), key("busy"));
    spend(&store, &old, after(0)).await;
    spend(&store, &busy, after(0)).await;
    for second in [12, 24, 36, 48, 60] {
        assert_eq!(reserve(&store, &busy, &POLICY, after(second)).await, BudgetDecision::Reserved { count: 5 });
    }
    let mut tx = begin(&store).await;
    assert_eq!(tx.guess_budgets().delete_expired(after(70)).await.unwrap(), 1);
    commit(tx).await;
    let spent = BudgetDecision::Exhausted { again_at: after(72) };
    assert_eq!(reserve(&store, &busy, &POLICY, after(71)).await, spent);
    spend(&store, &old, after(71)).await;
}

/// Two replicas, which are two handles of one store, share every budget. For stores that can be opened twice.
pub async fn two_handles_share_a_budget(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let ada = key("ada");
    assert_eq!(reserve(&one, &ada, &POLICY, after(0)).await, BudgetDecision::Reserved { count: 1 });
    assert_eq!(reserve(&other, &ada, &POLICY, after(0)).await, BudgetDecision::Reserved { count: 2 });
    let decisions = race(60, |number| {
        let store = Arc::clone(if number % 2 == 0 { &one } else { &other });
        async move { reserve(&store, &key("raced"), &POLICY, after(0)).await }
    })
    .await;
    let reserved = |decision: &&BudgetDecision| matches!(decision, BudgetDecision::Reserved { .. });
    assert_eq!(decisions.iter().filter(reserved).count(), 5);
}

/// Two replicas whose clocks differ, and who are asked in turn, share every budget: it is the one of [`Gcra`] at what their
/// clocks say. For stores that can be opened twice.
pub async fn two_handles_whose_clocks_differ_share_a_budget(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for skew in SKEWS {
        let (mut counter, mut reserved) = (Gcra::default(), 0);
        for (is_other, now) in readings(skew) {
            let expected = match counter.take(&QUICK, now) {
                Ok(count) => BudgetDecision::Reserved { count },
                Err(again_at) => BudgetDecision::Exhausted { again_at },
            };
            let store = if is_other { &other } else { &one };
            let decision = reserve(store, &key(&format!("{skew}")), &QUICK, now).await;
            assert_eq!(decision, expected, "{skew} {now:?}");
            reserved += u64::from(matches!(decision, BudgetDecision::Reserved { .. }));
        }
        assert!((20..=most_of_readings(skew)).contains(&reserved), "{skew}: {reserved}");
    }
}

/// What was guessed under a longer policy, or as a clock far ahead said, is forgotten, though it was the whole budget: nobody
/// waits out a window that no longer is.
pub async fn a_budget_of_a_longer_policy_holds_nobody_back(store: Arc<dyn Store>) {
    let day = RatePolicy { window: Duration::from_secs(86_400), ..POLICY };
    let off = RatePolicy { limit: u32::MAX, ..POLICY };
    let cases = [("day", day, after(0)), ("off", off, after(0)), ("ahead", POLICY, after(500_000))];
    for ((name, policy, now), count) in cases.into_iter().flat_map(|case| [1, POLICY.limit].map(|count| (case, count)))
    {
        let key = key(&format!("{name}-{count}"));
        for count in 1..=count {
            assert_eq!(reserve(&store, &key, &policy, now).await, BudgetDecision::Reserved { count });
        }
        spend(&store, &key, after(1)).await;
        let spent = BudgetDecision::Exhausted { again_at: after(13) };
        assert_eq!(reserve(&store, &key, &POLICY, after(1)).await, spent, "{key:?}");
    }
}

/// More guesses than a limit that was lowered since are the whole budget, and no more. One that was right is given back from
/// it.
pub async fn a_lowered_limit_makes_nobody_wait_for_what_was_above_it(store: Arc<dyn Store>) {
    let (ada, more) = (key("ada"), RatePolicy { limit: 60, ..POLICY });
    for count in 1..=60 {
        assert_eq!(reserve(&store, &ada, &more, after(0)).await, BudgetDecision::Reserved { count });
    }
    for again_at in [12, 24, 36].map(after) {
        let spent = BudgetDecision::Exhausted { again_at };
        assert_eq!(reserve(&store, &ada, &POLICY, again_at.minus(MICRO)).await, spent);
        assert_eq!(reserve(&store, &ada, &POLICY, again_at).await, BudgetDecision::Reserved { count: 5 });
        release(&store, &ada, &POLICY).await;
        assert_eq!(reserve(&store, &ada, &POLICY, again_at).await, BudgetDecision::Reserved { count: 5 });
    }
    spend(&store, &ada, after(96)).await;
}

/// A clock that steps back, or a replica whose clock is behind, finds budgets as they are, up to the tolerance; further ahead
/// they count as absent.
pub async fn only_a_window_that_no_tolerated_clock_explains_is_forgotten(store: Arc<dyn Store>) {
    let (behind, too_far) = (after(10).minus(CLOCK_TOLERANCE), after(10).minus(CLOCK_TOLERANCE).minus(MICRO));
    let [used, forgotten, full, forgotten_full] = ["used", "forgotten", "full", "forgotten-full"].map(key);
    for key in [&used, &forgotten] {
        assert_eq!(reserve(&store, key, &POLICY, after(10)).await, BudgetDecision::Reserved { count: 1 });
    }
    assert_eq!(reserve(&store, &used, &POLICY, behind).await, BudgetDecision::Reserved { count: 3 });
    spend(&store, &forgotten, too_far).await;
    for key in [&full, &forgotten_full] {
        spend(&store, key, after(10)).await;
    }
    let spent = BudgetDecision::Exhausted { again_at: after(22) };
    assert_eq!(reserve(&store, &full, &POLICY, behind).await, spent);
    assert_eq!(reserve(&store, &full, &POLICY, after(21)).await, spent, "the refusal changed nothing");
    spend(&store, &forgotten_full, too_far).await;
}
