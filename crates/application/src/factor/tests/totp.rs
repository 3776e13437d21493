use std::sync::Arc;
use std::time::Duration;

use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{SecondFactorPolicy, Totp};
use keystead_domain::limits;
use keystead_domain::token::{AccessClaims, OneTimeCode};

use crate::factor::{FactorError, MakeRecoveryCodes, ResealFactors, TotpFactor};
use crate::ports::Clock as _;
use crate::test_world::{World, browser, caller, proved};
use crate::testing::{FakeTotp, FakeVault, a_user};

fn totp(world: &World) -> TotpFactor {
    TotpFactor::new(world.factor_desk())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The code of a secret just shown.
fn code_of(world: &World, secret: &str) -> OneTimeCode {
    FakeTotp::code(&bytes(secret), Totp::step(world.clock.now()))
}

fn wrong() -> OneTimeCode {
    OneTimeCode::from_number(999_999).unwrap()
}

#[tokio::test]
async fn a_secret_counts_once_a_code_of_it_was_shown() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let there = world.sign_in(&a_user()).await.claims;
    let enrolment = totp(&world).begin(&caller(&here)).await.unwrap();
    assert_eq!(bytes(enrolment.secret.expose()).len(), 20);
    assert!(enrolment.uri.expose().contains("ada@example.com"));
    assert_eq!(totp(&world).confirm(&caller(&here), &wrong(), &browser()).await, Err(FactorError::CodeInvalid));
    assert!(!world.store.read().await.unwrap().factors().enrolled(a_user().id).await.unwrap().totp);
    let code = code_of(&world, enrolment.secret.expose());
    let tokens = totp(&world).confirm(&caller(&here), &code, &browser()).await.unwrap();
    assert_eq!(tokens.claims.session(), here.session());
    assert_eq!(tokens.claims.epoch, a_user().epoch.next());
    assert!(tokens.step_up.is_some(), "the code was a proof");
    assert!(world.is_revoked(&here).await, "older access tokens end");
    let living = world.sessions.list(a_user().id, world.clock.now()).await.unwrap();
    assert!(living.iter().any(|session| session.id == there.session()), "a factor that is added ends no session");
    assert_eq!(world.notices(), ["factor_added"]);
    let again = totp(&world).confirm(&caller(&tokens.claims), &code, &browser()).await;
    assert_eq!(again, Err(FactorError::MfaRequired));
}

#[tokio::test]
async fn enrolling_takes_a_fresh_sign_in_and_replacing_takes_the_factor() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    world.clock.advance(limits::REAUTH_WINDOW + Duration::from_secs(1));
    assert_eq!(totp(&world).begin(&caller(&here)).await, Err(FactorError::ReauthRequired));
    world.enroll_totp(&a_user());
    let fresh = world.sign_in(&a_user()).await.claims;
    assert_eq!(totp(&world).begin(&caller(&fresh)).await, Err(FactorError::MfaRequired));
    let enrolment = totp(&world).begin(&proved(&fresh)).await.unwrap();
    // Until the new one is confirmed the old one removes, and counts.
    let code = code_of(&world, enrolment.secret.expose());
    assert_eq!(totp(&world).remove(&proved(&fresh), &code, &browser()).await, Err(FactorError::CodeInvalid));
    assert!(totp(&world).remove(&proved(&fresh), &world.totp_code(0), &browser()).await.is_ok());
}

#[tokio::test]
async fn removing_ends_every_other_session_and_the_proof() {
    let world = World::with(a_user());
    world.enroll_totp(&a_user());
    let (here, there) = (world.sign_in(&a_user()).await.claims, world.sign_in(&a_user()).await.claims);
    let tokens = totp(&world).remove(&proved(&here), &world.totp_code(0), &browser()).await.unwrap();
    assert_eq!(tokens.step_up, None);
    let living = world.sessions.list(a_user().id, world.clock.now()).await.unwrap();
    assert_eq!(living.iter().map(|session| &session.id).collect::<Vec<_>>(), [&here.session()]);
    assert!(world.is_revoked(&there).await);
    assert_eq!((world.notices(), world.events()), (vec!["factor_removed"], vec![AuditEventName::TotpDisabled]));
    let nothing = totp(&world).remove(&proved(&tokens.claims), &world.totp_code(0), &browser()).await;
    assert_eq!(nothing, Err(FactorError::NotFound));
}

#[tokio::test]
async fn the_last_factor_stays_where_everybody_must_have_one() {
    let mut world = World::with(a_user());
    world.enroll_totp(&a_user());
    world.configure(|settings| settings.factors.second_factor = SecondFactorPolicy::Always);
    let here = world.sign_in(&a_user()).await.claims;
    let refused = totp(&world).remove(&proved(&here), &world.totp_code(0), &browser()).await;
    assert_eq!(refused, Err(FactorError::LastFactor));
}

#[tokio::test]
async fn recovery_codes_take_a_proof_and_replace_older_ones() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let make = MakeRecoveryCodes::new(world.factor_desk());
    assert_eq!(make.run(&caller(&here), &browser()).await, Err(FactorError::MfaRequired));
    let first = make.run(&proved(&here), &browser()).await.unwrap();
    let second = make.run(&proved(&here), &browser()).await.unwrap();
    assert_eq!((first.len(), second.len()), (10, 10));
    assert!(first.iter().all(|code| !second.contains(code)));
    let left = world.store.read().await.unwrap().factors().enrolled(a_user().id).await.unwrap().recovery_codes;
    assert_eq!(left, 10);
}

#[tokio::test]
async fn secrets_are_sealed_again_under_the_newest_key() {
    let vault = Arc::new(FakeVault::new());
    let mut world = World::with(a_user());
    world.set_vault(vault.clone());
    world.enroll_totp(&a_user());
    let reseal = ResealFactors::new(world.store.clone(), world.factor_codes(), world.secrets());
    assert_eq!(reseal.run().await, Ok(0));
    vault.rotate("seal-2");
    assert_eq!(reseal.run().await, Ok(1));
    vault.forget_old_keys();
    let here: AccessClaims = world.sign_in(&a_user()).await.claims;
    assert!(totp(&world).remove(&proved(&here), &world.totp_code(0), &browser()).await.is_ok());
}
