use keystead_domain::token::OneTimeCode;

use super::*;
use crate::account::{
    RegisterUser, RegisterUserCommand, VerifyRegistration, VerifyRegistrationCommand, VerifyRegistrationError,
};
use crate::ports::{BudgetDecision, MockCeremonyStore};
use crate::service::AuthorizedTokens;
use crate::test_world::{PASSWORD, Parts, World, again, browser, down, secret};
use crate::testing::{MockStore, MockTx, START, a_registration, a_user, pre_authorized_claims};

fn resend(parts: &Parts) -> ResendCode {
    let (store, clock) = (parts.store.clone(), parts.clock.clone());
    ResendCode::new(store, clock, parts.issuer(), parts.codes(), parts.registration_desk())
}

async fn register(world: &World) -> PreAuthorizedTokens {
    let (store, secrets, clock) = (world.store.clone(), world.secrets(), world.clock.clone());
    let register = RegisterUser::new(store, secrets, clock, world.issuer(), world.codes(), world.registration_desk());
    let command = RegisterUserCommand {
        address: a_user().address().unwrap(),
        username: None,
        full_name: None,
        secret: Some(secret(PASSWORD).into()),
    };
    register.run(command, &browser()).await.unwrap()
}

async fn verify(
    world: &World,
    tokens: &PreAuthorizedTokens,
    code: &str,
) -> Result<AuthorizedTokens, VerifyRegistrationError> {
    let (store, sessions, clock) = (world.store.clone(), world.session_opener(), world.clock.clone());
    let verify = VerifyRegistration::new(store, sessions, clock, world.issuer(), world.codes(), world.guard());
    let code = OneTimeCode::parse(code).unwrap();
    verify.run(VerifyRegistrationCommand { claims: tokens.claims.clone(), code, username: None }, &browser()).await
}

#[tokio::test]
async fn a_new_code_goes_with_a_new_token_and_the_old_one_dies() {
    let world = World::default();
    let first = register(&world).await;
    let old = world.mailed_code();
    let second = resend(&world).run(&first.claims, &browser()).await.unwrap();
    let new = world.mailed_code();
    assert_eq!(second.claims.subject, first.claims.subject);
    assert_eq!(second.claims.token_id.session(), first.claims.token_id.session(), "one flow keeps its sid");
    assert_ne!(second.claims.token_id, first.claims.token_id);
    assert_eq!(verify(&world, &first, &old).await, Err(VerifyRegistrationError::CodeInvalid));
    assert_eq!(verify(&world, &first, &new).await, Err(VerifyRegistrationError::CodeInvalid), "bound to its token");
    assert!(verify(&world, &second, &new).await.is_ok());
}

#[tokio::test]
async fn a_new_code_brings_new_tries() {
    let world = World::default();
    let first = register(&world).await;
    for _ in 0..5 {
        assert!(verify(&world, &first, "000000").await.is_err());
    }
    let second = resend(&world).run(&first.claims, &browser()).await.unwrap();
    assert!(verify(&world, &second, &world.mailed_code()).await.is_ok());
}

#[tokio::test]
async fn codes_are_sent_again_five_times_an_hour() {
    let world = World::default();
    let mut tokens = register(&world).await;
    for _ in 0..5 {
        tokens = resend(&world).run(&tokens.claims, &browser()).await.unwrap();
        world.clock.advance(limits::CODE_RESEND_GAP.window);
    }
    let mails = world.messages().len();
    let limited = resend(&world).run(&tokens.claims, &browser()).await;
    let again_at = START.plus(limits::CODE_RESEND.interval());
    assert_eq!(limited, Err(ResendCodeError::Limited { again_at }));
    assert_eq!(world.messages().len(), mails);
    assert!(verify(&world, &tokens, &world.mailed_code()).await.is_ok(), "a refusal kills no code");
}

#[tokio::test]
async fn half_a_minute_lies_between_two_codes() {
    let world = World::default();
    let tokens = register(&world).await;
    let tokens = resend(&world).run(&tokens.claims, &browser()).await.unwrap();
    let again_at = START.plus(limits::CODE_RESEND_GAP.window);
    let refused = resend(&world).run(&tokens.claims, &browser()).await;
    assert_eq!(refused, Err(ResendCodeError::Limited { again_at }));
    world.clock.set(again_at);
    assert!(resend(&world).run(&tokens.claims, &browser()).await.is_ok());
}

#[tokio::test]
async fn nothing_is_sent_for_a_claim_that_lapsed_or_was_proved() {
    let world = World::default();
    let tokens = register(&world).await;
    world.clock.set(START.plus(limits::REGISTRATION_LIFE));
    assert_eq!(resend(&world).run(&tokens.claims, &browser()).await, Err(ResendCodeError::Dead));

    let world = World::default();
    let tokens = register(&world).await;
    verify(&world, &tokens, &world.mailed_code()).await.unwrap();
    assert_eq!(resend(&world).run(&tokens.claims, &browser()).await, Err(ResendCodeError::Dead));
}

#[tokio::test]
async fn a_taken_address_goes_on_with_its_decoy() {
    let world = World::with(a_user());
    let tokens = register(&world).await;
    let again = resend(&world).run(&tokens.claims, &browser()).await.unwrap();
    assert!(again.claims.otp.is_some());
    assert_eq!(world.notices(), ["account_exists", "account_exists"], "its owner is told, nobody gets a code");
}

#[tokio::test]
async fn a_lost_commit_leaves_the_older_code_alive() {
    let mut tx = MockTx::new().failing(down());
    tx.registrations.expect_get().return_once(|_, _| Ok(Some(a_registration())));
    tx.guess_budgets.expect_reserve().times(3).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    tx.users.expect_find_by_login_name().return_once(|_| Ok(None));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    let (store, _) = MockStore::with(tx);
    // The challenge is not touched: a call would find no expectation.
    let parts = Parts { ceremonies: Arc::new(MockCeremonyStore::new()), ..Parts::on(store) };
    let lost = resend(&parts).run(&pre_authorized_claims(), &browser()).await;
    assert!(matches!(lost, Err(ResendCodeError::Failure(Failure::Unavailable(_)))), "{lost:?}");
}

#[tokio::test]
async fn a_second_attempt_sends_nothing_and_its_token_takes_the_code_that_was_sent() {
    let world = World::default();
    let first = register(&world).await;
    resend(&world).run(&first.claims, &again(1)).await.unwrap();
    let sent = world.messages().len();
    let second = resend(&world).run(&first.claims, &again(1)).await.unwrap();
    assert_eq!(world.messages().len(), sent);
    assert!(verify(&world, &second, &world.mailed_code()).await.is_ok());
}
