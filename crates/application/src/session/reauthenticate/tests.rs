use std::time::Duration;

use keystead_domain::limits;
use keystead_domain::token::EndReason;

use super::*;
use crate::ports::{BudgetDecision, MockPasswordHasher, MockSessionStore};
use crate::test_world::{PASSWORD, Parts, World, browser, down, secret};
use crate::testing::{MockStore, MockTx, START, a_user, access_claims, fake_hash};

fn reauthenticate(parts: &Parts) -> Reauthenticate {
    let (store, sessions, clock) = (parts.store.clone(), parts.sessions.clone(), parts.clock.clone());
    let (hasher, passkeys, exchange) = (parts.hasher.clone(), parts.passkeys(), parts.srp_exchange());
    let tools = ReauthenticationTools { hasher, passkeys, exchange };
    Reauthenticate::new(store, sessions, clock, parts.issuer(), tools, parts.login_desk())
}

#[tokio::test]
async fn the_session_goes_on_with_a_new_auth_time() {
    let world = World::with(a_user());
    let before = world.sign_in(&a_user()).await;
    world.clock.advance(Duration::from_secs(600));
    let tokens = reauthenticate(&world).run(&before.claims, &secret(PASSWORD), &browser()).await.unwrap();
    assert_eq!(tokens.claims.auth_time, world.clock.now());
    assert_eq!(tokens.claims.session(), before.claims.session());
    assert_eq!(tokens.refresh, None);
    let session = world.sessions.find(&before.claims.session(), world.clock.now()).await.unwrap().unwrap();
    assert_eq!(session.auth_time, world.clock.now(), "the next refresh keeps it");
    assert_eq!(world.events(), [AuditEventName::Reauthenticated]);
}

#[tokio::test]
async fn wrong_passwords_are_limited_and_right_ones_are_not() {
    let world = World::with(a_user());
    let claims = world.sign_in(&a_user()).await.claims;
    for _ in 0..12 {
        assert!(reauthenticate(&world).run(&claims, &secret(PASSWORD), &browser()).await.is_ok());
    }
    for _ in 0..10 {
        let wrong = reauthenticate(&world).run(&claims, &secret("a wrong password"), &browser()).await;
        assert_eq!(wrong, Err(ReauthenticateError::WrongPassword));
    }
    let work = world.hashing.work();
    let again_at = START.plus(limits::REAUTH.interval());
    let limited = reauthenticate(&world).run(&claims, &secret(PASSWORD), &browser()).await;
    assert_eq!(limited, Err(ReauthenticateError::Limited { again_at }));
    assert_eq!(world.hashing.work(), work);
    assert_eq!(world.events().last(), Some(&AuditEventName::ReauthenticationFailed));
}

#[tokio::test]
async fn the_guess_is_committed_before_it_is_compared_and_given_back_only_when_right() {
    for right in [false, true] {
        let (mut counting, mut recording) = (MockTx::new(), MockTx::new());
        let reserved = BudgetDecision::Reserved { count: 1 };
        counting.guess_budgets.expect_reserve().times(1).returning(move |_, _, _| Ok(reserved));
        counting.users.expect_password().times(1).return_once(|_| Ok(Some(fake_hash(PASSWORD))));
        recording.audit.expect_append().times(1).returning(|_| Ok(()));
        recording.guess_budgets.expect_release().times(usize::from(right)).returning(|_, _| Ok(()));
        let (counted, recorded) = (counting.outcome(), recording.outcome());
        let before = recorded.clone();
        let mut hasher = MockPasswordHasher::new();
        hasher.expect_verify().times(1).return_once(move |_, _| {
            assert!(counted.committed() && before.unused());
            Ok(right)
        });
        let mut sessions = MockSessionStore::new();
        sessions.expect_update().times(usize::from(right)).returning(|_, _| Ok(false));
        let parts = Parts {
            hasher: Arc::new(hasher),
            sessions: Arc::new(sessions),
            ..Parts::on(MockStore::with_all([counting, recording]))
        };
        let answer = reauthenticate(&parts).run(&access_claims(), &secret(PASSWORD), &browser()).await;
        let expected = if right { ReauthenticateError::SessionOver } else { ReauthenticateError::WrongPassword };
        assert_eq!(answer, Err(expected));
        assert!(recorded.committed());
    }
}

#[tokio::test]
async fn an_ended_session_an_account_without_a_password_and_a_store_that_is_down_get_no_token() {
    let world = World::with(a_user());
    let claims = world.sign_in(&a_user()).await.claims;
    world.sessions.end(&claims.session(), EndReason::LoggedOut, START).await.unwrap();
    let over = reauthenticate(&world).run(&claims, &secret(PASSWORD), &browser()).await;
    assert_eq!(over, Err(ReauthenticateError::SessionOver));
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = None);
    let none = reauthenticate(&world).run(&claims, &secret(PASSWORD), &browser()).await;
    assert_eq!((none, world.hashing.dummies()), (Err(ReauthenticateError::WrongPassword), 1));
    world.rows.set_refusal(Some(down()));
    let refused = reauthenticate(&world).run(&claims, &secret(PASSWORD), &browser()).await;
    assert!(matches!(refused, Err(ReauthenticateError::Failure(Failure::Unavailable(_)))), "{refused:?}");
}
