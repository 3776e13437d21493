//! One kind in the place of the other: changes, resets, activations, proofs. Of the kind before nothing is left, and nothing
//! is half done.

use std::time::Duration;

use keystead_domain::account::Role;
use keystead_testkit::race::race;
use serde_json::{Value, json};

use super::actors::{credential, signed_in};
use super::{BOB, EMAIL, NEW, WRONG, invalid_credentials, srp_invalid};
use crate::support::{PASSWORD, Service, SignedIn, refusal, tally};

/// How many SRP credentials and passwords there are.
fn kinds(service: &Service) -> (i64, i64) {
    let mut database = service.database();
    (database.count("srp_credentials"), database.count("passwords"))
}

/// A change to an SRP credential.
fn to_srp(current: Option<&str>, new: &str) -> Value {
    match current {
        Some(current) => json!({ "currentPassword": current, "srp": credential(new) }),
        None => json!({ "srp": credential(new) }),
    }
}

async fn assert_over(session: &SignedIn) {
    session.refused().await;
    assert_eq!(session.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
}

#[tokio::test]
async fn a_password_becomes_a_verifier_and_is_gone() {
    let service = Service::start().await;
    let other = service.registered(EMAIL).await;
    let ada = service.native().login(EMAIL, PASSWORD).await.unwrap();
    for current in [None, Some(WRONG), Some("")] {
        let refused = ada.change_secret(&to_srp(current, NEW)).await.unwrap_err();
        assert_eq!(refused, refusal(403, "PASSWORD_WRONG"), "{current:?}");
    }
    assert_eq!(kinds(&service), (0, 1));
    let changed = ada.change_secret(&to_srp(Some(PASSWORD), NEW)).await.unwrap();
    assert_eq!(kinds(&service), (1, 0));
    changed.verify().await.unwrap();
    changed.refresh().await.unwrap();
    assert_over(&other).await;
    for password in [PASSWORD, NEW] {
        assert_eq!(ada.client.login(EMAIL, password).await.unwrap_err(), invalid_credentials());
    }
    assert_eq!(ada.client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    ada.client.srp_login(EMAIL, NEW).await.unwrap();
    let device = other.device.unwrap();
    assert_eq!(service.database().count("devices"), 1, "known devices are forgotten: {device}");
}

#[tokio::test]
async fn a_verifier_becomes_another_or_a_password_after_a_fresh_proof() {
    let service = Service::start().await;
    let other = service.srp_registered(EMAIL).await;
    let ada = service.native().srp_login(EMAIL, PASSWORD).await.unwrap();
    service.advance(Duration::from_secs(301)).await;
    let reauth_required = refusal(403, "REAUTH_REQUIRED");
    assert_eq!(ada.change_secret(&to_srp(None, NEW)).await.unwrap_err(), reauth_required);
    assert_eq!(ada.change_secret(&json!({ "newPassword": NEW })).await.unwrap_err(), reauth_required);
    // No current password helps where there is none.
    assert_eq!(ada.change_secret(&to_srp(Some(PASSWORD), NEW)).await.unwrap_err(), reauth_required);
    let ada = ada.srp_reauthenticate(PASSWORD).await.unwrap();
    let ada = ada.change_secret(&to_srp(None, NEW)).await.unwrap();
    assert_eq!(kinds(&service), (1, 0));
    assert_over(&other).await;
    assert_eq!(ada.client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    let other = ada.client.srp_login(EMAIL, NEW).await.unwrap();

    let short = ada.change_secret(&json!({ "newPassword": "short" })).await.unwrap_err();
    assert_eq!(short, refusal(422, "PASSWORD_TOO_SHORT"));
    let ada = ada.change_secret(&json!({ "newPassword": PASSWORD })).await.unwrap();
    assert_eq!(kinds(&service), (0, 1));
    assert_over(&other).await;
    ada.verify().await.unwrap();
    assert_eq!(ada.client.srp_login(EMAIL, NEW).await.unwrap_err(), srp_invalid());
    ada.client.login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn who_has_both_kinds_shows_the_password_and_loses_both() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await.add_srp(NEW).await.unwrap();
    assert_eq!(kinds(&service), (1, 1));
    let third = "velvet-anchor-pepper-28";
    assert_eq!(ada.change_secret(&to_srp(None, third)).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    assert_eq!(ada.change_secret(&to_srp(Some(NEW), third)).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    let ada = ada.change_password(PASSWORD, third).await.unwrap();
    assert_eq!(kinds(&service), (0, 1));
    assert_eq!(ada.client.srp_login(EMAIL, NEW).await.unwrap_err(), srp_invalid());
    ada.client.login(EMAIL, third).await.unwrap();
    let ada = ada.add_srp(NEW).await.unwrap();
    ada.change_secret(&to_srp(Some(third), PASSWORD)).await.unwrap();
    assert_eq!(kinds(&service), (1, 0));
    assert_eq!(ada.client.srp_login(EMAIL, NEW).await.unwrap_err(), srp_invalid());
    ada.client.srp_login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn s05_a_change_demands_the_enrolled_factor() {
    let service = Service::start().await;
    let (ada, program) = service.srp_registered(EMAIL).await.enrol(&service).await;
    for change in [to_srp(None, NEW), json!({ "newPassword": NEW })] {
        assert_eq!(ada.without_proof().change_secret(&change).await.unwrap_err(), refusal(403, "MFA_REQUIRED"));
    }
    ada.ask_step_up("authenticator").await.unwrap();
    let ada = ada.step_up(&service.fresh_code(&program).await).await.unwrap();
    ada.change_secret(&to_srp(None, NEW)).await.unwrap();
    ada.client.srp_login_asked(EMAIL, NEW).await.unwrap();
}

#[tokio::test]
async fn g02_of_many_parallel_changes_one_counts() {
    const RACERS: usize = 32;
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let password = |racer: usize| format!("copper-violin-meadow-{racer}");
    let answers = race(RACERS, |racer| {
        let ada = ada.clone();
        let change = match racer % 2 {
            0 => to_srp(Some(PASSWORD), &password(racer)),
            _ => json!({ "currentPassword": PASSWORD, "newPassword": password(racer) }),
        };
        async move { ada.change_secret(&change).await.map(|_| racer) }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1, "{refused:?}");
    let by_srp = won[0] % 2 == 0;
    assert_eq!(kinds(&service), if by_srp { (1, 0) } else { (0, 1) });
    let right = password(won[0]);
    assert_eq!(ada.client.srp_login(EMAIL, &right).await.is_ok(), by_srp);
    assert_eq!(ada.client.login(EMAIL, &right).await.is_ok(), !by_srp);
}

#[tokio::test]
async fn a_proof_by_srp_is_as_fresh_as_one_by_password() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    service.advance(Duration::from_secs(60)).await;
    assert_eq!(ada.srp_reauthenticate(WRONG).await.unwrap_err().code, "SRP_INVALID");
    assert_eq!(ada.reauthenticate(PASSWORD).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    let proved = ada.srp_reauthenticate(PASSWORD).await.unwrap();
    let (before, after) = (ada.verify().await.unwrap(), proved.verify().await.unwrap());
    assert!(after["auth_time"].as_i64() >= before["auth_time"].as_i64().map(|at| at + 60), "{before} {after}");
    assert_eq!((&before["sid"], &before["amr"]), (&after["sid"], &after["amr"]));
    // Who has no credential proves nothing with one.
    let bob = service.registered(BOB).await;
    assert_eq!(bob.srp_reauthenticate(PASSWORD).await.unwrap_err().code, "SRP_INVALID");
    bob.reauthenticate(PASSWORD).await.unwrap();
    let mut database = service.database();
    assert_eq!((database.audited("authn_reauth_success"), database.audited("authn_reauth_fail")), (2, 3));
}

#[tokio::test]
async fn an_account_that_an_administrator_made_begins_with_a_verifier() {
    let service = Service::start().await;
    let admin = service.administrator(Role::SuperAdmin).await;
    let wish = json!({ "email": EMAIL, "role": "user" });
    admin.call(reqwest::Method::POST, "/admin/users").json(&wish).send().await.ok(201).unwrap();
    let token = service.link_tokens(EMAIL, 1).await.remove(0);
    let client = service.native();
    assert_eq!(client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    let both = json!({ "token": token, "password": PASSWORD, "srp": credential(NEW) });
    assert_eq!(client.post("/auth/activate", &both).await.status, 422);
    let activation = json!({ "token": token, "srp": credential(PASSWORD) });
    let reply = client.post("/auth/activate", &activation).await.ok(200).unwrap();
    signed_in(&client, &reply).verify().await.unwrap();
    assert_eq!(client.post("/auth/activate", &activation).await.refusal(), refusal(401, "LINK_INVALID"));
    client.srp_login(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(client.login(EMAIL, PASSWORD).await.unwrap_err(), invalid_credentials());
    // The administrator's own password is the one there is.
    assert_eq!(kinds(&service), (1, 1));
}

#[tokio::test]
async fn resets_lead_from_either_kind_to_either() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let mut links = 0;
    let mut session = ada.clone();
    for (by_srp, password) in [(true, NEW), (true, PASSWORD), (false, NEW), (false, PASSWORD), (true, NEW)] {
        links += 1;
        ada.client.forgot(EMAIL).await.unwrap();
        let link = service.link_tokens(EMAIL, links).await.remove(links - 1);
        let grant = ada.client.begin_reset(&link).await.unwrap();
        if by_srp {
            grant.srp_reset(password).await.unwrap();
            assert_eq!(kinds(&service), (1, 0));
        } else {
            grant.reset(password).await.unwrap();
            assert_eq!(kinds(&service), (0, 1));
        }
        assert_over(&session).await;
        assert_eq!(grant.srp_reset(WRONG).await.unwrap_err(), refusal(401, "LINK_INVALID"));
        let (by_proof, by_password) =
            (ada.client.srp_login(EMAIL, password).await, ada.client.login(EMAIL, password).await);
        assert_eq!((by_proof.is_ok(), by_password.is_ok()), (by_srp, !by_srp));
        session = by_proof.or(by_password).unwrap();
    }
}

#[tokio::test]
async fn a_moved_address_taken_back_leaves_no_verifier_to_whoever_moved_it() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    let pending = ada.add_contact("email", "moved@example.com").await.unwrap();
    let moved = ada.verify_contact(&pending, &service.code("moved@example.com").await).await.unwrap();
    moved.client.srp_login("moved@example.com", PASSWORD).await.expect("the credential has no address in it");
    let undo = service.mails_about(EMAIL, "This address no longer", 1).await[0].link_token().unwrap();
    ada.client.undo_contact(&undo).await.unwrap();
    assert_eq!(kinds(&service), (0, 0));
    for name in [EMAIL, "moved@example.com"] {
        assert_eq!(ada.client.srp_login(name, PASSWORD).await.unwrap_err(), srp_invalid(), "{name}");
    }
}
