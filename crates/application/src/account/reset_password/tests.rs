use keystead_domain::factor::Enrolled;
use std::time::Duration;

use keystead_domain::account::{AccountStatus, Epoch};
use keystead_domain::token::RevocationTarget;

use super::*;
use crate::account::ForgotPassword;
use crate::ports::{MockPasswordHasher, MockRevocationFeed, MockSessionStore};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, Parts, World, browser, down, secret};
use crate::testing::{MockStore, MockTx, START, a_link_token, a_user, fake_hash, pre_authorized_claims};

fn begin(parts: &Parts) -> BeginReset {
    BeginReset::new(parts.store.clone(), parts.clock.clone(), parts.sign_in_desk())
}

fn reset(parts: &Parts) -> ResetPassword {
    let (store, sessions, secrets) = (parts.store.clone(), parts.sessions.clone(), parts.secrets());
    ResetPassword::new(store, sessions, secrets, parts.clock.clone(), parts.revoker(), parts.login_desk())
}

/// Asks for a link and returns its secret.
async fn asked(world: &World) -> String {
    let forgot = ForgotPassword::new(world.store.clone(), world.clock.clone(), world.issuer(), world.login_desk());
    forgot.run("ada", None, &browser()).await.unwrap();
    world.mailed_token()
}

#[tokio::test]
async fn a_reset_replaces_the_password_ends_everything_and_tells_the_owner() {
    let world = World::with(a_user());
    let signed_in = world.sign_in(&a_user()).await;
    let link = asked(&world).await;
    let grant = begin(&world).run(&link, &browser()).await.unwrap();
    assert_eq!(grant.claims.purpose, PreAuthorizedPurpose::Reset);
    assert_eq!(grant.claims.otp, None);
    reset(&world).run(&grant.claims, secret(OTHER_PASSWORD).into(), &browser()).await.unwrap();

    assert_eq!(world.password(&a_user()), OTHER_PASSWORD);
    let user = world.user(&a_user());
    assert_eq!((user.epoch, user.sessions_epoch), (a_user().epoch.next(), a_user().epoch.next()));
    assert!(world.is_revoked(&signed_in.claims).await);
    assert_eq!(world.view.floor(user.id).map(|floor| floor.epoch), Some(user.epoch), "this process knows at once");
    let now = crate::ports::Clock::now(&*world.clock);
    let session = world.sessions.find(&signed_in.claims.session(), now).await.unwrap().unwrap();
    assert_eq!(session.ended, Some(EndReason::EpochEnded));
    assert_eq!(world.notices().last(), Some(&"password_reset"));
    let again = reset(&world).run(&grant.claims, secret(PASSWORD).into(), &browser()).await;
    assert_eq!(again, Err(ResetPasswordError::LinkInvalid), "a grant works once");
}

#[tokio::test]
async fn a_link_works_once_and_only_the_newest_does() {
    let world = World::with(a_user());
    let old = asked(&world).await;
    let new = asked(&world).await;
    assert_eq!(begin(&world).run(&old, &browser()).await, Err(BeginResetError::LinkInvalid));
    assert!(begin(&world).run(&new, &browser()).await.is_ok());
    assert_eq!(begin(&world).run(&new, &browser()).await, Err(BeginResetError::LinkInvalid));
    assert_eq!(begin(&world).run("never ours", &browser()).await, Err(BeginResetError::LinkInvalid));
}

#[tokio::test]
async fn a_link_and_its_grant_die_with_their_time() {
    let world = World::with(a_user());
    let link = asked(&world).await;
    world.clock.advance(limits::RESET_LINK_LIFE);
    assert_eq!(begin(&world).run(&link, &browser()).await, Err(BeginResetError::LinkInvalid));

    let world = World::with(a_user());
    let link = asked(&world).await;
    world.clock.set(START.plus(limits::RESET_LINK_LIFE).minus(Duration::from_secs(1)));
    let grant = begin(&world).run(&link, &browser()).await.unwrap();
    world.clock.advance(limits::RESET_GRANT_LIFE);
    let late = reset(&world).run(&grant.claims, secret(OTHER_PASSWORD).into(), &browser()).await;
    assert_eq!(late, Err(ResetPasswordError::LinkInvalid));
    assert_eq!(world.password(&a_user()), PASSWORD);
}

#[tokio::test]
async fn a_refused_password_consumes_nothing() {
    let world = World::with(a_user());
    let grant = begin(&world).run(&asked(&world).await, &browser()).await.unwrap();
    let before = world.hashing.work();
    for (text, refusal) in [
        ("short", PasswordRefusal::TooShort { min: 8 }),
        ("password123", PasswordRefusal::Common),
        ("Ada Lovelace 1815", PasswordRefusal::OwnWords),
    ] {
        let refused = reset(&world).run(&grant.claims, secret(text).into(), &browser()).await;
        assert_eq!(refused, Err(ResetPasswordError::Password(refusal)));
    }
    assert_eq!(world.hashing.work(), before);
    assert_eq!(reset(&world).run(&grant.claims, secret(OTHER_PASSWORD).into(), &browser()).await, Ok(()));
}

#[tokio::test]
async fn credentials_that_changed_meanwhile_or_a_closed_account_end_the_link_and_the_grant() {
    type Change = fn(&mut User);
    let changes: [Change; 2] = [|user| user.epoch = user.epoch.next(), |user| user.status = AccountStatus::Banned];
    for change in changes {
        let world = World::with(a_user());
        let link = asked(&world).await;
        let alter = || world.rows.prepare(|state| change(&mut state.users.0.get_mut(&a_user().id).unwrap().user));
        alter();
        assert_eq!(begin(&world).run(&link, &browser()).await, Err(BeginResetError::LinkInvalid));

        let world = World::with(a_user());
        let grant = begin(&world).run(&asked(&world).await, &browser()).await.unwrap();
        world.rows.prepare(|state| change(&mut state.users.0.get_mut(&a_user().id).unwrap().user));
        let refused = reset(&world).run(&grant.claims, secret(OTHER_PASSWORD).into(), &browser()).await;
        assert_eq!(refused, Err(ResetPasswordError::LinkInvalid));
        assert_eq!(world.password(&a_user()), PASSWORD);
    }
}

/// A look at Ada's grant.
fn looking() -> MockTx {
    let mut tx = MockTx::new();
    tx.link_tokens.expect_find_begun().times(1).return_once(|_, _| Ok(Some(a_link_token())));
    tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
    tx.factors.expect_enrolled().times(1).returning(|_| Ok(Enrolled::default()));
    tx
}

/// Everything a reset writes, in one transaction.
fn replacing() -> MockTx {
    let mut tx = MockTx::new();
    tx.link_tokens.expect_consume_begun().times(1).return_once(|_, _| Ok(Some(a_link_token())));
    tx.users.expect_get().return_once(|_| Ok(Some(a_user())));
    tx.factors.expect_enrolled().times(1).returning(|_| Ok(Enrolled::default()));
    tx.srp.expect_delete().times(1).returning(|_| Ok(true));
    tx.users.expect_set_password().times(1).returning(|_, _, _| Ok(()));
    tx.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    tx.users
        .expect_bump_epoch()
        .times(1)
        .withf(|_, end_sessions, _| *end_sessions)
        .returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx
}

#[tokio::test]
async fn the_hash_is_made_between_the_transactions_and_the_end_is_announced_after_the_commit() {
    let (looking, replacing) = (looking(), replacing());
    let (looked, replaced) = (looking.outcome(), replacing.outcome());
    let mut hasher = MockPasswordHasher::new();
    let after_the_commit = replaced.clone();
    hasher.expect_hash().times(1).return_once(move |_| {
        assert!(looked.read() && looked.rolled_back() && replaced.unused());
        Ok(fake_hash(OTHER_PASSWORD))
    });
    let mut feed = MockRevocationFeed::new();
    feed.expect_publish().times(1).return_once(move |revocations| {
        assert!(after_the_commit.committed());
        assert!(matches!(revocations[0].target, RevocationTarget::User { .. }));
        Ok(())
    });
    let parts = Parts {
        hasher: Arc::new(hasher),
        feed: Arc::new(feed),
        ..Parts::on(MockStore::with_all([looking, replacing]))
    };
    let claims = PreAuthorizedClaims { purpose: PreAuthorizedPurpose::Reset, ..pre_authorized_claims() };
    reset(&parts).run(&claims, secret(OTHER_PASSWORD).into(), &browser()).await.unwrap();
}

#[tokio::test]
async fn a_lost_commit_announces_nothing_and_ends_nothing() {
    let replacing = replacing().failing(down());
    let parts = Parts {
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([looking(), replacing]))
    };
    let lost = reset(&parts).run(&pre_authorized_claims(), secret(OTHER_PASSWORD).into(), &browser()).await;
    assert!(matches!(lost, Err(ResetPasswordError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert_eq!(parts.view.floor(a_user().id), None);
}
