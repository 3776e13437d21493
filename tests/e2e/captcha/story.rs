//! What is asked for one, and what comes of showing it.

use std::time::Duration;

use keystead_application::ports::CaptchaAction;
use serde_json::{Value, json};

use super::{invalid, required, solved, start, work};
use crate::support::{PASSWORD, Service, refusal};

const ADA: &str = "ada@example.com";
const ROUTE: &str = "/auth/register";

fn wish(email: &str, captcha: Option<&str>) -> Value {
    json!({ "email": email, "password": PASSWORD, "captcha": captcha })
}

#[tokio::test]
async fn registering_takes_one_and_nothing_happens_without() {
    let service = start().await;
    let client = service.native();
    for (captcha, expected) in [(None, required()), (Some("wrong"), invalid())] {
        let reply = client.post(ROUTE, &wish(ADA, captcha)).await;
        assert_eq!(reply.refusal(), expected);
        assert_eq!(reply.json()["errors"][0]["source"]["pointer"], "/captcha");
    }
    assert_eq!(service.hashes(), 0, "it is asked for before anything is hashed");
    assert_eq!(service.database().count("pending_registrations"), 0);
    assert_eq!(service.database().audited("captcha_refused"), 1, "a missing one is no event");
    let solution = solved(&client, "register").await;
    let half_way = client.register_with(&wish(ADA, Some(&solution))).await.unwrap();
    half_way.verify(&service.code(ADA).await).await.unwrap();
    let used = client.post(ROUTE, &wish("eve@example.com", Some(&solution))).await;
    assert_eq!(used.refusal(), invalid());
    // Whether the address is taken makes no difference.
    for email in [ADA, "nobody@example.com"] {
        assert_eq!(client.post(ROUTE, &wish(email, None)).await.refusal(), required(), "{email}");
        let solution = solved(&client, "register").await;
        client.register_with(&wish(email, Some(&solution))).await.unwrap();
    }
}

#[tokio::test]
async fn bad_values_are_told_first_and_use_nothing_up() {
    let service = start().await;
    let client = service.native();
    let solution = solved(&client, "register").await;
    assert_eq!(client.post(ROUTE, &wish("ada", Some(&solution))).await.refusal(), refusal(422, "INVALID_EMAIL"));
    client.register_with(&wish(ADA, Some(&solution))).await.unwrap();
}

#[tokio::test]
async fn forgetting_takes_one_alike_for_every_name_but_not_from_the_owners_device() {
    let service = start().await;
    let client = service.native();
    let solution = solved(&client, "register").await;
    let half_way = client.register_with(&wish(ADA, Some(&solution))).await.unwrap();
    let device = half_way.verify(&service.code(ADA).await).await.unwrap().device.unwrap();
    let body = |identity: &str, captcha: Option<&str>, device: Option<&str>| json!({ "identity": identity, "captcha": captcha, "deviceToken": device });
    let route = "/auth/password/forgot";
    for identity in [ADA, "nobody@example.com", "nobody"] {
        let missing = client.post(route, &body(identity, None, None)).await;
        let wrong = client.post(route, &body(identity, Some("wrong"), None)).await;
        assert_eq!((missing.refusal(), wrong.refusal()), (required(), invalid()), "{identity}");
        let solution = solved(&client, "forgot").await;
        client.post(route, &body(identity, Some(&solution), None)).await.ok(202).unwrap();
    }
    service.link_tokens(ADA, 1).await;
    client.post(route, &body(ADA, None, Some(&device))).await.ok(202).unwrap();
    let others = client.post(route, &body("nobody@example.com", None, Some(&device))).await;
    assert_eq!(others.refusal(), required(), "it is the owner's device and nobody else's");
}

#[tokio::test]
async fn an_srp_challenge_takes_one_alike_for_every_name() {
    let service = start().await;
    let client = service.native();
    for identity in [ADA, "nobody@example.com"] {
        let body = |captcha: Option<&str>| json!({ "identity": identity, "captcha": captcha });
        assert_eq!(client.post("/auth/srp/challenge", &body(None)).await.refusal(), required());
        let solution = solved(&client, "srp-challenge").await;
        client.post("/auth/srp/challenge", &body(Some(&solution))).await.ok(200).unwrap();
    }
}

#[tokio::test]
async fn a_request_that_comes_again_shows_its_solution_again() {
    let service = start().await;
    let client = service.native();
    let body = wish(ADA, Some(&solved(&client, "register").await));
    let send = || client.call(reqwest::Method::POST, ROUTE).header("idempotency-key", "one-of-mine").json(&body).send();
    let first = send().await.ok(201).unwrap();
    let again = send().await.ok(201).unwrap();
    assert_eq!(first.text_of("accessToken"), again.text_of("accessToken"));
    assert_eq!(client.post(ROUTE, &body).await.refusal(), invalid());
}

#[tokio::test]
async fn challenges_are_told_and_only_where_they_are_asked_for() {
    let service = Service::builder()
        .configured(work)
        .configured(|config| config.captcha.actions = vec![CaptchaAction::Register])
        .start()
        .await;
    let client = service.native();
    let ask = async |action: &str| client.post("/captcha/challenge", &json!({ "action": action })).await;
    let reply = ask("register").await.ok(200).unwrap();
    let attributes = reply.attributes();
    assert_eq!((attributes["provider"].as_str(), attributes.get("siteKey")), (Some("proof-of-work"), None));
    assert!(attributes["expiresAt"].is_string(), "{attributes}");
    for action in ["forgot", "srp-challenge", "login"] {
        assert_eq!(ask(action).await.refusal(), refusal(409, "CAPTCHA_NOT_USED"), "{action}");
    }
    for action in ["", "Register", "delete"] {
        assert_eq!(ask(action).await.refusal(), refusal(422, "VALIDATION_FAILED"), "{action}");
    }
    client.forgot(ADA).await.expect("nothing is asked for");
    let off = Service::start().await;
    let reply = off.native().post("/captcha/challenge", &json!({ "action": "register" })).await;
    assert_eq!(reply.refusal(), refusal(409, "CAPTCHA_NOT_USED"));
    off.native().register_with(&wish(ADA, Some("ignored"))).await.unwrap();
}

#[tokio::test]
async fn challenges_are_limited_by_address() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(work).start().await;
    // Slowed down from the hundredth on; the limit comes before.
    let ask = async |address: &str| {
        service.native().at(address).post("/captcha/challenge", &json!({ "action": "register" })).await
    };
    for _ in 0..60 {
        ask("198.51.100.1").await.ok(200).unwrap();
    }
    assert_eq!(ask("198.51.100.1").await.refusal(), refusal(429, "RATE_LIMITED"));
    ask("198.51.100.2").await.ok(200).unwrap();
    service.advance(Duration::from_secs(901)).await;
    ask("198.51.100.1").await.ok(200).unwrap();
}
