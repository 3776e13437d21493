//! `FactorFailureRepository`.

use std::sync::Arc;

use keystead_application::ports::{BudgetKey, Store};
use keystead_application::testing::{START, after};
use keystead_domain::factor::FactorFailures;

use super::{MICRO, RACERS, begin, commit, read};
use crate::race::race;

fn key(text: &str) -> BudgetKey {
    BudgetKey(text.to_owned())
}

async fn put(store: &Arc<dyn Store>, key: &BudgetKey, failures: &FactorFailures) {
    let mut tx = begin(store).await;
    tx.factor_failures().put(key, failures, after(100)).await.unwrap();
    commit(tx).await;
}

async fn look(store: &Arc<dyn Store>, key: &BudgetKey) -> FactorFailures {
    read(store).await.factor_failures().hold(key).await.unwrap()
}

/// All fields come back as written, to the microsecond, set or not; without a row there are no failures.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    assert_eq!(look(&store, &key("ada")).await, FactorFailures::default());
    let full = FactorFailures {
        counts: [1, 20, 300, 4000, u32::MAX],
        blocks: u32::MAX,
        blocked_until: Some(START.plus(MICRO)),
        alerted_at: Some(START),
        last_at: Some(START.minus(MICRO)),
    };
    let bare = FactorFailures { counts: [0, 0, 1, 0, 0], ..FactorFailures::default() };
    for failures in [full, bare] {
        put(&store, &key("ada"), &failures).await;
        assert_eq!(look(&store, &key("ada")).await, failures);
        assert_eq!(begin(&store).await.factor_failures().hold(&key("ada")).await.unwrap(), failures);
    }
}

/// Keys do not mix, however alike they are.
pub async fn keys_do_not_mix(store: Arc<dyn Store>) {
    let failures = FactorFailures { counts: [0, 1, 0, 0, 0], ..FactorFailures::default() };
    put(&store, &key("user:1"), &failures).await;
    for other in ["user:1:device:a", "user:", "USER:1", "user:1 "] {
        assert_eq!(look(&store, &key(other)).await, FactorFailures::default(), "{other:?}");
    }
}

/// What is held stays as seen until the transaction ends, there being a row or not: of many that look, count and write,
/// none undoes another's count.
pub async fn parallel_tries_are_all_counted(store: Arc<dyn Store>) {
    for name in ["one", "two"] {
        race(RACERS, |number| {
            let store = Arc::clone(&store);
            async move {
                let mut tx = begin(&store).await;
                let mut failures = tx.factor_failures().hold(&key(name)).await.unwrap();
                failures.counts[number % 5] += 1;
                failures.blocks += 1;
                tx.factor_failures().put(&key(name), &failures, after(100)).await.unwrap();
                commit(tx).await;
            }
        })
        .await;
        let end = look(&store, &key(name)).await;
        assert_eq!((end.counts, end.blocks), ([13, 13, 13, 13, 12], 64));
    }
}

/// A count that does not commit was none, and holds nobody up.
pub async fn a_rolled_back_count_is_none(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    let mut failures = tx.factor_failures().hold(&key("ada")).await.unwrap();
    failures.counts[0] = 1;
    tx.factor_failures().put(&key("ada"), &failures, after(100)).await.unwrap();
    drop(tx);
    assert_eq!(begin(&store).await.factor_failures().hold(&key("ada")).await.unwrap(), FactorFailures::default());
}

/// Only what is forgotten is deleted, and it is counted.
pub async fn forgotten_failures_are_deleted(store: Arc<dyn Store>) {
    let failures = FactorFailures { blocks: 1, ..FactorFailures::default() };
    let mut tx = begin(&store).await;
    for (name, forgotten_at) in [("a", after(10)), ("b", after(11)), ("c", after(1000))] {
        tx.factor_failures().put(&key(name), &failures, forgotten_at).await.unwrap();
    }
    // Kept for longer by another try.
    tx.factor_failures().put(&key("b"), &failures, after(500)).await.unwrap();
    commit(tx).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.factor_failures().delete_expired(after(20)).await.unwrap(), 1);
    assert_eq!(tx.factor_failures().delete_expired(after(20)).await.unwrap(), 0);
    commit(tx).await;
    assert_eq!(look(&store, &key("a")).await, FactorFailures::default());
    for name in ["b", "c"] {
        assert_eq!(look(&store, &key(name)).await, failures);
    }
}
