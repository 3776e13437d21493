use std::time::Duration;

use keystead_domain::account::{AccountStatus, User};
use keystead_domain::limits;
use keystead_domain::srp::{SrpCredential, SrpVerifier};

use super::*;
use crate::ports::StoredSrp;
use crate::session::SrpChallenge;
use crate::test_world::{Parts, World, browser};
use crate::testing::{FakeSrp, START, a_user, an_srp_credential};

/// Ada, who has an SRP credential and no password.
fn ada() -> World {
    let world = World::with(a_user());
    set(&world, &an_srp_credential());
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = None);
    world
}

fn set(world: &World, credential: &SrpCredential) {
    let sealed = world.secrets().seal(a_user().id, credential).unwrap();
    let stored = StoredSrp { user_id: a_user().id, sealed, created_at: START };
    world.rows.prepare(|state| drop(state.srp.0.insert(a_user().id, stored)));
}

fn login(parts: &Parts) -> SrpLogin {
    SrpLogin::new(parts.store.clone(), parts.clock.clone(), parts.srp_exchange(), parts.sign_in_desk())
}

async fn challenge(world: &World, name: &str) -> crate::service::IssuedSrpChallenge {
    SrpChallenge::new(world.store.clone(), world.clock.clone(), world.srp_exchange()).run(name).await.unwrap()
}

fn answer(name: &str, sealed: &SecretString, proof: SrpProof) -> SrpLoginCommand {
    let response = SrpResponse { client_key: FakeSrp::client_key(), proof, sealed: sealed.clone() };
    SrpLoginCommand { identity: name.into(), response, device: None, captcha: None }
}

fn right(name: &str, sealed: &SecretString) -> SrpLoginCommand {
    answer(name, sealed, FakeSrp::proof(&an_srp_credential().verifier))
}

#[tokio::test]
async fn a_right_proof_signs_in_and_the_server_proves_itself() {
    let world = ada();
    let issued = challenge(&world, "ada").await;
    assert_eq!((issued.identity, issued.salt), (an_srp_credential().identity, an_srp_credential().salt));
    let admitted = login(&world).run(right("ada", &issued.sealed), &browser()).await.unwrap();
    assert_eq!(admitted.server_proof, FakeSrp::server_proof(&an_srp_credential().verifier));
    let tokens = admitted.admission.authorized().unwrap();
    assert_eq!((tokens.claims.subject, tokens.claims.amr.as_slice()), (a_user().id, [Amr::Password].as_slice()));
}

#[tokio::test]
async fn a_second_factor_is_asked_for_as_after_a_password() {
    let world = ada();
    world.enroll_totp(&a_user());
    let issued = challenge(&world, "ada").await;
    let admitted = login(&world).run(right("ada", &issued.sealed), &browser()).await.unwrap();
    assert!(admitted.admission.asked().is_some());
}

#[tokio::test]
async fn a_challenge_is_answered_once_whether_right_or_wrong() {
    let world = ada();
    let wrong = SrpProof::from_bytes([0; 32]);
    for first in [wrong, FakeSrp::proof(&an_srp_credential().verifier)] {
        let issued = challenge(&world, "ada").await;
        let first = login(&world).run(answer("ada", &issued.sealed, first), &browser()).await;
        assert_eq!(first.is_ok(), first != Err(SrpLoginError::Invalid));
        let before = world.rows.state().guess_budgets.0;
        let second = login(&world).run(right("ada", &issued.sealed), &browser()).await;
        assert_eq!(second, Err(SrpLoginError::Invalid));
        assert_eq!(world.rows.state().guess_budgets.0, before, "a replay is no guess");
    }
    assert!(world.events().contains(&AuditEventName::SrpReplayed));
}

#[tokio::test]
async fn a_challenge_is_of_one_account_for_two_minutes_and_bears_no_change() {
    let world = ada();
    let issued = challenge(&world, "ada").await;
    let sealed = issued.sealed.expose().to_owned();
    for place in (0..sealed.len()).step_by(7) {
        let mut changed: Vec<char> = sealed.chars().collect();
        changed[place] = if changed[place] == 'A' { 'B' } else { 'A' };
        let changed = SecretString::new(changed.into_iter().collect());
        let refused = login(&world).run(right("ada", &changed), &browser()).await;
        assert_eq!(refused, Err(SrpLoginError::Invalid), "{place}");
    }
    let of_nobody = challenge(&world, "nobody").await;
    let refused = login(&world).run(right("ada", &of_nobody.sealed), &browser()).await;
    assert_eq!(refused, Err(SrpLoginError::Invalid));
    assert!(world.rows.state().guess_budgets.0.is_empty(), "nothing was compared, nothing counted");
    world.clock.advance(limits::SRP_CHALLENGE_LIFE);
    let late = login(&world).run(right("ada", &issued.sealed), &browser()).await;
    assert_eq!(late, Err(SrpLoginError::Invalid));
}

#[tokio::test]
async fn names_without_a_credential_have_values_that_stay_and_open_nothing() {
    let world = ada();
    let bob = User { id: crate::testing::user_id(2), username: None, email: None, phone: None, ..a_user() };
    world.add(bob);
    let (one, two) = (challenge(&world, "Nobody@example.com").await, challenge(&world, "nobody@example.com").await);
    assert_eq!((&one.identity, one.salt, one.kdf_salt, one.kdf), (&two.identity, two.salt, two.kdf_salt, two.kdf));
    assert_ne!(one.sealed, two.sealed);
    let other = challenge(&world, "somebody@example.com").await;
    assert!(one.identity != other.identity && one.salt != other.salt);
    let command = answer("nobody@example.com", &two.sealed, SrpProof::from_bytes([0; 32]));
    assert_eq!(login(&world).run(command, &browser()).await, Err(SrpLoginError::Invalid));
    assert!(!world.rows.state().guess_budgets.0.is_empty(), "guesses at nobody are counted, too");
}

#[tokio::test]
async fn guesses_come_out_of_the_budget_of_passwords() {
    let world = ada();
    let policy = world.settings.limits.login;
    let wrong = SrpProof::from_bytes([0; 32]);
    for _ in 0..policy.limit {
        let issued = challenge(&world, "ada").await;
        let refused = login(&world).run(answer("ada", &issued.sealed, wrong), &browser()).await;
        assert_eq!(refused, Err(SrpLoginError::Invalid));
    }
    let issued = challenge(&world, "ada").await;
    let again_at = START.plus(policy.interval());
    assert_eq!(
        login(&world).run(right("ada", &issued.sealed), &browser()).await,
        Err(SrpLoginError::Limited { again_at })
    );
    world.clock.advance(Duration::from_secs(900));
    let issued = challenge(&world, "ada").await;
    assert!(login(&world).run(right("ada", &issued.sealed), &browser()).await.is_ok());
}

#[tokio::test]
async fn a_credential_replaced_meanwhile_and_a_closed_account_open_nothing() {
    let world = ada();
    let issued = challenge(&world, "ada").await;
    set(&world, &SrpCredential { verifier: SrpVerifier::try_from_bytes(&[8; 500]).unwrap(), ..an_srp_credential() });
    assert_eq!(login(&world).run(right("ada", &issued.sealed), &browser()).await, Err(SrpLoginError::Invalid));

    let world = ada();
    let issued = challenge(&world, "ada").await;
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().user.status = AccountStatus::Banned);
    assert_eq!(login(&world).run(right("ada", &issued.sealed), &browser()).await, Err(SrpLoginError::AccountInactive));
}

#[tokio::test]
async fn a_used_challenge_stays_used_for_a_replica_whose_clock_is_behind() {
    let world = ada();
    let issued = challenge(&world, "ada").await;
    let exchange = world.srp_exchange();
    let mut tx = world.store.read().await.unwrap();
    let account = exchange.account(&mut *tx, &LoginName::parse("ada"), Some(&a_user())).await.unwrap();
    let opened = exchange.read(&account, &issued.sealed, START).unwrap();
    let end = START.plus(limits::SRP_CHALLENGE_LIFE);
    assert_eq!(exchange.spend(&opened, end.minus(Duration::from_secs(1))).await, Ok(true));
    // Stores forget by the clock of whoever wrote: a minute later the mark is still there.
    assert_eq!(exchange.spend(&opened, end.plus(Duration::from_secs(30))).await, Ok(false));
}
