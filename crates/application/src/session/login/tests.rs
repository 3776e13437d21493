use std::time::Duration;

use keystead_domain::account::{AccountStatus, Role};

use keystead_domain::factor::Enrolled;
use keystead_domain::limits;

use super::*;
use crate::captcha::CaptchaDesk;
use crate::ports::{
    BudgetDecision, CaptchaError, HashError, MockCaptchaVerifier, MockPasswordHasher, MockSessionStore,
};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, Parts, World, browser, down, secret};
use crate::testing::{FakeHasher, MockStore, MockTx, START, a_user, fake_hash, user_number};

fn login(parts: &Parts) -> Login {
    let (store, hasher, clock) = (parts.store.clone(), parts.hasher.clone(), parts.clock.clone());
    Login::new(store, hasher, clock, parts.sign_in_desk())
}

fn as_ada(password: &str) -> LoginCommand {
    LoginCommand { identity: "ada".into(), password: secret(password), device: None, captcha: None }
}

/// A look-up with this result, and a counted guess.
fn counting(account: Option<(User, Option<PasswordHash>)>) -> MockTx {
    let mut tx = MockTx::new();
    tx.users.expect_find_by_login_name().times(1).return_once(|_| Ok(account));
    tx.guess_budgets.expect_reserve().times(1).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    tx
}

/// What a refusal writes.
fn refusing() -> MockTx {
    let mut tx = MockTx::new();
    tx.audit.expect_append().times(1).withf(|event| event.name == AuditEventName::LoginFailed).returning(|_| Ok(()));
    tx
}

/// Everything a login from a new device writes, in one transaction.
fn signing_in(account: Option<(User, Option<PasswordHash>)>) -> MockTx {
    let mut tx = MockTx::new();
    tx.users.expect_find_by_login_name().times(1).return_once(|_| Ok(account));
    tx.factors.expect_enrolled().times(..=1).returning(|_| Ok(Enrolled::default()));
    tx.guess_budgets.expect_release().times(1).returning(|_, _| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.devices.expect_remember().times(1).returning(|_, _, _, _| Ok(()));
    tx.login_history.expect_append().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx
}

fn ada() -> (User, Option<PasswordHash>) {
    (a_user(), Some(fake_hash(PASSWORD)))
}

#[tokio::test]
async fn the_right_password_makes_a_session_and_tells_the_owner_of_a_new_device() {
    let world = World::with(a_user());
    let tokens = login(&world).run(as_ada(PASSWORD), &browser()).await.unwrap().authorized().unwrap();
    assert_eq!((tokens.claims.subject, &tokens.claims.amr), (a_user().id, &vec![Amr::Password]));
    let session = world.sessions.find(&tokens.claims.session(), START).await.unwrap().unwrap();
    assert_eq!((session.user_id, session.epoch), (a_user().id, a_user().epoch));
    assert_eq!(world.notices(), ["new_device"]);
    assert_eq!(world.events(), [AuditEventName::LoginSucceeded]);
    assert_eq!(world.rows.state().login_history.0[0].token_id, tokens.claims.token_id);
    assert_eq!(world.hashing.work(), 1);
}

#[tokio::test]
async fn every_alias_of_an_account_signs_in() {
    let world = World::with(a_user());
    for identity in ["ada", "ADA", "ada@example.com", " Ada@Example.COM "] {
        let command = LoginCommand { identity: identity.into(), ..as_ada(PASSWORD) };
        assert!(login(&world).run(command, &browser()).await.is_ok(), "{identity:?}");
    }
}

#[tokio::test]
async fn unknown_passwordless_and_wrong_cost_the_same_calls_and_one_hash_each() {
    for (account, dummies) in [(None, 1), (Some((a_user(), None)), 1), (Some(ada()), 0)] {
        let (counting, refusing) = (counting(account), refusing());
        let (counted, refused) = (counting.outcome(), refusing.outcome());
        let hasher = Arc::new(FakeHasher::new());
        let parts = Parts { hasher: hasher.clone(), ..Parts::on(MockStore::with_all([counting, refusing])) };
        let answer = login(&parts).run(as_ada("a wrong password"), &browser()).await;
        assert_eq!(answer, Err(LoginError::InvalidCredentials));
        assert!(counted.committed() && refused.committed());
        assert_eq!((hasher.work(), hasher.dummies()), (1, dummies));
    }
}

#[tokio::test]
async fn the_guess_is_committed_before_the_comparison_and_given_back_only_on_success() {
    for right in [false, true] {
        let (counting, second) = (counting(Some(ada())), if right { signing_in(Some(ada())) } else { refusing() });
        let (counted, next) = (counting.outcome(), second.outcome());
        let mut hasher = MockPasswordHasher::new();
        hasher.expect_verify().times(1).return_once(move |_, _| {
            assert!(counted.committed() && next.unused(), "no transaction is open across a hash");
            Ok(right)
        });
        hasher.expect_needs_rehash().returning(|_| false);
        // `refusing` has no expectation for `release`, `signing_in` exactly one.
        let parts = Parts { hasher: Arc::new(hasher), ..Parts::on(MockStore::with_all([counting, second])) };
        assert_eq!(login(&parts).run(as_ada(PASSWORD), &browser()).await.is_ok(), right);
    }
}

#[tokio::test]
async fn a_closed_account_is_told_only_to_who_knows_the_password() {
    for status in [AccountStatus::Banned, AccountStatus::Deactivated] {
        let world = World::with(User { status, ..a_user() });
        let wrong = login(&world).run(as_ada("a wrong password"), &browser()).await;
        assert_eq!(wrong, Err(LoginError::InvalidCredentials));
        let right = login(&world).run(as_ada(PASSWORD), &browser()).await;
        assert_eq!(right, Err(LoginError::AccountInactive));
        assert_eq!(world.events(), [AuditEventName::LoginFailed, AuditEventName::LoginRefused]);
        assert!(world.sessions.list(a_user().id, START).await.unwrap().is_empty());
        assert!(world.messages().is_empty());
    }
}

#[tokio::test]
async fn guesses_are_limited_per_account_across_its_aliases_and_for_names_nobody_has() {
    let world = World::with(a_user());
    world.add(user_number(2));
    for guess in 0..10 {
        let identity = if guess % 2 == 0 { "ada" } else { "ada@example.com" };
        for identity in [identity, "nobody"] {
            let wrong = LoginCommand { identity: identity.into(), ..as_ada("a wrong password") };
            assert_eq!(login(&world).run(wrong, &browser()).await, Err(LoginError::InvalidCredentials));
        }
    }
    let work = world.hashing.work();
    let limited = Err(LoginError::Limited { again_at: START.plus(limits::LOGIN_ACCOUNT.interval()) });
    assert_eq!(login(&world).run(as_ada(PASSWORD), &browser()).await, limited, "the right password too");
    let nobody = LoginCommand { identity: "nobody".into(), ..as_ada(PASSWORD) };
    assert_eq!(login(&world).run(nobody, &browser()).await, limited);
    assert_eq!(world.hashing.work(), work, "a limited attempt hashes nothing");
    let other = LoginCommand { identity: "user2@example.com".into(), ..as_ada(PASSWORD) };
    assert!(login(&world).run(other, &browser()).await.is_ok());
    world.clock.advance(limits::LOGIN_ACCOUNT.window);
    assert!(login(&world).run(as_ada(PASSWORD), &browser()).await.is_ok());
}

#[tokio::test]
async fn right_passwords_never_fill_the_budget() {
    let world = World::with(a_user());
    for _ in 0..15 {
        assert!(login(&world).run(as_ada(PASSWORD), &browser()).await.is_ok());
    }
}

#[tokio::test]
async fn a_known_device_has_a_budget_of_its_own_and_gets_no_mail() {
    let world = World::with(a_user());
    let device = login(&world).run(as_ada(PASSWORD), &browser()).await.unwrap().authorized().unwrap().device;
    for _ in 0..11 {
        let _ = login(&world).run(as_ada("a wrong password"), &browser()).await;
    }
    let known = |password: &str| LoginCommand { device: device.clone(), ..as_ada(password) };
    let mails = world.messages().len();
    let tokens = login(&world).run(known(PASSWORD), &browser()).await.unwrap().authorized().unwrap();
    assert_eq!(tokens.device, device, "the device keeps its token");
    assert_eq!(world.messages().len(), mails);
    for _ in 0..10 {
        let wrong = login(&world).run(known("a wrong password"), &browser()).await;
        assert_eq!(wrong, Err(LoginError::InvalidCredentials));
    }
    let limited = login(&world).run(known(PASSWORD), &browser()).await;
    assert!(matches!(limited, Err(LoginError::Limited { .. })), "{limited:?}");
}

#[tokio::test]
async fn a_device_is_known_to_its_own_account_only_and_for_its_time() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let device = login(&world).run(as_ada(PASSWORD), &browser()).await.unwrap().authorized().unwrap().device;
    let other = LoginCommand { identity: "user2@example.com".into(), device: device.clone(), ..as_ada(PASSWORD) };
    let tokens = login(&world).run(other, &browser()).await.unwrap().authorized().unwrap();
    assert_ne!(tokens.device, device);
    world.clock.advance(limits::DEVICE_LIFE);
    let late =
        login(&world).run(LoginCommand { device: device.clone(), ..as_ada(PASSWORD) }, &browser()).await.unwrap();
    assert_ne!(late.authorized().unwrap().device, device);
    assert_eq!(world.notices(), ["new_device"; 3]);
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_made_again() {
    let world = World::with(a_user());
    let old = PasswordHash::new(format!("{}{PASSWORD}", FakeHasher::OLD_PREFIX));
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = Some(old.clone()));
    assert!(login(&world).run(as_ada("a wrong password"), &browser()).await.is_err());
    assert_eq!(world.hashing.hashes(), 0, "a wrong password upgrades nothing");
    login(&world).run(as_ada(PASSWORD), &browser()).await.unwrap();
    assert_eq!(world.rows.state().users.0[&a_user().id].password, Some(fake_hash(PASSWORD)));
    assert_eq!(world.user(&a_user()).epoch, a_user().epoch, "nothing ends by it");
    login(&world).run(as_ada(PASSWORD), &browser()).await.unwrap();
    assert_eq!(world.hashing.hashes(), 1);
}

#[tokio::test]
async fn a_password_changed_while_hashing_is_refused_and_nothing_is_written() {
    let mut second = MockTx::new();
    let changed = Some((a_user(), Some(fake_hash(OTHER_PASSWORD))));
    second.users.expect_find_by_login_name().times(1).return_once(|_| Ok(changed));
    let outcome = second.outcome();
    let parts = Parts {
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([counting(Some(ada())), second]))
    };
    let refused = login(&parts).run(as_ada(PASSWORD), &browser()).await;
    assert_eq!(refused, Err(LoginError::InvalidCredentials));
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_ban_while_hashing_is_seen() {
    let mut second = MockTx::new();
    let banned = User { status: AccountStatus::Banned, ..a_user() };
    second.users.expect_find_by_login_name().return_once(|_| Ok(Some((banned, Some(fake_hash(PASSWORD))))));
    second.guess_budgets.expect_release().times(1).returning(|_, _| Ok(()));
    second.audit.expect_append().times(1).returning(|_| Ok(()));
    let parts = Parts {
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([counting(Some(ada())), second]))
    };
    assert_eq!(login(&parts).run(as_ada(PASSWORD), &browser()).await, Err(LoginError::AccountInactive));
}

#[tokio::test]
async fn the_session_carries_what_the_account_is_at_the_second_look() {
    let promoted = User { role: Role::Admin, epoch: a_user().epoch.next(), ..a_user() };
    let second = signing_in(Some((promoted, Some(fake_hash(PASSWORD)))));
    let parts = Parts::on(MockStore::with_all([counting(Some(ada())), second]));
    let tokens = login(&parts).run(as_ada(PASSWORD), &browser()).await.unwrap().authorized().unwrap();
    assert_eq!((tokens.claims.role, tokens.claims.epoch), (Role::Admin, a_user().epoch.next()));
}

#[tokio::test]
async fn a_lost_commit_makes_no_session() {
    let second = signing_in(Some(ada())).failing(down());
    let parts = Parts {
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([counting(Some(ada())), second]))
    };
    let lost = login(&parts).run(as_ada(PASSWORD), &browser()).await;
    assert!(matches!(lost, Err(LoginError::Failure(Failure::Unavailable(_)))), "{lost:?}");
}

#[tokio::test]
async fn busy_is_the_same_for_known_and_unknown_and_says_when() {
    let retry_after = Duration::from_secs(2);
    for account in [Some(ada()), None] {
        let hasher = Arc::new(FakeHasher::new());
        hasher.set_busy(Some(retry_after));
        let mut giving_back = MockTx::new();
        giving_back.guess_budgets.expect_release().once().returning(|_, _| Ok(()));
        let given_back = giving_back.outcome();
        let parts = Parts { hasher, ..Parts::on(MockStore::with_all([counting(account), giving_back])) };
        let busy = login(&parts).run(as_ada(PASSWORD), &browser()).await;
        assert_eq!(busy, Err(LoginError::from(HashError::Busy { retry_after })));
        assert!(given_back.committed(), "a guess that was never compared does not count");
    }
}

#[tokio::test]
async fn a_password_no_account_can_have_is_refused_before_any_work() {
    let refused = login(&Parts::default()).run(as_ada(&"x".repeat(2000)), &browser()).await;
    assert_eq!(refused, Err(LoginError::InvalidCredentials));
}

#[tokio::test]
async fn a_spent_budget_is_recorded_with_the_guess_that_spends_it() {
    let world = World::with(a_user());
    let policy = world.settings.limits.login;
    for _ in 0..policy.limit + 3 {
        login(&world).run(as_ada("not the password"), &browser()).await.unwrap_err();
    }
    let spent = world.events().into_iter().filter(|event| *event == AuditEventName::LoginLimited).count();
    assert_eq!(spent, 1);
}

/// A login behind a captcha that takes this answer for right, and finds no provider without one.
fn guarded(world: &World, right: Option<&'static str>) -> Login {
    let mut verifier = MockCaptchaVerifier::new();
    verifier.expect_verify().returning(move |action, solution, _| match right {
        Some(right) if right == solution.expose() && action == CaptchaAction::Login => Ok(()),
        Some(_) => Err(CaptchaError::Refused),
        None => Err(CaptchaError::Unavailable("down".into())),
    });
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let desk = CaptchaDesk { store, ceremonies: world.ceremonies.clone(), hash: world.hash.clone(), clock };
    let gate = CaptchaGate::new(Some(Arc::new(verifier)), vec![CaptchaAction::Login], desk);
    login(world).with_captcha(Arc::new(gate))
}

async fn spend(world: &World, login: &Login, identity: &str) {
    for _ in 0..world.settings.limits.login.limit {
        let wrong = LoginCommand { identity: identity.into(), ..as_ada("a wrong password") };
        assert_eq!(login.run(wrong, &browser()).await, Err(LoginError::InvalidCredentials));
    }
}

#[tokio::test]
async fn beyond_the_budget_a_right_captcha_buys_guesses_until_a_second_one_is_spent() {
    let world = World::with(a_user());
    let login = guarded(&world, Some("right"));
    let shown = |identity: &str, captcha: Option<&str>, password| LoginCommand {
        identity: identity.into(),
        captcha: captcha.map(secret),
        ..as_ada(password)
    };
    for identity in ["ada", "nobody"] {
        spend(&world, &login, identity).await;
        let work = world.hashing.work();
        for (captcha, refusal) in [(None, CaptchaRefusal::Required), (Some("wrong"), CaptchaRefusal::Invalid)] {
            let refused = login.run(shown(identity, captcha, PASSWORD), &browser()).await;
            assert_eq!(refused, Err(LoginError::Captcha(refusal)));
        }
        assert_eq!(world.hashing.work(), work, "nothing is hashed without a captcha");
        for _ in 0..limits::LOGIN_CAPTCHA.limit - 1 {
            let wrong = login.run(shown(identity, Some("right"), "a wrong password"), &browser()).await;
            assert_eq!(wrong, Err(LoginError::InvalidCredentials));
        }
    }
    assert!(login.run(shown("ada", Some("right"), PASSWORD), &browser()).await.is_ok(), "the owner gets in");
    let last = login.run(shown("ada@example.com", Some("right"), "a wrong password"), &browser()).await;
    assert_eq!(last, Err(LoginError::InvalidCredentials), "the right guess did not count");
    for captcha in [None, Some("right")] {
        let limited = login.run(shown("ada", captcha, PASSWORD), &browser()).await;
        assert_eq!(limited, Err(LoginError::Limited { again_at: START.plus(limits::LOGIN_CAPTCHA.interval()) }));
    }
    world.clock.advance(limits::LOGIN_ACCOUNT.window);
    assert!(login.run(as_ada(PASSWORD), &browser()).await.is_ok(), "no captcha is asked for once the budget is free");
}

#[tokio::test]
async fn a_known_device_signs_in_while_nobody_checks_captchas() {
    let world = World::with(a_user());
    let login = guarded(&world, None);
    let device = login.run(as_ada(PASSWORD), &browser()).await.unwrap().authorized().unwrap().device;
    spend(&world, &login, "ada").await;
    let shown = LoginCommand { captcha: Some(secret("any")), ..as_ada(PASSWORD) };
    let unknown = login.run(shown, &browser()).await;
    assert_eq!(unknown, Err(LoginError::Captcha(CaptchaRefusal::Unavailable("down".into()))));
    assert!(login.run(LoginCommand { device, ..as_ada(PASSWORD) }, &browser()).await.is_ok());
}

#[tokio::test]
async fn no_transaction_is_open_while_a_captcha_is_checked() {
    let mut first = MockTx::new();
    first.users.expect_find_by_login_name().return_once(|_| Ok(None));
    let spent = BudgetDecision::Exhausted { again_at: START };
    first.guess_budgets.expect_reserve().times(1).return_once(move |_, _, _| Ok(spent));
    first.guess_budgets.expect_reserve().times(1).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    first.guess_budgets.expect_release().times(1).returning(|_, _| Ok(()));
    let outcome = first.outcome();
    let mut verifier = MockCaptchaVerifier::new();
    verifier.expect_verify().times(1).return_once(move |_, _, _| {
        assert!(outcome.rolled_back());
        Err(CaptchaError::Unavailable("down".into()))
    });
    let parts = Parts::on(MockStore::with_all([first]));
    let (store, clock) = (parts.store.clone(), parts.clock.clone());
    let desk = CaptchaDesk { store, ceremonies: parts.ceremonies.clone(), hash: parts.hash.clone(), clock };
    let gate = CaptchaGate::new(Some(Arc::new(verifier)), vec![CaptchaAction::Login], desk);
    let command = LoginCommand { captcha: Some(secret("any")), ..as_ada(PASSWORD) };
    let refused = login(&parts).with_captcha(Arc::new(gate)).run(command, &browser()).await;
    assert!(matches!(refused, Err(LoginError::Captcha(CaptchaRefusal::Unavailable(_)))), "{refused:?}");
}
