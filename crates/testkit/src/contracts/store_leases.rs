//! `LeaseRepository`.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::after;
use keystead_domain::Timestamp;

use super::{MICRO, RACERS, begin, commit, sole_winner};
use crate::race::race;

/// Asks for the lease `reminders`, and keeps what was answered.
async fn acquire(store: &Arc<dyn Store>, holder: &str, now: Timestamp, until: Timestamp) -> bool {
    let mut tx = begin(store).await;
    let acquired = tx.leases().acquire("reminders", holder, now, until).await.unwrap();
    commit(tx).await;
    acquired
}

async fn release(store: &Arc<dyn Store>, holder: &str) {
    let mut tx = begin(store).await;
    tx.leases().release("reminders", holder).await.unwrap();
    commit(tx).await;
}

/// While somebody holds a lease nobody else gets it, and whoever asks in vain changes nothing.
pub async fn a_lease_is_one_holders_at_a_time(store: Arc<dyn Store>) {
    assert!(acquire(&store, "a", after(0), after(10)).await);
    assert!(!acquire(&store, "b", after(1), after(99)).await);
    assert!(!acquire(&store, "b", after(10).minus(MICRO), after(99)).await);
    assert!(acquire(&store, "b", after(10), after(20)).await, "asking in vain prolonged nothing");
}

/// Who holds a lease gets it again, until later.
pub async fn its_holder_prolongs_a_lease(store: Arc<dyn Store>) {
    assert!(acquire(&store, "a", after(0), after(10)).await);
    assert!(acquire(&store, "a", after(5), after(15)).await);
    assert!(!acquire(&store, "b", after(12), after(22)).await);
    assert!(acquire(&store, "a", after(20), after(30)).await, "nobody took it meanwhile");
    assert!(!acquire(&store, "b", after(29), after(39)).await);
}

/// A lease that lapsed is taken at its microsecond, and is then the other's.
pub async fn a_lapsed_lease_is_taken(store: Arc<dyn Store>) {
    assert!(acquire(&store, "a", after(0), after(10).plus(MICRO)).await);
    assert!(!acquire(&store, "b", after(10), after(20)).await);
    assert!(acquire(&store, "b", after(10).plus(MICRO), after(20)).await);
    assert!(!acquire(&store, "a", after(11), after(21)).await, "the one before learns that it is too late");
}

/// Of many who want a lease at once one gets it, be it new or lapsed.
pub async fn of_parallel_takers_one_wins(store: Arc<dyn Store>) {
    for (now, until) in [(after(0), after(10)), (after(10), after(20))] {
        let results = race(RACERS, |racer| {
            let store = Arc::clone(&store);
            async move {
                let holder = format!("{racer} at {}", now.as_seconds());
                acquire(&store, &holder, now, until).await.then_some(holder)
            }
        })
        .await;
        let winner = sole_winner(results);
        assert!(acquire(&store, &winner, now, until).await, "it is the winner's");
    }
}

/// A lease that was given back is free; only its holder gives it back.
pub async fn a_lease_is_given_back_by_its_holder(store: Arc<dyn Store>) {
    assert!(acquire(&store, "a", after(0), after(10)).await);
    release(&store, "b").await;
    assert!(!acquire(&store, "b", after(1), after(11)).await);
    release(&store, "a").await;
    assert!(acquire(&store, "b", after(1), after(11)).await);
    release(&store, "a").await;
    assert!(!acquire(&store, "a", after(2), after(12)).await, "who lost it takes it from nobody");
}

/// Leases of other names are other leases.
pub async fn leases_of_different_names_do_not_mix(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    for (name, holder) in [("reminders", "a"), ("Reminders", "b"), ("other", "c")] {
        assert!(tx.leases().acquire(name, holder, after(0), after(10)).await.unwrap(), "{name}");
    }
    tx.leases().release("other", "a").await.unwrap();
    tx.leases().release("Reminders", "b").await.unwrap();
    commit(tx).await;
    assert!(!acquire(&store, "b", after(1), after(11)).await);
}

/// A lease that was taken or given back without a commit was not.
pub async fn a_rolled_back_lease_is_none(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    assert!(tx.leases().acquire("reminders", "a", after(0), after(10)).await.unwrap());
    drop(tx);
    assert!(acquire(&store, "b", after(0), after(10)).await);
    let mut tx = begin(&store).await;
    tx.leases().release("reminders", "b").await.unwrap();
    drop(tx);
    assert!(!acquire(&store, "a", after(1), after(11)).await);
}
