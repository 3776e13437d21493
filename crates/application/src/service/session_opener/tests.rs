use std::time::Duration;

use keystead_domain::account::User;
use keystead_domain::token::{AccessClaims, Amr, Revocation, RevocationTarget, SessionId};
use tokio::task::JoinSet;

use super::*;
use crate::ports::{Clock, EphemeralError, MockSessionStore};
use crate::revocation::Verdict;
use crate::service::{AuthorizedTokens, raise_epoch};
use crate::test_world::{World, browser, caller, down};
use crate::testing::{MockStore, MockTx, a_user, after, user_id, user_number};

/// Signs in the way every use-case does, from its commit on.
async fn sign_in(world: &World, user: &User) -> AuthorizedTokens {
    let now = world.clock.now();
    let begun = world.issuer().sign_in(user, vec![Amr::Password], &browser(), now).unwrap();
    world.session_opener().open(&begun.session, &browser(), now).await.unwrap();
    begun.tokens
}

/// A second later each.
async fn sign_in_times(world: &World, times: usize) -> Vec<AuthorizedTokens> {
    let mut all = Vec::new();
    for _ in 0..times {
        world.clock.advance(Duration::from_secs(1));
        all.push(sign_in(world, &a_user()).await);
    }
    all
}

fn at_most(max_sessions: u32) -> World {
    let mut world = World::with(a_user());
    world.configure(|settings| settings.max_sessions = max_sessions);
    world
}

/// Which of these the store, its log and this process hold for over; they agree.
async fn ended(world: &World, all: &[AuthorizedTokens]) -> Vec<usize> {
    let mut ended = Vec::new();
    for (nth, tokens) in all.iter().enumerate() {
        let claims: &AccessClaims = &tokens.claims;
        let session = world.sessions.find(&claims.session(), world.clock.now()).await.unwrap().unwrap();
        let over = session.ended.is_some();
        let seen = world.view.verdict(claims, world.clock.now()) == Verdict::Revoked;
        assert_eq!((world.is_revoked(claims).await, seen), (over, over), "{nth}");
        if over {
            ended.push(nth);
        }
    }
    ended
}

fn events(world: &World) -> Vec<(AuditEventName, Option<SessionId>)> {
    world.rows.state().audit.rows.iter().map(|row| (row.event.name, row.event.session.clone())).collect()
}

#[tokio::test]
async fn one_more_than_the_most_ends_the_oldest() {
    let world = World::with(a_user());
    let most = usize::try_from(world.settings.max_sessions).unwrap();
    let mut all = sign_in_times(&world, most).await;
    assert_eq!((ended(&world, &all).await, events(&world)), (vec![], vec![]));
    all.extend(sign_in_times(&world, 2).await);
    assert_eq!(ended(&world, &all).await, [0, 1]);
    let named = [0, 1].map(|nth: usize| (AuditEventName::SessionDisplaced, Some(all[nth].claims.session())));
    assert_eq!(events(&world), named);
    let row = world.rows.state().audit.rows[0].event.clone();
    assert_eq!(
        (row.actor, row.subject, row.detail),
        (None, Some(user_id(1)), Some("more than 20 sessions".to_owned()))
    );
    assert_eq!(row.device, browser().device, "where the newer one began");
}

#[tokio::test]
async fn the_one_seen_least_recently_ends_and_not_the_oldest() {
    let world = at_most(3);
    let mut all = sign_in_times(&world, 3).await;
    world.sessions.touch(&[(all[0].claims.session(), after(60)), (all[2].claims.session(), after(61))]).await.unwrap();
    all.extend(sign_in_times(&world, 1).await);
    assert_eq!(ended(&world, &all).await, [1]);
    all.extend(sign_in_times(&world, 1).await);
    assert_eq!(ended(&world, &all).await, [1, 3], "of the others; never the one that begins");
}

#[tokio::test]
async fn what_is_over_does_not_count() {
    let world = at_most(2);
    world.add(user_number(2));
    let mut all = sign_in_times(&world, 2).await;
    let other = [sign_in(&world, &user_number(2)).await];
    world.sessions.end(&all[1].claims.session(), EndReason::LoggedOut, world.clock.now()).await.unwrap();
    let left = all.remove(0);
    let third = sign_in_times(&world, 1).await;
    assert_eq!(ended(&world, std::slice::from_ref(&left)).await, [0; 0], "one had signed out");
    assert_eq!(ended(&world, &other).await, [0; 0], "another's");

    world.clock.advance(world.settings.lifetimes.refresh.idle);
    let fresh = sign_in_times(&world, 2).await;
    assert_eq!(ended(&world, &[left, third[0].clone(), fresh[0].clone()]).await, [0; 0], "idle ones are over already");
    assert_eq!(events(&world), []);
}

#[tokio::test]
async fn impersonations_neither_count_nor_end() {
    let world = at_most(1);
    let admin = world.sign_in(&user_number(9)).await;
    let own = sign_in_times(&world, 1).await;
    let now = world.clock.now();
    let claims = caller(&admin.claims).claims;
    let acting = world.issuer().impersonate(&a_user(), &claims, now.plus(Duration::from_mins(15)), &browser(), now);
    let acting = acting.unwrap();
    world.sessions.insert(&acting.session).await.unwrap();
    let newer = sign_in_times(&world, 1).await;
    assert_eq!(ended(&world, &[own[0].clone(), acting.tokens, newer[0].clone()]).await, [0]);
}

#[tokio::test]
async fn a_lowered_limit_is_reached_step_by_step() {
    let mut world = at_most(1000);
    let mut all = sign_in_times(&world, 60).await;
    world.configure(|settings| settings.max_sessions = 2);
    all.extend(sign_in_times(&world, 1).await);
    assert_eq!(ended(&world, &all).await, (0..END_AT_ONCE).collect::<Vec<_>>());
    all.extend(sign_in_times(&world, 1).await);
    assert_eq!(ended(&world, &all).await, (0..60).collect::<Vec<_>>(), "the two newest are left");
}

#[tokio::test]
async fn sessions_that_ended_with_everybodys_are_not_ended_again() {
    let world = at_most(1);
    let old = sign_in_times(&world, 1).await;
    let mut tx = world.store.begin().await.unwrap();
    let everybody = Revocation { target: RevocationTarget::Everybody, at: world.clock.now() };
    tx.revocations().append(&everybody).await.unwrap();
    tx.commit().await.unwrap();
    world.revoker().announce(&[everybody]).await;
    let new = sign_in_times(&world, 1).await;
    assert_eq!(ended(&world, &[old[0].clone(), new[0].clone()]).await, [0]);
    assert_eq!(events(&world), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_sign_ins_leave_the_most() {
    for _ in 0..20 {
        let world = std::sync::Arc::new(at_most(5));
        let mut tasks = JoinSet::new();
        for _ in 0..32 {
            let world = world.clone();
            tasks.spawn(async move {
                world.clock.advance(Duration::from_micros(1));
                sign_in(&world, &a_user()).await
            });
        }
        let all = tasks.join_all().await;
        let over = ended(&world, &all).await;
        assert!(all.len() - over.len() <= 5 && over.len() < all.len(), "{} of {} ended", over.len(), all.len());
        let mut named: Vec<_> = events(&world).into_iter().filter_map(|(_, session)| session).collect();
        named.sort();
        let mut ended: Vec<_> = over.into_iter().map(|nth| all[nth].claims.session()).collect();
        ended.sort();
        assert_eq!(named, ended, "each is named once");
    }
}

#[tokio::test]
async fn sessions_that_ended_with_their_owners_credentials_neither_count_nor_are_displaced() {
    let world = at_most(2);
    let old = sign_in_times(&world, 2).await;
    // The password changed while the session store was away: it lists them for good.
    let mut tx = world.store.begin().await.unwrap();
    raise_epoch(&mut *tx, user_id(1), true, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let changed = world.user(&a_user());
    let fresh = [sign_in(&world, &changed).await, sign_in(&world, &changed).await];
    assert_eq!(ended(&world, &fresh).await, [0; 0], "two may be");
    assert_eq!(events(&world), []);
    for tokens in &old {
        let session = world.sessions.find(&tokens.claims.session(), world.clock.now()).await.unwrap().unwrap();
        assert_eq!(session.ended, Some(EndReason::EpochEnded), "the store hears of it now");
    }

    // A role that changed ends no session: those of before count.
    let mut tx = world.store.begin().await.unwrap();
    raise_epoch(&mut *tx, user_id(1), false, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let promoted = sign_in(&world, &world.user(&a_user())).await;
    let listed = world.sessions.list(user_id(1), world.clock.now()).await.unwrap();
    assert!(listed.len() == 2 && listed.iter().any(|session| session.id == promoted.claims.session()));
    assert_eq!(events(&world).len(), 1);
}

#[tokio::test]
async fn ends_are_written_in_the_order_of_identifiers_whatever_was_seen_when() {
    let mut world = at_most(1000);
    let mut ids: Vec<SessionId> = sign_in_times(&world, 6).await.iter().map(|it| it.claims.session()).collect();
    ids.sort();
    // Whoever has the greatest identifier was seen least recently.
    let seen: Vec<_> = ids.iter().rev().zip(60..).map(|(id, seconds)| (id.clone(), after(seconds))).collect();
    world.sessions.touch(&seen).await.unwrap();
    world.configure(|settings| settings.max_sessions = 2);
    world.clock.set(after(120));
    sign_in(&world, &a_user()).await;
    let rows = world.rows.state().revocations.0.clone();
    let written: Vec<_> = rows.into_iter().map(|row| row.target).collect();
    let wanted: Vec<_> = ids[1..].iter().cloned().map(RevocationTarget::Session).collect();
    assert_eq!(written, wanted);
}

#[tokio::test]
async fn a_session_that_cannot_be_kept_is_a_failed_sign_in() {
    let world = at_most(1);
    sign_in_times(&world, 1).await;
    let now = world.clock.now();
    let begun = world.issuer().sign_in(&a_user(), Vec::new(), &browser(), now).unwrap();
    let mut full = MockSessionStore::new();
    full.expect_insert().times(1).returning(|_| Err(EphemeralError("away".to_owned())));
    let opener = SessionOpener { sessions: Arc::new(full), ..world.session_opener() };
    assert!(matches!(opener.open(&begun.session, &browser(), now).await, Err(Failure::Unavailable(_))));
}

#[tokio::test]
async fn a_sign_in_outlives_that_no_other_session_could_be_ended_and_the_next_one_ends_them() {
    let world = at_most(1);
    let mut all = sign_in_times(&world, 1).await;
    let now = world.clock.now();
    let begun = world.issuer().sign_in(&a_user(), Vec::new(), &browser(), now).unwrap();

    let mut unlisted = MockSessionStore::new();
    unlisted.expect_insert().times(1).returning(|_| Ok(()));
    unlisted.expect_list().times(1).returning(|_, _| Err(EphemeralError("away".to_owned())));
    let opener = SessionOpener { sessions: Arc::new(unlisted), ..world.session_opener() };
    assert_eq!(opener.open(&begun.session, &browser(), now).await, Ok(()));

    let mut tx = MockTx::new();
    tx.users.expect_get().times(1).returning(|_| Ok(Some(a_user())));
    tx.revocations.expect_everybody_ended_at().times(1).returning(|| Ok(None));
    tx.revocations.expect_append().times(1).returning(|_| Err(down()));
    let (store, outcome) = MockStore::with(tx);
    let opener = SessionOpener { store, ..world.session_opener() };
    assert_eq!(opener.open(&begun.session, &browser(), now).await, Ok(()));
    assert!(outcome.rolled_back());
    all.push(begun.tokens);
    assert_eq!(ended(&world, &all).await, [0; 0], "both go on, and nobody was told otherwise");

    all.extend(sign_in_times(&world, 1).await);
    assert_eq!(ended(&world, &all).await, [0, 1]);
}

/// A session store may be the same database, with one writer.
#[tokio::test]
async fn no_transaction_is_open_while_the_session_store_works() {
    let world = at_most(1);
    let now = world.clock.now();
    let [old, begun] = [(); 2].map(|()| world.issuer().sign_in(&a_user(), Vec::new(), &browser(), now).unwrap());
    let changed = || User { sessions_epoch: a_user().epoch.next(), ..a_user() };
    let mut tx = MockTx::new();
    tx.users.expect_get().times(1).returning(move |_| Ok(Some(changed())));
    tx.revocations.expect_everybody_ended_at().times(1).returning(|| Ok(None));
    let (store, outcome) = MockStore::with(tx);
    let mut sessions = MockSessionStore::new();
    sessions.expect_insert().times(1).returning(|_| Ok(()));
    sessions.expect_list().times(1).return_once(move |_, _| Ok(vec![old.session]));
    let looked = outcome.clone();
    sessions.expect_end().times(1).returning(move |_, _, _| {
        assert!(looked.rolled_back());
        Ok(None)
    });
    let opener = SessionOpener { store, sessions: Arc::new(sessions), ..world.session_opener() };
    assert_eq!(opener.open(&begun.session, &browser(), now).await, Ok(()));
    assert!(outcome.rolled_back());
}
