//! `SessionStore`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{Rotation, SessionStore, SessionUpdate};
use keystead_application::testing::{
    START, a_presentation, a_session, a_super_admin, after, key_id, session_id, session_number, user_id,
};
use keystead_domain::account::{Epoch, Role};
use keystead_domain::token::{
    Amr, ClientKind, DeviceInfo, EndReason, Fingerprint, Generation, Presentation, Presented, Session,
};

mod refresh;

pub use refresh::*;

use super::{MICRO, RACERS};
use crate::race::race;

/// Tests every contract of [`SessionStore`](keystead_application::ports::SessionStore). The expression is a future of a
/// [`Harness`](crate::Harness) with an empty store; it is evaluated once per test.
#[macro_export]
macro_rules! session_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            sessions,
            dyn $crate::ports::SessionStore,
            $make,
            [
                a_live_store_answers_pings,
                every_field_survives,
                an_unknown_session_is_nobody,
                of_parallel_refreshes_one_rotates_and_all_get_the_same_head,
                a_rotation_is_kept,
                a_reused_generation_ends_the_session_for_good,
                another_fingerprint_ends_the_session,
                a_generation_from_the_future_ends_the_session,
                another_kind_of_client_changes_nothing,
                too_many_rotations_change_nothing,
                parallel_rotations_never_exceed_their_limit,
                an_expired_session_does_not_rotate,
                an_impersonation_does_not_rotate,
                a_session_is_found_until_it_expires,
                the_first_end_counts,
                a_refresh_and_an_end_at_once_leave_the_session_ended,
                all_sessions_of_a_user_end_but_one,
                parallel_ends_report_every_session_once,
                ended_sessions_are_found_but_not_listed,
                the_newest_session_is_listed_first,
                an_update_changes_what_it_names,
                an_ended_session_takes_no_update,
                updates_touches_and_rotations_at_once_lose_nothing,
                touch_never_moves_back,
            ]
        );
    };
}

/// Shows a generation of session 1 at a second.
async fn show(store: &Arc<dyn SessionStore>, generation: u64, seconds: u64) -> (Presented, Session) {
    present(store, a_presentation(generation, after(seconds))).await.expect("the session is there")
}

async fn present(store: &Arc<dyn SessionStore>, shown: Presentation) -> Option<(Presented, Session)> {
    store.rotate(&Rotation { session: a_session().id, shown }).await.unwrap()
}

async fn stored(store: &Arc<dyn SessionStore>) -> Session {
    store.find(&a_session().id, after(1)).await.unwrap().expect("the session is there")
}

/// A store that runs says so.
pub async fn a_live_store_answers_pings(store: Arc<dyn SessionStore>) {
    store.ping().await.unwrap();
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn every_field_survives(store: Arc<dyn SessionStore>) {
    let full = Session {
        client: ClientKind::Native,
        fingerprint: Fingerprint([0xfe; 32]),
        head: Generation::new(41),
        previous_key: Some(key_id("mac-0")),
        rotated_at: Some(START.plus(MICRO)),
        rotations_since: START.plus(MICRO * 2),
        rotations: 17,
        epoch: Epoch::new(1 << 40),
        role: Role::SuperAdmin,
        amr: vec![Amr::Password, Amr::Otp, Amr::MultiFactor],
        auth_time: START.plus(MICRO * 3),
        last_seen_at: START.plus(MICRO * 4),
        checked_at: START.plus(MICRO * 5),
        impersonator: Some(a_super_admin().id),
        ..session_number(1)
    };
    let bare = Session {
        amr: Vec::new(),
        device: DeviceInfo::default(),
        ended: Some(EndReason::EpochEnded),
        user_id: user_id(2),
        ..session_number(2)
    };
    for session in [&full, &bare] {
        store.insert(session).await.unwrap();
        assert_eq!(store.find(&session.id, after(1)).await.unwrap().as_ref(), Some(session));
    }
    assert_eq!(store.list(user_id(1), after(1)).await.unwrap(), [full]);
}

/// Every operation on a session that is not there says so.
pub async fn an_unknown_session_is_nobody(store: Arc<dyn SessionStore>) {
    let id = a_session().id;
    assert_eq!(store.find(&id, after(1)).await.unwrap(), None);
    assert_eq!(present(&store, a_presentation(1, after(1))).await, None);
    assert_eq!(store.end(&id, EndReason::LoggedOut, after(1)).await.unwrap(), None);
    let update = SessionUpdate { auth_time: Some(after(1)), ..SessionUpdate::default() };
    assert!(!store.update(&id, &update).await.unwrap());
    store.touch(&[(id.clone(), after(1))]).await.unwrap();
    assert_eq!(store.end_all(user_id(1), None, EndReason::LoggedOut, after(1)).await.unwrap(), []);
    assert_eq!(store.list(user_id(1), after(1)).await.unwrap(), []);
    assert_eq!(store.find(&id, after(1)).await.unwrap(), None, "nothing came to be");
}

/// A session is found before `expires_at`, not from it on, ended or not.
pub async fn a_session_is_found_until_it_expires(store: Arc<dyn SessionStore>) {
    for (number, ended) in [(1, None), (2, Some(EndReason::LoggedOut))] {
        let session = Session { expires_at: after(100), ended, ..session_number(number) };
        store.insert(&session).await.unwrap();
        assert_eq!(store.find(&session.id, after(100).minus(MICRO)).await.unwrap().as_ref(), Some(&session));
        assert_eq!(store.find(&session.id, after(100)).await.unwrap(), None);
    }
    let listed = store.list(user_id(1), after(100).minus(MICRO)).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(store.list(user_id(1), after(100)).await.unwrap(), []);
}

/// Ending again changes nothing: the first reason stays.
pub async fn the_first_end_counts(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let ended = Session { ended: Some(EndReason::LoggedOut), ..a_session() };
    for reason in [EndReason::LoggedOut, EndReason::EpochEnded] {
        let returned = store.end(&ended.id, reason, after(1)).await.unwrap();
        assert_eq!(returned.as_ref(), Some(&ended));
        assert_eq!(stored(&store).await, ended);
    }
    assert_eq!(store.end_all(user_id(1), None, EndReason::EpochEnded, after(1)).await.unwrap(), []);
    assert_eq!(stored(&store).await, ended);
    assert_eq!(show(&store, 1, 2).await, (Presented::Ended(EndReason::LoggedOut), ended));
}

/// A refresh on its way never revives a session that was ended.
pub async fn a_refresh_and_an_end_at_once_leave_the_session_ended(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            if number == RACERS / 2 {
                store.end(&a_session().id, EndReason::LoggedOut, after(1)).await.unwrap();
            } else {
                show(&store, 1, 1).await;
            }
        }
    })
    .await;
    assert_eq!(stored(&store).await.ended, Some(EndReason::LoggedOut));
}

/// Every session of one user ends but the excepted one; those it ended are returned, nobody else's is touched.
pub async fn all_sessions_of_a_user_end_but_one(store: Arc<dyn SessionStore>) {
    for number in 1..=4 {
        store.insert(&session_number(number)).await.unwrap();
    }
    let foreign = Session { user_id: user_id(2), ..session_number(5) };
    store.insert(&foreign).await.unwrap();
    store.end(&session_id("session-4"), EndReason::LoggedOut, after(1)).await.unwrap();

    let except = Some(session_id("session-2"));
    let mut ended = store.end_all(user_id(1), except, EndReason::EpochEnded, after(2)).await.unwrap();
    ended.sort();
    assert_eq!(ended, [session_id("session-1"), session_id("session-3")]);
    for (number, reason) in [
        (1, Some(EndReason::EpochEnded)),
        (2, None),
        (3, Some(EndReason::EpochEnded)),
        (4, Some(EndReason::LoggedOut)),
        (5, None),
    ] {
        let session = store.find(&session_number(number).id, after(3)).await.unwrap().unwrap();
        assert_eq!(session.ended, reason, "session {number}");
    }
    let rest = store.end_all(user_id(1), None, EndReason::EpochEnded, after(3)).await.unwrap();
    assert_eq!(rest, [session_id("session-2")]);
}

/// Of many who end everything each session is reported to one.
pub async fn parallel_ends_report_every_session_once(store: Arc<dyn SessionStore>) {
    for number in 1..=5 {
        store.insert(&session_number(number)).await.unwrap();
    }
    let mut ended = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move { store.end_all(user_id(1), None, EndReason::EpochEnded, after(1)).await.unwrap() }
    })
    .await
    .concat();
    ended.sort();
    assert_eq!(ended, (1..=5).map(|number| session_number(number).id).collect::<Vec<_>>());
}

/// An ended session is there for a late reuse to be recognised, and in nobody's list.
pub async fn ended_sessions_are_found_but_not_listed(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    assert_eq!(store.list(user_id(1), after(1)).await.unwrap(), [a_session()]);
    store.end(&a_session().id, EndReason::LoggedOut, after(1)).await.unwrap();
    assert_eq!(store.list(user_id(1), after(1)).await.unwrap(), []);
    assert_eq!(stored(&store).await.ended, Some(EndReason::LoggedOut));
}

/// Lists hold the sessions of one user, newest first.
pub async fn the_newest_session_is_listed_first(store: Arc<dyn SessionStore>) {
    let at = |number: u16, seconds| Session { created_at: after(seconds), ..session_number(number) };
    for session in [at(1, 2), at(2, 9), at(3, 1), Session { user_id: user_id(2), ..at(4, 5) }] {
        store.insert(&session).await.unwrap();
    }
    assert_eq!(store.list(user_id(1), after(10)).await.unwrap(), [at(2, 9), at(1, 2), at(3, 1)]);
    assert_eq!(store.list(user_id(3), after(10)).await.unwrap(), []);
}

/// What an update names is changed, all else stays.
pub async fn an_update_changes_what_it_names(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    let mut expected = a_session();
    let nothing = SessionUpdate::default();
    assert!(store.update(&expected.id, &nothing).await.unwrap());
    assert_eq!(stored(&store).await, expected);

    let epoch = SessionUpdate { epoch: Some((Epoch::new(5), Role::Admin)), ..nothing.clone() };
    assert!(store.update(&expected.id, &epoch).await.unwrap());
    (expected.epoch, expected.role) = (Epoch::new(5), Role::Admin);
    assert_eq!(stored(&store).await, expected);

    let amr = vec![Amr::Password, Amr::Otp, Amr::MultiFactor];
    let proved = SessionUpdate { auth_time: Some(after(7)), amr: Some(amr.clone()), ..nothing.clone() };
    assert!(store.update(&expected.id, &proved).await.unwrap());
    (expected.auth_time, expected.amr) = (after(7), amr);
    assert_eq!(stored(&store).await, expected);

    let checked = SessionUpdate { checked_at: Some(after(8)), ..nothing };
    assert!(store.update(&expected.id, &checked).await.unwrap());
    expected.checked_at = after(8);
    assert_eq!(stored(&store).await, expected);
}

/// A session that is over is confirmed by nothing.
pub async fn an_ended_session_takes_no_update(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    store.end(&a_session().id, EndReason::LoggedOut, after(1)).await.unwrap();
    let before = stored(&store).await;
    let update = SessionUpdate { epoch: Some((Epoch::new(5), Role::Admin)), ..SessionUpdate::default() };
    assert!(!store.update(&before.id, &update).await.unwrap());
    assert_eq!(stored(&store).await, before);
}

/// Changes of different facts at the same time all last.
pub async fn updates_touches_and_rotations_at_once_lose_nothing(store: Arc<dyn SessionStore>) {
    store.insert(&a_session()).await.unwrap();
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let id = a_session().id;
            let nothing = SessionUpdate::default();
            match number % 4 {
                0 => drop(show(&store, 1, 1).await),
                1 => {
                    let update = SessionUpdate { auth_time: Some(after(3)), ..nothing };
                    assert!(store.update(&id, &update).await.unwrap());
                }
                2 => {
                    let update = SessionUpdate { epoch: Some((Epoch::new(2), Role::Admin)), ..nothing };
                    assert!(store.update(&id, &update).await.unwrap());
                }
                _ => store.touch(&[(id, after(20 + number as u64))]).await.unwrap(),
            }
        }
    })
    .await;
    let kept = stored(&store).await;
    assert_eq!((kept.head, kept.ended), (Generation::new(2), None));
    assert_eq!((kept.auth_time, kept.epoch, kept.role), (after(3), Epoch::new(2), Role::Admin));
    assert_eq!(kept.last_seen_at, after(20 + RACERS as u64 - 1));
}

/// `last_seen_at` only grows; unknown sessions among the seen ones are passed over.
pub async fn touch_never_moves_back(store: Arc<dyn SessionStore>) {
    store.insert(&session_number(1)).await.unwrap();
    store.insert(&session_number(2)).await.unwrap();
    let late = after(50).plus(Duration::from_micros(7));
    let (one, two, unknown) = (session_id("session-1"), session_id("session-2"), session_id("unknown"));
    store.touch(&[(one.clone(), late), (unknown, after(60)), (two.clone(), after(10))]).await.unwrap();
    store.touch(&[(one.clone(), after(20)), (two.clone(), START.minus(MICRO))]).await.unwrap();
    store.touch(&[]).await.unwrap();
    for (id, number, seen) in [(one, 1, late), (two, 2, after(10))] {
        let expected = Session { last_seen_at: seen, ..session_number(number) };
        assert_eq!(store.find(&id, after(60)).await.unwrap(), Some(expected));
    }
}
