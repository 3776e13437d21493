//! O09: a proof opens what a password opens, no more: an enrolled second factor is asked for, a closed account stays closed.

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::json;

use super::actors::as_proof;
use super::{EMAIL, NEW, WRONG, invalid_credentials, srp_invalid};
use crate::support::{PASSWORD, Service, refusal};

#[tokio::test]
async fn g11_o09_an_enrolled_factor_is_asked_for_after_the_proof() {
    let service = Service::start().await;
    let (_, program) = service.srp_registered(EMAIL).await.enrol(&service).await;
    let client = service.native();
    let asked = client.srp_login_asked(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(asked.options, ["totp"]);
    assert_eq!(asked.claims()["purpose"], "login");
    // What it opens is the second step and nothing else.
    for (method, route) in [
        (Method::GET, "/users/me"),
        (Method::GET, "/sessions"),
        (Method::POST, "/auth/token/verify"),
        (Method::POST, "/totp"),
        (Method::PATCH, "/auth/password"),
        (Method::POST, "/auth/srp/verifier"),
        (Method::POST, "/auth/reauth"),
        (Method::POST, "/auth/password/reset"),
        (Method::POST, "/recovery-codes"),
        (Method::DELETE, "/users/me"),
    ] {
        let reply = asked.call(method.clone(), route).json(&json!({})).send().await;
        assert!(matches!(reply.status, 401 | 403), "{method} {route}: {} {}", reply.status, reply.text);
    }
    let proof = as_proof(&client.srp_answer(EMAIL, PASSWORD).await);
    let reply = asked.call(Method::POST, "/auth/reauth").json(&proof).send().await;
    assert!(matches!(reply.status, 401 | 403), "{}", reply.text);
    assert_eq!(asked.answer("totp", "000000").await.unwrap_err(), refusal(401, "OTP_INVALID"));
    let ada = asked.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    let mut amr: Vec<String> = serde_json::from_value(ada.verify().await.unwrap()["amr"].take()).unwrap();
    amr.sort();
    assert!(amr.contains(&"pwd".to_owned()) && amr.len() > 1, "{amr:?}");
    // At a browser, the same.
    let asked = service.browser().srp_login_asked(EMAIL, PASSWORD).await.unwrap();
    asked.answer("totp", &service.fresh_code(&program).await).await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn a_wrong_proof_says_nothing_about_factors() {
    let service = Service::start().await;
    let (ada, _) = service.srp_registered(EMAIL).await.enrol(&service).await;
    let reply = ada.client.srp_login_reply(EMAIL, WRONG).await;
    assert_eq!(reply.refusal(), srp_invalid());
    assert!(!reply.text.contains("totp") && !reply.text.contains("tfaOptions"), "{}", reply.text);
}

#[tokio::test]
async fn e01_only_a_right_proof_learns_that_an_account_is_closed() {
    let service = Service::start().await;
    let admin = service.administrator(Role::SuperAdmin).await;
    let ada = service.srp_registered(EMAIL).await;
    let before = ada.client.srp_answer(EMAIL, PASSWORD).await;
    let sessions = service.database().sessions();
    admin.ban(&ada.user_id()).await.unwrap();
    ada.refused().await;
    let inactive = refusal(403, "ACCOUNT_INACTIVE");
    assert_eq!(
        ada.client.srp_send(&before.attributes(EMAIL)).await.refusal(),
        inactive,
        "a challenge of before the ban"
    );
    let reply = ada.client.srp_login_reply(EMAIL, PASSWORD).await;
    assert_eq!(reply.refusal(), inactive);
    assert!(!reply.text.contains("serverProof"), "{}", reply.text);
    assert_eq!(ada.client.srp_login(EMAIL, WRONG).await.unwrap_err(), srp_invalid());
    assert_eq!(service.database().sessions(), sessions);

    admin.change_user(&ada.user_id(), &json!({ "isActive": true })).await.unwrap();
    ada.client.srp_login(EMAIL, PASSWORD).await.expect("the credential is as it was");
    admin.delete_user(&ada.user_id()).await.unwrap();
    assert_eq!(ada.client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    assert_eq!(service.database().count("srp_credentials"), 0);
}

#[tokio::test]
async fn a_reset_between_challenge_and_answer_counts() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    let [old, with_new] = [ada.client.srp_challenge(EMAIL).await, ada.client.srp_challenge(EMAIL).await];
    let old = super::actors::knowing(PASSWORD).answer(&old).unwrap();
    ada.client.forgot(EMAIL).await.unwrap();
    let grant = ada.client.begin_reset(&service.link_tokens(EMAIL, 1).await[0]).await.unwrap();
    grant.srp_reset(NEW).await.unwrap();
    assert_eq!(ada.client.srp_send(&old.attributes(EMAIL)).await.refusal(), srp_invalid());
    // The new password against the salts of before.
    let mixed = super::actors::knowing(NEW).answer(&with_new).unwrap();
    assert_eq!(ada.client.srp_send(&mixed.attributes(EMAIL)).await.refusal(), srp_invalid());
    ada.client.srp_login(EMAIL, NEW).await.unwrap();

    // An account that changes to a password has nothing to prove any more.
    let left = ada.client.srp_answer(EMAIL, NEW).await;
    ada.client.forgot(EMAIL).await.unwrap();
    let grant = ada.client.begin_reset(&service.link_tokens(EMAIL, 2).await[1]).await.unwrap();
    grant.reset(PASSWORD).await.unwrap();
    assert_eq!(ada.client.srp_send(&left.attributes(EMAIL)).await.refusal(), srp_invalid());
    assert_eq!(ada.client.login(EMAIL, NEW).await.unwrap_err(), invalid_credentials());
    ada.client.login(EMAIL, PASSWORD).await.unwrap();
}
