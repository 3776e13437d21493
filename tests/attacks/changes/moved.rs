//! M01: an address is changed by who just proved to be its owner and reads the new one; whoever reads the old one is told, and
//! takes it back. Longer stories are in `factors::contacts`.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{ADA, MALLORY};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Mail, PASSWORD, Reply, Service, SignedIn, refusal};

const FIRST: &str = "first@example.com";
const SECOND: &str = "second@example.com";

async fn add(who: &SignedIn, address: &str) -> Reply {
    who.call(Method::POST, "/contacts").json(&json!({ "kind": "email", "address": address })).send().await
}

async fn verify(who: &SignedIn, id: &str, code: &str) -> Reply {
    who.call(Method::POST, &format!("/contacts/{id}/verify")).json(&json!({ "code": code })).send().await
}

/// The code that was mailed to a new address.
async fn code_to(service: &Service, address: &str) -> String {
    service.mails_about(address, "Confirm this address", 1).await[0].code().unwrap()
}

#[tokio::test]
async fn m01_nobody_begins_to_move_an_address_without_having_just_proved_who_they_are() {
    let service = Service::start().await;
    let stale = service.registered(ADA).await;
    service.advance(Duration::from_secs(301)).await;
    let enrolled = service.enrolled(MALLORY).await.0;
    let refreshed = stale.refresh().await.unwrap();
    let before = Digest::of(&service).await;
    assert_refused("signed in long ago", &add(&stale, FIRST).await, 403, "REAUTH_REQUIRED");
    assert_refused("a refresh proves nothing", &add(&refreshed, FIRST).await, 403, "REAUTH_REQUIRED");
    assert_refused("no proof of the factor", &add(&enrolled.without_proof(), FIRST).await, 403, "MFA_REQUIRED");
    let another = enrolled.showing(&refreshed.access);
    assert_refused("another token as the proof", &add(&another, FIRST).await, 403, "MFA_REQUIRED");
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn m01_an_address_moves_with_the_code_of_its_owner_and_is_taken_back_within_three_days() {
    let service = Service::start().await;
    let ada = service.registered(ADA).await;
    let mallory = service.registered(MALLORY).await;
    let first = add(&ada, FIRST).await.ok(201).unwrap().id();
    let second = add(&ada, SECOND).await.ok(201).unwrap().id();
    let of_mallory = add(&mallory, "mallory2@example.com").await.ok(201).unwrap().id();
    let codes = [code_to(&service, FIRST).await, code_to(&service, SECOND).await];
    // The tries at a code, and at a login, are what changes.
    let before = Digest::without(&service, &["ceremonies", "guess_budgets", "factor_failures"]).await;
    for id in [&first, &second] {
        assert_refused("another person", &verify(&mallory, id, &codes[0]).await, 404, "NOT_FOUND");
    }
    assert_refused("another's change", &verify(&ada, &of_mallory, &codes[0]).await, 404, "NOT_FOUND");
    let wrong = crate::single_use::wrong(&codes[1]);
    assert_refused("a wrong code", &verify(&ada, &second, &wrong).await, 401, "OTP_INVALID");
    if codes[0] != codes[1] {
        assert_refused("the other change's code", &verify(&ada, &second, &codes[0]).await, 401, "OTP_INVALID");
    }
    for address in [FIRST, SECOND] {
        let reply = service.native().login_reply(address, PASSWORD).await;
        assert_refused("not hers yet", &reply, 401, "INVALID_CREDENTIALS");
    }
    before.is_still_that_of(&service).await;
    service.native().login(ADA, PASSWORD).await.expect("the old one counts until then");

    let moved = ada.verify_contact(&second, &codes[1]).await.unwrap();
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    let before = Digest::without(&service, &["guess_budgets"]).await;
    assert_refused("a token of before", &verify(&ada, &first, &codes[0]).await, 401, "TOKEN_REVOKED");
    assert_refused("an older change", &verify(&moved, &first, &codes[0]).await, 404, "NOT_FOUND");
    assert_refused("a second time", &verify(&moved, &second, &codes[1]).await, 404, "NOT_FOUND");
    let reply = service.native().login_reply(ADA, PASSWORD).await;
    assert_refused("no longer hers", &reply, 401, "INVALID_CREDENTIALS");
    before.is_still_that_of(&service).await;
    service.native().login(SECOND, PASSWORD).await.unwrap();

    let told: Vec<Mail> = service.mails_about(ADA, "This address no longer belongs", 1).await;
    assert!(told.len() == 1 && told[0].text.contains("72 hours") && !told[0].text.contains(SECOND), "{told:?}");
    let undo = told[0].link_token().unwrap();
    service.advance(Duration::from_secs(71 * 3600)).await;
    let before = Digest::of(&service).await;
    for wrong in ["", "AAAA", &undo[1..], &undo.to_lowercase()] {
        let reply = service.native().post("/contacts/undo", &json!({ "token": wrong })).await;
        assert_refused(wrong, &reply, 401, "LINK_INVALID");
    }
    before.is_still_that_of(&service).await;
    service.native().undo_contact(&undo).await.expect("without signing in");
    assert_eq!(service.native().undo_contact(&undo).await.unwrap_err(), refusal(401, "LINK_INVALID"), "once");
    assert_eq!(service.database().count(&format!("users WHERE email = '{ADA}'")), 1);
    assert_eq!(service.database().count(&format!("users WHERE email = '{SECOND}'")), 0);
}
