//! M02: whoever registers somebody's address first keeps nothing of it: password, session, factor, link. Other orders are in
//! `claims`, providers of identities in `social::preregistered`.

use reqwest::Method;
use serde_json::json;

use super::ADA;
use crate::attacks::support::{Digest, assert_refused};
use crate::srp::actors::credential;
use crate::srp::{NEW, invalid_credentials, srp_invalid};
use crate::support::{HalfWay, PASSWORD, Service, refusal};

/// The attacker's password.
const EVIL: &str = "granite-otter-sunday-93";

/// Whatever might be made of a claim that nobody proved.
async fn try_everything(attacker: &HalfWay, codes: &[String]) {
    for code in codes {
        let reply = attacker.post("/auth/register/verify", &json!({ "code": code })).await;
        assert_refused("a code of the victim's", &reply, 401, "CODE_INVALID");
    }
    let resent = attacker.post("/auth/login/otp", &json!({ "method": "email" })).await;
    assert_refused("another code", &resent, 401, "CODE_INVALID");
    for (method, route, body) in [
        (Method::GET, "/users/me", json!({})),
        (Method::GET, "/sessions", json!({})),
        (Method::POST, "/auth/token/verify", json!({})),
        (Method::POST, "/totp", json!({})),
        (Method::POST, "/passkeys/options", json!({})),
        (Method::POST, "/recovery-codes", json!({})),
        (Method::POST, "/contacts", json!({ "kind": "email", "address": "evil@example.com" })),
        (Method::PATCH, "/auth/password", json!({ "currentPassword": EVIL, "newPassword": NEW })),
        (Method::POST, "/auth/srp/verifier", credential(EVIL)),
        (Method::POST, "/auth/reauth", json!({ "password": EVIL })),
        (Method::POST, "/auth/password/reset", json!({ "newPassword": EVIL })),
        (Method::POST, "/auth/login/code", json!({ "method": "email", "code": "000000" })),
    ] {
        let reply = attacker.call(method, route).json(&body).send().await;
        assert_refused(route, &reply, 401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn m02_whoever_claimed_an_address_first_has_nothing_once_its_owner_proved_it() {
    let service = Service::start().await;
    let by_password = service.native().register(ADA, EVIL).await.unwrap();
    let by_srp = service.native().srp_register(ADA, EVIL).await.unwrap();
    let in_a_browser = service.browser().register(ADA, EVIL).await.unwrap().resend().await.unwrap();
    let reply = service.native().login_reply(ADA, EVIL).await;
    assert_refused("nobody proved it", &reply, 401, "INVALID_CREDENTIALS");
    let theirs = service.codes(ADA, 4).await;

    let victim = service.native().register(ADA, PASSWORD).await.unwrap();
    let code = service.codes(ADA, 5).await.remove(4);
    for wrong in theirs.iter().filter(|wrong| **wrong != code).take(3) {
        let refused = victim.verify(wrong).await.unwrap_err();
        assert_eq!(refused, refusal(401, "CODE_INVALID"), "a code of another claim proves another claim");
    }
    let ada = victim.verify(&code).await.unwrap();
    // What is left of their claims is swept up, and challenges are answered for everybody.
    let before = Digest::without(&service, &["ceremonies", "guess_budgets"]).await;
    let codes = service.codes(ADA, 5).await;
    for attacker in [&by_password, &by_srp, &in_a_browser] {
        try_everything(attacker, &codes).await;
    }
    assert_eq!(service.native().login(ADA, EVIL).await.unwrap_err(), invalid_credentials());
    assert_eq!(service.native().srp_login(ADA, EVIL).await.unwrap_err(), srp_invalid());
    before.is_still_that_of(&service).await;
    let mut database = service.database();
    let rows = ["users", "passwords", "srp_credentials", "totp", "passkeys", "pending_registrations"];
    assert_eq!(rows.map(|rows| database.count(rows)), [1, 1, 0, 0, 0, 0]);
    assert_eq!(database.sessions(), 1);
    ada.verify().await.expect("her own session is not touched");
    service.native().login(ADA, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn m02_who_proves_the_address_decides_which_kind_counts() {
    let service = Service::start().await;
    let by_password = service.native().register(ADA, PASSWORD).await.unwrap();
    let first = service.code(ADA).await;
    let by_srp = service.native().srp_register(ADA, NEW).await.unwrap();
    let second = service.codes(ADA, 2).await.into_iter().find(|code| *code != first).unwrap_or(first.clone());
    by_srp.verify(&second).await.unwrap();
    assert_eq!(by_password.verify(&first).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    assert_eq!(service.native().login(ADA, PASSWORD).await.unwrap_err(), invalid_credentials());
    assert_eq!(service.native().srp_login(ADA, PASSWORD).await.unwrap_err(), srp_invalid());
    service.native().srp_login(ADA, NEW).await.unwrap();
}
