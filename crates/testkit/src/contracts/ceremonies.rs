//! `CeremonyStore`.

use std::sync::Arc;

use keystead_application::ports::{CeremonyKey, CeremonyKind, CeremonyStore};
use keystead_application::testing::after;
use keystead_domain::{SecretBytes, Timestamp};

use super::{MICRO, RACERS, sole_winner};
use crate::race::race;

/// Tests every contract of [`CeremonyStore`](keystead_application::ports::CeremonyStore). The expression is a future of
/// a [`Harness`](crate::Harness) with an empty store; it is evaluated once per test.
#[macro_export]
macro_rules! ceremony_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            ceremonies,
            dyn $crate::ports::CeremonyStore,
            $make,
            [
                a_state_survives_byte_for_byte,
                a_live_ceremony_is_not_inserted_over,
                of_parallel_inserts_one_wins,
                of_parallel_takes_one_wins,
                a_taken_ceremony_is_dead,
                kinds_and_ids_do_not_mix,
                a_ceremony_dies_at_its_microsecond,
                a_dead_ceremony_can_be_inserted_again,
                an_overwrite_keeps_nothing_of_the_old_state,
                a_dead_ceremony_is_not_overwritten,
                an_overwrite_never_revives_a_taken_ceremony,
            ]
        );
    };
}

fn code(id: &str) -> CeremonyKey {
    CeremonyKey { kind: CeremonyKind::Code, id: id.to_owned() }
}

async fn insert(store: &Arc<dyn CeremonyStore>, key: &CeremonyKey, state: &[u8], end: Timestamp) -> bool {
    store.insert(key, state, after(0), end).await.unwrap()
}

async fn find(store: &Arc<dyn CeremonyStore>, key: &CeremonyKey, now: Timestamp) -> Option<Vec<u8>> {
    store.find(key, now).await.unwrap().map(|state| state.expose().to_vec())
}

async fn take(store: &Arc<dyn CeremonyStore>, key: &CeremonyKey, now: Timestamp) -> Option<Vec<u8>> {
    store.take(key, now).await.unwrap().map(|state: SecretBytes| state.expose().to_vec())
}

/// Any bytes come back as written, as often as one looks.
pub async fn a_state_survives_byte_for_byte(store: Arc<dyn CeremonyStore>) {
    let every_byte: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for (id, state) in [("every", every_byte.as_slice()), ("empty", b""), ("quoted", b"';--\0\r\n")] {
        assert!(insert(&store, &code(id), state, after(10)).await);
        assert_eq!(find(&store, &code(id), after(1)).await.as_deref(), Some(state), "{id}");
        assert_eq!(find(&store, &code(id), after(1)).await.as_deref(), Some(state), "{id}");
        assert_eq!(take(&store, &code(id), after(1)).await.as_deref(), Some(state), "{id}");
    }
}

/// A second insert is refused and changes neither state nor end.
pub async fn a_live_ceremony_is_not_inserted_over(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"first", after(10)).await);
    assert!(!insert(&store, &code("a"), b"second", after(99)).await);
    assert_eq!(find(&store, &code("a"), after(1)).await.as_deref(), Some(b"first".as_slice()));
    assert_eq!(find(&store, &code("a"), after(10)).await, None);
}

/// Of many inserts under one key one wins, and its state stands.
pub async fn of_parallel_inserts_one_wins(store: Arc<dyn CeremonyStore>) {
    let results = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let state = number.to_string().into_bytes();
            insert(&store, &code("a"), &state, after(10)).await.then_some(state)
        }
    })
    .await;
    assert_eq!(find(&store, &code("a"), after(1)).await, Some(sole_winner(results)));
}

/// Of many takes one gets the state.
pub async fn of_parallel_takes_one_wins(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"state", after(10)).await);
    let results = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move { take(&store, &code("a"), after(1)).await }
    })
    .await;
    assert_eq!(sole_winner(results), b"state");
}

/// Nothing is assumed for a ceremony that was taken or never was.
pub async fn a_taken_ceremony_is_dead(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"state", after(10)).await);
    assert!(take(&store, &code("a"), after(1)).await.is_some());
    for key in [code("a"), code("never")] {
        assert_eq!(find(&store, &key, after(1)).await, None);
        assert_eq!(take(&store, &key, after(1)).await, None);
        assert!(!store.overwrite(&key, b"x", after(1), after(10)).await.unwrap());
        assert_eq!(find(&store, &key, after(1)).await, None);
    }
}

/// A ceremony is named by its kind and its id together.
pub async fn kinds_and_ids_do_not_mix(store: Arc<dyn CeremonyStore>) {
    let kinds = [CeremonyKind::Idempotency, CeremonyKind::StepUp, CeremonyKind::Contact, CeremonyKind::Passkey];
    let others = kinds.map(|kind| CeremonyKey { kind, id: "a".into() });
    assert!(insert(&store, &code("a"), b"code", after(10)).await);
    assert_eq!(find(&store, &code("A"), after(1)).await, None);
    for other in &others {
        assert_eq!(find(&store, other, after(1)).await, None);
        assert!(insert(&store, other, other.kind.as_str().as_bytes(), after(10)).await);
    }
    assert_eq!(take(&store, &code("a"), after(1)).await.as_deref(), Some(b"code".as_slice()));
    for other in &others {
        assert_eq!(take(&store, other, after(1)).await.as_deref(), Some(other.kind.as_str().as_bytes()));
    }
}

/// A ceremony is alive before `expires_at` and dead from it on.
pub async fn a_ceremony_dies_at_its_microsecond(store: Arc<dyn CeremonyStore>) {
    let (end, key) = (after(10).plus(MICRO), code("a"));
    assert!(insert(&store, &key, b"state", end).await);
    assert!(find(&store, &key, end.minus(MICRO)).await.is_some());
    assert!(!store.insert(&key, b"x", end.minus(MICRO), after(99)).await.unwrap());
    assert_eq!(find(&store, &key, end).await, None);
    assert_eq!(take(&store, &key, end).await, None);
    assert!(!store.overwrite(&key, b"x", end, after(99)).await.unwrap());

    assert!(insert(&store, &code("c"), b"state", end).await);
    assert!(take(&store, &code("c"), end.minus(MICRO)).await.is_some());
}

/// A key is free again once its ceremony is dead.
pub async fn a_dead_ceremony_can_be_inserted_again(store: Arc<dyn CeremonyStore>) {
    let key = code("a");
    assert!(insert(&store, &key, b"first", after(10)).await);
    assert!(store.insert(&key, b"second", after(10), after(20)).await.unwrap());
    assert_eq!(find(&store, &key, after(11)).await.as_deref(), Some(b"second".as_slice()));
    assert!(take(&store, &key, after(11)).await.is_some());
    assert!(store.insert(&key, b"third", after(12), after(20)).await.unwrap());
    assert_eq!(take(&store, &key, after(13)).await.as_deref(), Some(b"third".as_slice()));
}

/// An overwrite gives a live ceremony another state and another end.
pub async fn an_overwrite_keeps_nothing_of_the_old_state(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"a long old state", after(10)).await);
    assert!(store.overwrite(&code("a"), b"new", after(1), after(20)).await.unwrap());
    assert_eq!(find(&store, &code("a"), after(15)).await.as_deref(), Some(b"new".as_slice()));
    assert!(store.overwrite(&code("a"), b"", after(15), after(16)).await.unwrap());
    assert_eq!(find(&store, &code("a"), after(15)).await.as_deref(), Some(b"".as_slice()));
    assert_eq!(find(&store, &code("a"), after(16)).await, None);
}

/// A dead ceremony stays dead.
pub async fn a_dead_ceremony_is_not_overwritten(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"old", after(10)).await);
    assert!(!store.overwrite(&code("a"), b"new", after(10), after(20)).await.unwrap());
    assert_eq!(find(&store, &code("a"), after(11)).await, None);
    assert!(!store.overwrite(&code("never"), b"new", after(1), after(20)).await.unwrap());
    assert_eq!(find(&store, &code("never"), after(1)).await, None);
}

/// Overwrites racing a take do not bring the ceremony back.
pub async fn an_overwrite_never_revives_a_taken_ceremony(store: Arc<dyn CeremonyStore>) {
    assert!(insert(&store, &code("a"), b"old", after(10)).await);
    let results = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            if number % 8 == 3 {
                return take(&store, &code("a"), after(1)).await;
            }
            store.overwrite(&code("a"), b"new", after(1), after(10)).await.unwrap();
            None
        }
    })
    .await;
    let taken = sole_winner(results);
    assert!(taken == b"old" || taken == b"new");
    assert_eq!(find(&store, &code("a"), after(1)).await, None);
}
