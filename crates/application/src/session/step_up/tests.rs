use std::time::Duration;

use keystead_domain::account::Contact;

use super::*;
use crate::service::StepUpGate;
use crate::test_world::{World, browser};
use crate::testing::{FakeAnswer, START, a_passkey, a_user, email, user_id};

fn step_up(world: &World) -> StepUp {
    let (store, clock) = (world.store.clone(), world.clock.clone());
    StepUp::new(store, clock, world.issuer(), world.step_up_tools(), world.login_desk())
}

async fn show(world: &World, claims: &AccessClaims, code: &OneTimeCode) -> Result<StepUpToken, StepUpError> {
    step_up(world).verify(claims, Some(claims.subject), Some(code), None, &browser()).await
}

async fn ask(world: &World, claims: &AccessClaims, medium: Medium) -> Result<(), StepUpError> {
    step_up(world).request(claims, medium, &browser()).await
}

fn with_totp() -> World {
    let world = World::with(a_user());
    world.enroll_totp(&a_user());
    world
}

fn wrong() -> OneTimeCode {
    OneTimeCode::from_number(999_999).unwrap()
}

#[tokio::test]
async fn a_code_proves_the_factor_for_this_session_and_epoch() {
    let world = with_totp();
    let (here, there) = (world.sign_in(&a_user()).await.claims, world.sign_in(&a_user()).await.claims);
    ask(&world, &here, Medium::Authenticator).await.unwrap();
    let proof = show(&world, &here, &world.totp_code(0)).await.unwrap();
    assert_eq!(proof.claims.expires_at, START.plus(limits::STEP_UP_LIFE));
    let gate = StepUpGate::new(world.tokens.clone(), world.clock.clone());
    let text = proof.token.expose();
    assert_eq!(gate.read(text, &here).map(|claims| claims.token_id), Some(proof.claims.token_id));
    assert_eq!(gate.read(text, &there), None, "another session");
    assert_eq!(gate.read(text, &AccessClaims { epoch: here.epoch.next(), ..here.clone() }), None, "a changed factor");
    assert_eq!(gate.read(text, &AccessClaims { subject: user_id(2), ..here.clone() }), None);
    world.clock.advance(limits::STEP_UP_LIFE + limits::LEEWAY);
    assert_eq!(gate.read(text, &here), None);
}

#[tokio::test]
async fn only_the_medium_last_asked_for_answers() {
    let mut world = with_totp();
    world.add(keystead_domain::account::User {
        email: Some(Contact { id: a_user().id.into(), address: email("ada@example.com"), otp_enabled: true }),
        ..a_user()
    });
    world.configure(|settings| settings.factors.sms = true);
    let here = world.sign_in(&a_user()).await.claims;
    assert_eq!(show(&world, &here, &world.totp_code(0)).await, Err(StepUpError::Invalid), "nothing was asked for");
    ask(&world, &here, Medium::Email).await.unwrap();
    let mailed = OneTimeCode::parse(&world.mailed_code()).unwrap();
    assert_eq!(show(&world, &here, &world.totp_code(0)).await, Err(StepUpError::Invalid));
    world.clock.advance(Duration::from_secs(30));
    ask(&world, &here, Medium::Authenticator).await.unwrap();
    assert_eq!(show(&world, &here, &mailed).await, Err(StepUpError::Invalid));
    assert!(show(&world, &here, &world.totp_code(0)).await.is_ok());
    assert_eq!(ask(&world, &here, Medium::Sms).await, Err(StepUpError::NotAvailable));
}

#[tokio::test]
async fn a_contact_serves_who_enrolled_nothing_and_nobody_else() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Email).await.unwrap();
    let code = OneTimeCode::parse(&world.mailed_code()).unwrap();
    assert!(show(&world, &here, &code).await.is_ok());
    assert_eq!(show(&world, &here, &code).await, Err(StepUpError::Used));
    assert_eq!(ask(&world, &here, Medium::Authenticator).await, Err(StepUpError::NotAvailable));
    world.enroll_totp(&a_user());
    assert_eq!(ask(&world, &here, Medium::Email).await, Err(StepUpError::NotAvailable), "nothing weaker");
}

#[tokio::test]
async fn a_used_step_is_told_apart_from_a_wrong_one() {
    let world = with_totp();
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Authenticator).await.unwrap();
    show(&world, &here, &world.totp_code(0)).await.unwrap();
    assert_eq!(show(&world, &here, &world.totp_code(0)).await, Err(StepUpError::Used));
    assert_eq!(show(&world, &here, &wrong()).await, Err(StepUpError::Invalid));
}

#[tokio::test]
async fn somebody_elses_name_is_wrong_and_counts() {
    let world = with_totp();
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Authenticator).await.unwrap();
    let code = world.totp_code(0);
    for name in [Some(user_id(2)), None] {
        let refused = step_up(&world).verify(&here, name, Some(&code), None, &browser()).await;
        assert_eq!(refused, Err(StepUpError::Invalid));
    }
    assert_eq!(world.events().iter().filter(|event| **event == AuditEventName::StepUpMismatch).count(), 2);
    for _ in 0..8 {
        assert_eq!(show(&world, &here, &wrong()).await, Err(StepUpError::Invalid));
    }
    assert_eq!(show(&world, &here, &code).await, Err(StepUpError::Blocked { until: START.plus(limits::MFA_BLOCK) }));
}

#[tokio::test]
async fn codes_of_a_program_are_asked_for_as_rarely_as_others() {
    let world = with_totp();
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Authenticator).await.unwrap();
    assert!(matches!(ask(&world, &here, Medium::Authenticator).await, Err(StepUpError::Limited { .. })));
}

#[tokio::test]
async fn codes_are_asked_for_once_in_half_a_minute_and_the_newest_counts() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Email).await.unwrap();
    let first = OneTimeCode::parse(&world.mailed_code()).unwrap();
    assert!(matches!(ask(&world, &here, Medium::Email).await, Err(StepUpError::Limited { .. })));
    world.clock.advance(Duration::from_secs(30));
    ask(&world, &here, Medium::Email).await.unwrap();
    assert_eq!(show(&world, &here, &first).await, Err(StepUpError::Invalid));
    let second = OneTimeCode::parse(&world.mailed_code()).unwrap();
    world.clock.advance(limits::CODE_LIFE);
    assert_eq!(show(&world, &here, &second).await, Err(StepUpError::Invalid), "five minutes are over");
}

#[tokio::test]
async fn g02_of_parallel_right_codes_one_wins() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Email).await.unwrap();
    let code = OneTimeCode::parse(&world.mailed_code()).unwrap();
    let mut settings = world.step_up_tools();
    settings.guard = crate::service::FactorGuard::new(
        world.hash.clone(),
        keystead_domain::factor::BlockPolicy { max_failures: 1_000, ..world.settings.factors.block },
    );
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let step_up = Arc::new(StepUp::new(store, clock, world.issuer(), settings, world.login_desk()));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (step_up, here, code) = (step_up.clone(), here.clone(), code.clone());
        tries.spawn(async move { step_up.verify(&here, Some(here.subject), Some(&code), None, &browser()).await });
    }
    assert_eq!(tries.join_all().await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_passkey_proves_within_the_session_it_was_asked_in() {
    let world = World::with(a_user());
    let (here, there) = (world.sign_in(&a_user()).await.claims, world.sign_in(&a_user()).await.claims);
    assert_eq!(step_up(&world).passkey_options(&here).await, Err(StepUpError::NotAvailable));
    let mut tx = world.store.begin().await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.commit().await.unwrap();
    let challenge = async || {
        let options: serde_json::Value =
            serde_json::from_str(&step_up(&world).passkey_options(&here).await.unwrap()).unwrap();
        options["challenge"].as_str().unwrap().to_owned()
    };
    let answer = FakeAnswer::new(&challenge().await, &a_passkey().credential_id).json();
    let elsewhere = step_up(&world).verify_passkey(&there, &answer, None, &browser()).await;
    assert_eq!(elsewhere, Err(StepUpError::Invalid));
    let answer = FakeAnswer::new(&challenge().await, &a_passkey().credential_id).json();
    let proof = step_up(&world).verify_passkey(&here, &answer, None, &browser()).await.unwrap();
    assert_eq!(proof.claims.method, StepUpMethod::Factor(Factor::Device));
    let again = step_up(&world).verify_passkey(&here, &answer, None, &browser()).await;
    assert_eq!(again, Err(StepUpError::Invalid), "a challenge is taken once");
}

#[tokio::test]
async fn a_code_asked_for_before_a_factor_was_enrolled_proves_nothing_after() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    ask(&world, &here, Medium::Email).await.unwrap();
    let code = OneTimeCode::parse(&world.mailed_code()).unwrap();
    world.enroll_totp(&a_user());
    assert_eq!(show(&world, &here, &code).await, Err(StepUpError::Invalid));
}
