//! `SessionStore::rotate`.

use std::sync::Arc;

use keystead_application::ports::{Rotation, SessionStore};
use keystead_application::testing::{
    a_presentation, a_refresh_policy, a_session, a_super_admin, after, key_id, session_number,
};
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::{
    ClientKind, EndReason, Fingerprint, Generation, Presentation, Presented, RefreshPolicy, Session,
};

use super::super::RACERS;
use super::{present, show, stored};
use crate::race::race;

/// Of many refreshes with one token one rotates, and all are told the same head and the same key of it.
pub async fn of_parallel_refreshes_one_rotates_and_all_get_the_same_head(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let outcomes = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let key = key_id(&format!("mac-of-{number}"));
            present(&store, Presentation { key, ..a_presentation(1, after(1)) }).await.unwrap()
        }
    })
    .await;
    let rotated = outcomes.iter().filter(|(presented, _)| *presented == Presented::Rotated).count();
    let repeated = outcomes.iter().filter(|(presented, _)| *presented == Presented::Repeated).count();
    assert_eq!((rotated, repeated), (1, RACERS - 1));
    let kept = stored(&store).await;
    assert_eq!((kept.head, &kept.previous_key), (Generation::new(2), &Some(a_session().head_key)));
    assert!(outcomes.iter().all(|(_, session)| *session == kept));
}

/// What `Session::present` changed is what the store keeps and returns.
pub async fn a_rotation_is_kept(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let mut expected = a_session();
    for (generation, seconds) in [(1, 1), (2, 2), (2, 10), (3, 70)] {
        let shown = a_presentation(generation, after(seconds));
        let presented = expected.present(&shown);
        assert_eq!(present(&store, shown).await, Some((presented, expected.clone())));
        assert_eq!(stored(&store).await, expected);
    }
    assert_eq!(expected.head, Generation::new(4));
}

/// A copied token ends the session for whoever comes after.
pub async fn a_reused_generation_ends_the_session_for_good(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    assert_eq!(show(&store, 1, 1).await.0, Presented::Rotated);
    assert_eq!(show(&store, 2, 2).await.0, Presented::Rotated);
    let reused = Presented::Ended(EndReason::RefreshReused);
    assert_eq!(show(&store, 1, 3).await.0, reused);
    assert_eq!(show(&store, 3, 4).await.0, reused, "the newest token is dead too");
    assert_eq!(stored(&store).await.ended, Some(EndReason::RefreshReused));
}

/// A token from another client ends the session.
pub async fn another_fingerprint_ends_the_session(store: Arc<dyn SessionStore>) {
    for (number, fingerprint) in [(1, None), (2, Some(Fingerprint([8; 32])))] {
        let session = session_number(number);
        store.insert(&session).await.unwrap();
        let shown = Presentation { fingerprint, ..a_presentation(1, after(1)) };
        let rotation = Rotation { session: session.id.clone(), shown };
        let (presented, after_it) = store.rotate(&rotation).await.unwrap().unwrap();
        assert_eq!(presented, Presented::Ended(EndReason::FingerprintMismatch));
        assert_eq!(store.find(&session.id, after(2)).await.unwrap(), Some(after_it));
    }
}

/// A token the store never issued means the store lost state: the session ends.
pub async fn a_generation_from_the_future_ends_the_session(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    assert_eq!(show(&store, 2, 1).await.0, Presented::Ended(EndReason::StoreRolledBack));
    assert_eq!(stored(&store).await.ended, Some(EndReason::StoreRolledBack));
}

/// A client of another kind gets nothing and breaks nothing.
pub async fn another_kind_of_client_changes_nothing(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let shown = Presentation { client: ClientKind::Native, ..a_presentation(1, after(1)) };
    assert_eq!(present(&store, shown).await, Some((Presented::OtherClientKind, a_session())));
    assert_eq!(stored(&store).await, a_session());
}

/// The rules with this many rotations a minute.
fn allowing(limit: u32) -> RefreshPolicy {
    RefreshPolicy { rotations: RatePolicy { limit, ..limits::REFRESH }, ..a_refresh_policy() }
}

/// A rotation beyond the limit leaves the token good.
pub async fn too_many_rotations_change_nothing(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let policy = allowing(2);
    let shown = |generation, seconds| Presentation { policy, ..a_presentation(generation, after(seconds)) };
    for generation in [1, 2] {
        assert_eq!(present(&store, shown(generation, 1)).await.unwrap().0, Presented::Rotated);
    }
    let before = stored(&store).await;
    let limited = Presented::Limited { again_at: after(1).plus(policy.rotations.interval()) };
    assert_eq!(present(&store, shown(3, 2)).await, Some((limited, before.clone())));
    assert_eq!(stored(&store).await, before);
    assert_eq!(present(&store, shown(3, 31)).await.unwrap().0, Presented::Rotated);
}

/// However many tabs rotate as fast as they can, the count of rotations is exact.
pub async fn parallel_rotations_never_exceed_their_limit(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let policy = allowing(20);
    let rotated = race(8, |_| {
        let store = Arc::clone(&store);
        async move {
            let (mut generation, mut rotated) = (1, 0);
            loop {
                let shown = Presentation { policy, ..a_presentation(generation, after(1)) };
                let (presented, session) = present(&store, shown).await.unwrap();
                match presented {
                    Presented::Rotated => rotated += 1,
                    Presented::Repeated => {}
                    // Spent, or another tab was two rotations ahead: reuse, which ends the session for all of them.
                    Presented::Limited { .. } | Presented::Ended(_) => return rotated,
                    Presented::Expired | Presented::OtherClientKind => unreachable!("{presented:?}"),
                }
                generation = session.head.number();
            }
        }
    })
    .await;
    let kept = stored(&store).await;
    assert_eq!(rotated.iter().sum::<u32>(), kept.rotations);
    assert_eq!(u64::from(kept.rotations) + 1, kept.head.number());
    assert!(kept.rotations <= 20);
    assert!(kept.rotations == 20 || kept.ended == Some(EndReason::RefreshReused));
}

/// At its absolute end a session gives nothing, whether the store still finds it or not.
pub async fn an_expired_session_does_not_rotate(store: Arc<dyn SessionStore>) {
    let session = Session { expires_at: after(100), ..a_session() };
    store.insert(&session).await.unwrap();
    let outcome = present(&store, a_presentation(1, after(100))).await;
    assert!(outcome.is_none() || outcome == Some((Presented::Expired, session.clone())), "{outcome:?}");
    assert_eq!(stored(&store).await, session);
}

/// A session in which somebody acts as its owner has no refresh token: whatever is shown for it changes nothing.
pub async fn an_impersonation_does_not_rotate(store: Arc<dyn SessionStore>) {
    let session = Session { impersonator: Some(a_super_admin().id), ..a_session() };
    store.insert(&session).await.unwrap();
    for generation in [1, 2] {
        let outcome = present(&store, a_presentation(generation, after(1))).await;
        assert_eq!(outcome, Some((Presented::Expired, session.clone())), "generation {generation}");
    }
    let copied = Presentation { fingerprint: None, ..a_presentation(1, after(1)) };
    assert_eq!(present(&store, copied).await, Some((Presented::Expired, session.clone())));
    assert_eq!(stored(&store).await, session);
}
