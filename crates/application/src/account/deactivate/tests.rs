use keystead_domain::factor::Enrolled;
use keystead_domain::limits;
use keystead_domain::token::AccessClaims;
use std::time::Duration;

use keystead_domain::account::Epoch;

use super::*;
use crate::ports::{MockRevocationFeed, MockSessionStore};
use crate::test_world::{Parts, World, browser, caller, down, proved};
use crate::testing::{MockStore, MockTx, START, a_user, access_claims};

fn deactivate(parts: &Parts) -> DeactivateAccount {
    let (store, sessions, clock) = (parts.store.clone(), parts.sessions.clone(), parts.clock.clone());
    DeactivateAccount::new(store, sessions, clock, parts.change_desk())
}

#[tokio::test]
async fn closing_ends_every_session_and_tells_the_owner() {
    let world = World::with(a_user());
    let (here, there) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    deactivate(&world).run(&caller(&here.claims), &browser()).await.unwrap();
    assert_eq!(world.user(&a_user()).status, AccountStatus::Deactivated);
    assert!(world.is_revoked(&here.claims).await && world.is_revoked(&there.claims).await);
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(world.notices(), ["account_deactivated"]);
    assert_eq!(world.messages()[0].to, a_user().address().unwrap());
    assert_eq!(world.events(), [AuditEventName::UserDeactivated]);
}

#[tokio::test]
async fn a_sign_in_older_than_five_minutes_is_not_enough() {
    let world = World::with(a_user());
    let claims = AccessClaims { auth_time: START, ..access_claims() };
    world.clock.set(START.plus(limits::REAUTH_WINDOW + Duration::from_micros(1)));
    let refused = deactivate(&world).run(&caller(&claims), &browser()).await;
    assert_eq!(refused, Err(DeactivateAccountError::ReauthenticationRequired));
    assert_eq!(world.user(&a_user()), a_user());
    world.clock.set(START.plus(limits::REAUTH_WINDOW));
    assert_eq!(deactivate(&world).run(&caller(&claims), &browser()).await, Ok(()));
}

#[tokio::test]
async fn who_enrolled_a_factor_must_have_proved_it() {
    let world = World::with(a_user());
    world.enroll_totp(&a_user());
    let refused = deactivate(&world).run(&caller(&access_claims()), &browser()).await;
    assert_eq!(refused, Err(DeactivateAccountError::MfaRequired));
    assert_eq!(deactivate(&world).run(&proved(&access_claims()), &browser()).await, Ok(()));
}

#[tokio::test]
async fn a_ban_is_not_turned_into_a_deactivation() {
    let banned = User { status: AccountStatus::Banned, ..a_user() };
    let world = World::with(banned.clone());
    let refused = deactivate(&world).run(&caller(&access_claims()), &browser()).await;
    assert_eq!(refused, Err(DeactivateAccountError::NotFound));
    assert_eq!(world.user(&banned), banned);
}

#[tokio::test]
async fn a_lost_commit_announces_nothing_and_ends_nothing() {
    let mut tx = MockTx::new().failing(down());
    tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    tx.factors.expect_enrolled().times(1).returning(|_| Ok(Enrolled::default()));
    tx.users.expect_update().times(1).withf(|user| !user.is_active()).returning(|_| Ok(()));
    tx.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    tx.users.expect_bump_epoch().times(1).returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    let (store, outcome) = MockStore::with(tx);
    let parts = Parts {
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(store)
    };
    let lost = deactivate(&parts).run(&caller(&access_claims()), &browser()).await;
    assert!(matches!(lost, Err(DeactivateAccountError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert!(outcome.rolled_back());
    assert_eq!(parts.view.floor(a_user().id), None);
}
