//! `GuessBudgets`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{BudgetDecision, BudgetKey, Store};
use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;

use super::{MICRO, begin, commit};
use crate::race::race;

const POLICY: RatePolicy = RatePolicy { name: "contract", limit: 5, window: Duration::from_secs(60), per: "test" };

fn key(text: &str) -> BudgetKey {
    BudgetKey(text.to_owned())
}

async fn reserve(store: &Arc<dyn Store>, key: &BudgetKey, policy: &RatePolicy, now: Timestamp) -> BudgetDecision {
    let mut tx = begin(store).await;
    let decision = tx.guess_budgets().reserve(key, policy, now).await.unwrap();
    commit(tx).await;
    decision
}

async fn spend(store: &Arc<dyn Store>, key: &BudgetKey, now: Timestamp) {
    for count in 1..=POLICY.limit {
        assert_eq!(reserve(store, key, &POLICY, now).await, BudgetDecision::Reserved { count });
    }
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
            BudgetDecision::Exhausted { resets_at } => assert_eq!(resets_at, after(61)),
        }
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=10).collect::<Vec<_>>());
}

/// The window is counted from the first guess, and from its end on a new one begins.
pub async fn a_window_begins_with_its_first_guess_and_ends_at_its_microsecond(store: Arc<dyn Store>) {
    let ada = key("ada");
    assert_eq!(reserve(&store, &ada, &POLICY, after(10)).await, BudgetDecision::Reserved { count: 1 });
    for count in 2..=5 {
        assert_eq!(reserve(&store, &ada, &POLICY, after(50)).await, BudgetDecision::Reserved { count });
    }
    let spent = BudgetDecision::Exhausted { resets_at: after(70) };
    assert_eq!(reserve(&store, &ada, &POLICY, after(70).minus(MICRO)).await, spent);
    assert_eq!(reserve(&store, &ada, &POLICY, after(70)).await, BudgetDecision::Reserved { count: 1 });
}

/// A refused guess counts nothing and prolongs nothing.
pub async fn refusals_do_not_extend_a_window(store: Arc<dyn Store>) {
    let ada = key("ada");
    spend(&store, &ada, after(0)).await;
    for second in [1, 30, 59] {
        let refused = reserve(&store, &ada, &POLICY, after(second)).await;
        assert_eq!(refused, BudgetDecision::Exhausted { resets_at: after(60) });
    }
    spend(&store, &ada, after(60)).await;
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
    let spent = BudgetDecision::Exhausted { resets_at: after(60) };
    assert_eq!(reserve(&store, &ada, &POLICY, after(1)).await, spent);
    assert_eq!(reserve(&store, &key("nobody"), &POLICY, after(1)).await, BudgetDecision::Reserved { count: 1 });
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

/// Only ended windows are deleted, and they are counted.
pub async fn ended_windows_are_deleted(store: Arc<dyn Store>) {
    spend(&store, &key("old"), after(0)).await;
    spend(&store, &key("new"), after(50)).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.guess_budgets().delete_expired(after(70)).await.unwrap(), 1);
    commit(tx).await;
    let spent = BudgetDecision::Exhausted { resets_at: after(110) };
    assert_eq!(reserve(&store, &key("new"), &POLICY, after(71)).await, spent);
}
