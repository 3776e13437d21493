use keystead_domain::account::{AccountStatus, Epoch, User};
use keystead_domain::factor::Enrolled;
use keystead_domain::limits;
use keystead_domain::token::{EndReason, RevocationTarget};

use super::*;
use crate::ports::{BudgetDecision, Clock, HashError, MockPasswordHasher, MockRevocationFeed, MockSessionStore};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, Parts, World, browser, caller, down, proved, secret};
use crate::testing::{
    FakeSessions, MockStore, MockTx, START, a_session, a_user, access_claims, an_srp_credential, fake_hash,
};

fn change(parts: &Parts) -> ChangePassword {
    let (store, secrets, clock) = (parts.store.clone(), parts.secrets(), parts.clock.clone());
    ChangePassword::new(store, secrets, clock, parts.continuation(), parts.login_desk())
}

fn command(claims: &AccessClaims) -> ChangePasswordCommand {
    ChangePasswordCommand {
        caller: caller(claims),
        current: Some(secret(PASSWORD)),
        new: secret(OTHER_PASSWORD).into(),
    }
}

#[tokio::test]
async fn this_session_goes_on_and_every_other_ends() {
    let world = World::with(a_user());
    let (here, there) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    let device = world.guard().device_hash("a browser");
    world.rows.prepare(|state| state.devices.0.extend([((a_user().id, device), START.plus(limits::DEVICE_LIFE))]));
    let tokens = change(&world).run(command(&here.claims), &browser()).await.unwrap();

    assert_eq!(world.password(&a_user()), OTHER_PASSWORD);
    assert_eq!(tokens.claims.session(), here.claims.session());
    assert_eq!((tokens.claims.epoch, tokens.claims.auth_time), (a_user().epoch.next(), world.clock.now()));
    assert_eq!((&tokens.refresh, &tokens.client_id), (&None, &None), "the client keeps what it has");
    assert!(!world.is_revoked(&tokens.claims).await);
    assert!(world.is_revoked(&here.claims).await && world.is_revoked(&there.claims).await);
    let living = world.sessions.list(a_user().id, world.clock.now()).await.unwrap();
    assert_eq!(living.iter().map(|session| &session.id).collect::<Vec<_>>(), [&here.claims.session()]);
    assert_eq!(living[0].epoch, a_user().epoch.next());
    assert!(world.rows.state().devices.0.is_empty(), "known devices are forgotten");
    assert_eq!(world.notices(), ["password_changed"]);
    assert_eq!(world.events(), [AuditEventName::PasswordChanged]);
}

#[tokio::test]
async fn a_wrong_password_changes_nothing_and_counts() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    let wrong = || ChangePasswordCommand { current: Some(secret("not my password")), ..command(&here.claims) };
    for _ in 0..2 {
        assert_eq!(change(&world).run(wrong(), &browser()).await, Err(ChangePasswordError::WrongPassword));
    }
    assert_eq!(world.password(&a_user()), PASSWORD);
    assert_eq!(world.user(&a_user()), a_user());
    assert_eq!(world.events(), [AuditEventName::PasswordChangeFailed; 2]);
    let again_at = START.plus(limits::PASSWORD_CHANGE.interval());
    let work = world.hashing.work();
    let limited = change(&world).run(command(&here.claims), &browser()).await;
    assert_eq!(limited, Err(ChangePasswordError::Limited { again_at }));
    assert_eq!(world.hashing.work(), work, "a limited attempt hashes nothing");
}

#[tokio::test]
async fn a_refused_new_password_costs_no_attempt_and_no_hash() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    for _ in 0..5 {
        let own = ChangePasswordCommand { new: secret("lovelace1815").into(), ..command(&here.claims) };
        let refused = change(&world).run(own, &browser()).await;
        assert_eq!(refused, Err(ChangePasswordError::Password(PasswordRefusal::OwnWords)));
    }
    assert_eq!(world.hashing.work(), 0);
    assert!(change(&world).run(command(&here.claims), &browser()).await.is_ok());
}

#[tokio::test]
async fn an_account_that_closed_cannot_change_it() {
    let world = World::with(User { status: AccountStatus::Banned, ..a_user() });
    let refused = change(&world).run(command(&access_claims()), &browser()).await;
    assert_eq!(refused, Err(ChangePasswordError::SessionOver));
}

#[tokio::test]
async fn an_account_without_a_password_gets_one_after_a_fresh_sign_in_alone() {
    let world = World::with(a_user());
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = None);
    let here = world.sign_in(&a_user()).await;
    let first = || ChangePasswordCommand { current: None, ..command(&here.claims) };
    world.clock.advance(limits::REAUTH_WINDOW + std::time::Duration::from_secs(1));
    assert_eq!(change(&world).run(first(), &browser()).await, Err(ChangePasswordError::ReauthRequired));
    world.clock.set(START);
    change(&world).run(first(), &browser()).await.unwrap();
    assert_eq!(world.password(&a_user()), OTHER_PASSWORD);
}

#[tokio::test]
async fn leaving_the_current_password_out_is_a_wrong_one() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    let none = ChangePasswordCommand { current: None, ..command(&here.claims) };
    assert_eq!(change(&world).run(none, &browser()).await, Err(ChangePasswordError::WrongPassword));
}

#[tokio::test]
async fn who_enrolled_a_factor_must_have_proved_it() {
    let world = World::with(a_user());
    world.enroll_totp(&a_user());
    let here = world.sign_in(&a_user()).await;
    assert_eq!(change(&world).run(command(&here.claims), &browser()).await, Err(ChangePasswordError::MfaRequired));
    let proved = ChangePasswordCommand { caller: proved(&here.claims), ..command(&here.claims) };
    assert!(change(&world).run(proved, &browser()).await.is_ok());
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_gets_no_token() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    world.sessions.end(&here.claims.session(), EndReason::LoggedOut, world.clock.now()).await.unwrap();
    let over = change(&world).run(command(&here.claims), &browser()).await;
    assert_eq!(over, Err(ChangePasswordError::SessionOver));
}

/// A ban, or an end of all sessions, while hashes are computed, of which the session store has not heard yet.
#[tokio::test]
async fn what_ended_the_session_meanwhile_is_not_outlived() {
    let (ended, next) = (a_user(), a_user().epoch.next());
    let ended = User { epoch: next, sessions_epoch: next, ..ended };
    for meanwhile in [User { status: AccountStatus::Banned, ..ended.clone() }, ended] {
        let world = World::with(a_user());
        let here = world.sign_in(&a_user()).await;
        let (rows, after) = (world.rows.clone(), meanwhile.clone());
        let mut hasher = MockPasswordHasher::new();
        hasher.expect_verify().times(1).returning(|_, _| Ok(true));
        hasher.expect_hash().times(1).return_once(move |_| {
            rows.prepare(|state| state.users.0.get_mut(&after.id).unwrap().user = after.clone());
            Ok(fake_hash(OTHER_PASSWORD))
        });
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let secrets = Secrets::new(Arc::new(hasher), world.vault.clone());
        let change = ChangePassword::new(store, secrets, clock, world.continuation(), world.login_desk());
        let over = change.run(command(&here.claims), &browser()).await;
        assert_eq!(over, Err(ChangePasswordError::SessionOver));
        assert_eq!((world.user(&meanwhile), world.password(&meanwhile)), (meanwhile, PASSWORD.to_owned()));
        let session = world.sessions.find(&here.claims.session(), world.clock.now()).await.unwrap().unwrap();
        assert_eq!(session.epoch, a_user().epoch, "no session is carried into an epoch it must not see");
    }
}

/// A look at Ada and her password, and a counted attempt.
fn looked_up_and_counted() -> [MockTx; 2] {
    let mut looking = MockTx::new();
    looking.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    looking.factors.expect_enrolled().times(1).returning(|_| Ok(Enrolled::default()));
    looking.users.expect_password().times(1).return_once(|_| Ok(Some(fake_hash(PASSWORD))));
    let mut counting = MockTx::new();
    let reserved = BudgetDecision::Reserved { count: 1 };
    counting.guess_budgets.expect_reserve().times(1).returning(move |_, _, _| Ok(reserved));
    [looking, counting]
}

/// Everything a change writes, in one transaction.
fn replacing() -> MockTx {
    let mut tx = MockTx::new();
    tx.users.expect_password().times(1).returning(|_| Ok(Some(fake_hash(PASSWORD))));
    tx.srp.expect_delete().times(1).returning(|_| Ok(false));
    tx.users
        .expect_set_password()
        .times(1)
        .withf(|_, new, _| *new == fake_hash(OTHER_PASSWORD))
        .returning(|_, _, _| Ok(()));
    tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    tx.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    tx.users.expect_bump_epoch().times(1).returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx
}

#[tokio::test]
async fn hashing_holds_no_transaction_and_the_end_is_announced_after_the_commit() {
    let ([looking, counting], replacing) = (looked_up_and_counted(), replacing());
    let (counted, replaced, announced) = (counting.outcome(), replacing.outcome(), replacing.outcome());
    let mut hasher = MockPasswordHasher::new();
    let before = replaced.clone();
    hasher.expect_verify().times(1).return_once(move |_, _| {
        assert!(counted.committed(), "the attempt counts before it is compared");
        Ok(true)
    });
    hasher.expect_hash().times(1).return_once(move |_| {
        assert!(before.unused());
        Ok(fake_hash(OTHER_PASSWORD))
    });
    let mut feed = MockRevocationFeed::new();
    feed.expect_publish().times(1).return_once(move |revocations| {
        assert!(announced.committed());
        assert!(matches!(revocations[0].target, RevocationTarget::User { .. }));
        Ok(())
    });
    let parts = Parts {
        hasher: Arc::new(hasher),
        feed: Arc::new(feed),
        sessions: Arc::new(FakeSessions::with([a_session()])),
        ..Parts::on(MockStore::with_all([looking, counting, replacing]))
    };
    change(&parts).run(command(&access_claims()), &browser()).await.unwrap();
    assert!(replaced.committed());
}

#[tokio::test]
async fn of_parallel_changes_the_second_finds_another_hash_and_writes_nothing() {
    let [looking, counting] = looked_up_and_counted();
    let mut replacing = MockTx::new();
    replacing.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    replacing.users.expect_password().times(1).returning(|_| Ok(Some(fake_hash(OTHER_PASSWORD))));
    let outcome = replacing.outcome();
    let parts = Parts::on(MockStore::with_all([looking, counting, replacing]));
    let lost = change(&parts).run(command(&access_claims()), &browser()).await;
    assert_eq!(lost, Err(ChangePasswordError::WrongPassword));
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_lost_commit_announces_nothing_and_touches_no_session() {
    let [looking, counting] = looked_up_and_counted();
    let parts = Parts {
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([looking, counting, replacing().failing(down())]))
    };
    let lost = change(&parts).run(command(&access_claims()), &browser()).await;
    assert!(matches!(lost, Err(ChangePasswordError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert_eq!(parts.view.floor(a_user().id), None);
}

#[tokio::test]
async fn a_busy_hasher_changes_nothing() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    let retry_after = std::time::Duration::from_secs(1);
    world.hashing.set_busy(Some(retry_after));
    for _ in 0..10 {
        let busy = change(&world).run(command(&here.claims), &browser()).await;
        assert_eq!(busy, Err(ChangePasswordError::from(HashError::Busy { retry_after })), "never an attempt spent");
    }
    assert_eq!(world.password(&a_user()), PASSWORD);
}

#[tokio::test]
async fn what_takes_the_place_of_a_secret_takes_that_of_both_kinds() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await;
    let new = NewSecret::Srp(Box::new(an_srp_credential()));
    let to_srp = ChangePasswordCommand { new, ..command(&here.claims) };
    let tokens = change(&world).run(to_srp, &browser()).await.unwrap();
    let state = world.rows.state();
    assert_eq!((world.password(&a_user()), state.srp.0.len()), (String::new(), 1));
    assert!(world.events().contains(&AuditEventName::SrpVerifierSet), "the log names the kind");

    // Now the account has no password to show: a fresh sign-in is the proof.
    let back = ChangePasswordCommand { current: None, ..command(&tokens.claims) };
    change(&world).run(back, &browser()).await.unwrap();
    assert_eq!((world.password(&a_user()), world.rows.state().srp.0.len()), (OTHER_PASSWORD.to_owned(), 0));
}
