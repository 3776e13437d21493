//! G02: a request with an `Idempotency-Key` is served once, however often it is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Anonymous, PASSWORD, Reply, Service, refusal, tally};

const RACERS: usize = 64;

async fn post(client: &Anonymous, route: &str, key: &str, body: &Value) -> Reply {
    client.call(Method::POST, route).header("idempotency-key", key).json(body).send().await
}

fn wish(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

#[tokio::test]
async fn g02_parallel_repeats_are_served_once() {
    let service = Service::start().await;
    let answers = race(RACERS, |_| {
        let client = service.native();
        async move { post(&client, "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201) }
    });
    let (won, refused) = tally(answers.await);
    assert!(!won.is_empty());
    assert!(won.iter().all(|reply| reply.text == won[0].text), "every repeat gets the one answer");
    let expected = BTreeMap::from([(refusal(409, "IDEMPOTENCY_IN_PROGRESS"), RACERS - won.len())]);
    assert_eq!(refused, expected.into_iter().filter(|(_, times)| *times > 0).collect());

    let again = post(&service.native(), "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201).unwrap();
    assert_eq!(again.text, won[0].text);
    service.mail_settled().await;
    assert_eq!(service.codes("ada@example.com", 1).await.len(), 1);
    let mut database = service.database();
    assert_eq!((database.count("pending_registrations"), database.audited("user_registration_started")), (1, 1));
}

#[tokio::test]
async fn a_key_belongs_to_its_body_route_and_client() {
    let service = Service::builder().behind_a_proxy().start().await;
    let client = service.native().at("192.0.2.1");
    let first = post(&client, "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201).unwrap();
    let other = post(&client, "/auth/register", "key-1", &wish("bob@example.com")).await;
    assert_eq!(other.refusal(), refusal(422, "IDEMPOTENCY_KEY_REUSED"));
    for other in [service.native().at("192.0.2.2"), service.browser().at("192.0.2.1")] {
        let reply = post(&other, "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201).unwrap();
        assert_ne!(reply.text, first.text, "nobody else gets the answer");
    }
    let forgot = json!({ "identity": "ada@example.com" });
    post(&client, "/auth/password/forgot", "key-1", &forgot).await.ok(202).unwrap();
    for key in ["", &"k".repeat(129)] {
        let reply = post(&client, "/auth/register", key, &wish("eve@example.com")).await;
        assert_eq!(reply.refusal(), refusal(400, "INVALID_HEADER"));
    }
}

#[tokio::test]
async fn a_browser_gets_its_cookie_again() {
    let service = Service::start().await;
    let client = service.browser();
    let [first, again] = [
        post(&client, "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201).unwrap(),
        post(&client, "/auth/register", "key-1", &wish("ada@example.com")).await.ok(201).unwrap(),
    ];
    assert_eq!(again.text, first.text);
    assert_eq!(again.cookies(), first.cookies());
    assert!(first.cookie("keystead-client").is_some());
}

#[tokio::test]
async fn answers_with_tokens_are_kept_five_minutes_and_others_a_day() {
    let service = Service::start().await;
    let client = service.registered("ada@example.com").await.client;
    let forgot = json!({ "identity": "ada@example.com" });
    let claim = wish("bob@example.com");
    let register = || post(&client, "/auth/register", "key-1", &claim);
    let ask_again = || post(&client, "/auth/password/forgot", "key-2", &forgot);
    let first = register().await.ok(201).unwrap();
    ask_again().await.ok(202).unwrap();
    service.mail_settled().await;
    service.advance(Duration::from_secs(290)).await;
    assert_eq!(register().await.ok(201).unwrap().text, first.text);
    service.advance(Duration::from_secs(20)).await;
    assert_ne!(register().await.ok(201).unwrap().text, first.text);
    ask_again().await.ok(202).unwrap();
    service.mail_settled().await;
    assert_eq!(service.link_tokens("ada@example.com", 1).await.len(), 1, "one link");
    service.advance(Duration::from_secs(86_400)).await;
    ask_again().await.ok(202).unwrap();
    assert_eq!(service.link_tokens("ada@example.com", 2).await.len(), 2, "a day later, another");
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_an_answer_survives_a_restart() {
    let service = Service::start().await;
    let short = json!({ "email": "ada@example.com", "password": "short" });
    let reply = post(&service.native(), "/auth/register", "key-1", &short).await;
    assert_eq!(reply.refusal(), refusal(422, "PASSWORD_TOO_SHORT"));
    let body = wish("ada@example.com");
    let first = post(&service.native(), "/auth/register", "key-1", &body).await.ok(201).unwrap();

    let service = service.restart().await;
    let again = post(&service.native(), "/auth/register", "key-1", &body).await.ok(201).unwrap();
    assert_eq!(again.text, first.text);
}
