//! G01: an answer does not tell whether an account exists: same status, body, headers and number of hashes.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};

use crate::support::{Anonymous, Call, Kind, PASSWORD, Reply, Service, refusal};

/// Random, and always as long.
const SECRETS: [&str; 2] = ["accessToken", "clientId"];
/// Different each time, whatever is asked, and not always as long.
const INCIDENTAL: [&str; 2] = ["id", "expiresAt"];

/// An answer without what differs from one request to the next.
fn shape(reply: &Reply) -> (u16, BTreeMap<String, String>, Value) {
    let mut body = if reply.text.is_empty() { Value::Null } else { reply.json() };
    mask(&mut body);
    // Whether a connection is closed depends on how much of a request was read, not on what was in it.
    let headers = reply.headers.iter().filter(|(name, _)| name.as_str() != "connection").map(|(name, value)| {
        let value = value.to_str().unwrap();
        let value = match name.as_str() {
            "date" | "x-request-id" | "content-length" => "*".to_owned(),
            "ratelimit" => own_limits(value),
            name if name == SET_COOKIE => {
                value.split_once('=').map(|(name, rest)| format!("{name} {}", rest.len())).unwrap()
            }
            _ => value.to_owned(),
        };
        (name.to_string(), value)
    });
    (reply.status, headers.collect(), body)
}

/// What a `RateLimit` header says of the route. What an address may ask of all of them comes back twenty times a second: two
/// requests of one address may leave less of it than one of another.
pub(crate) fn own_limits(ratelimit: &str) -> String {
    ratelimit.split(", ").filter(|limit| !limit.starts_with("\"requests\"")).collect()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if SECRETS.contains(&name.as_str()) => *text = text.len().to_string(),
                    Value::String(text) if INCIDENTAL.contains(&name.as_str()) => text.clear(),
                    // The seconds between an answer's time and its token's.
                    Value::Number(_) if name == "expiresIn" => *member = Value::Null,
                    other => mask(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// Sends the calls, each from an address of its own, and holds their answers and hashes against the first one's.
pub(crate) async fn assert_alike(service: &Service, hashes: u64, calls: Vec<(&str, Call)>) -> Reply {
    let mut first: Option<Reply> = None;
    for (name, call) in calls {
        let before = service.hashes();
        let reply = call.send().await;
        assert_eq!(service.hashes() - before, hashes, "{name}");
        match &first {
            Some(first) => assert_eq!(shape(&reply), shape(first), "{name}"),
            None => first = Some(reply),
        }
    }
    first.unwrap()
}

/// Clients at addresses nobody used before, so that limits per address say the same to each.
pub(crate) struct Addresses<'a>(&'a Service, u8);

impl<'a> Addresses<'a> {
    pub(crate) fn new(service: &'a Service) -> Self {
        Self(service, 0)
    }

    pub(crate) fn next(&mut self, kind: Kind) -> Anonymous {
        self.1 += 1;
        self.0.client(kind).at(&format!("203.0.113.{}", self.1))
    }
}

async fn limited() -> Service {
    Service::builder().default_limits().behind_a_proxy().start().await
}

#[tokio::test]
async fn g01_login_does_the_same_for_every_name() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    let wish = json!({ "email": "ada@example.com", "username": "ada_l", "password": PASSWORD });
    let ada = service.native().register_with(&wish).await.unwrap();
    ada.verify(&service.code("ada@example.com").await).await.unwrap();
    service.native().register("pending@example.com", PASSWORD).await.unwrap();
    service.mail_settled().await;

    let (wrong, right) = ("copper-violin-meadow-17", PASSWORD);
    for kind in [Kind::Native, Kind::Browser] {
        let attempts = [
            ("unknown address", "nobody@example.com", wrong),
            ("known address", "ada@example.com", wrong),
            ("unknown username", "nobody", wrong),
            ("known username", "ada_l", wrong),
            ("unproved, right password", "pending@example.com", right),
            ("neither address nor name", "no such/name!", wrong),
            ("an empty name", " ", wrong),
        ];
        let calls = attempts.map(|(name, identity, password)| {
            let body = json!({ "identity": identity, "password": password });
            (name, addresses.next(kind).call(reqwest::Method::POST, "/auth/login").json(&body))
        });
        let reply = assert_alike(&service, 1, calls.into()).await;
        assert_eq!(reply.refusal(), refusal(401, "INVALID_CREDENTIALS"));
    }
    let too_long = "x".repeat(200);
    let calls = ["nobody@example.com", "ada@example.com"].map(|identity| {
        let body = json!({ "identity": identity, "password": too_long });
        (identity, addresses.next(Kind::Native).call(reqwest::Method::POST, "/auth/login").json(&body))
    });
    assert_alike(&service, 0, calls.into()).await;
}

#[tokio::test]
async fn g01_registering_does_the_same_for_a_taken_address() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    service.registered("ada@example.com").await;
    service.mail_settled().await;
    for kind in [Kind::Native, Kind::Browser] {
        let calls = ["new@example.com", "ada@example.com"].map(|email| {
            let body = json!({ "email": email, "password": PASSWORD });
            (email, addresses.next(kind).call(reqwest::Method::POST, "/auth/register").json(&body))
        });
        assert_eq!(assert_alike(&service, 1, calls.into()).await.status, 201);
    }
    let notices = service.mails_about("ada@example.com", "You already have an account", 2).await;
    assert!(notices.iter().all(|mail| mail.code().is_none()), "a taken address gets no code");
}

#[tokio::test]
async fn g01_a_decoy_is_proved_and_sent_again_like_a_claim() {
    let service = limited().await;
    service.registered("ada@example.com").await;
    let claims = [
        ("new", service.native().at("203.0.113.1").register("new@example.com", PASSWORD).await.unwrap()),
        ("taken", service.native().at("203.0.113.2").register("ada@example.com", PASSWORD).await.unwrap()),
    ];
    let code = service.code("new@example.com").await;
    for guess in ["000000", "123456"].into_iter().filter(|guess| *guess != code) {
        let calls = claims.each_ref().map(|(name, claim)| {
            let call = claim.call(reqwest::Method::POST, "/auth/register/verify").json(&json!({ "code": guess }));
            (*name, call)
        });
        let reply = assert_alike(&service, 0, calls.into()).await;
        assert_eq!(reply.refusal(), refusal(401, "CODE_INVALID"));
    }
    // Half a minute lies between two codes, for both.
    for (wait, status) in [(0, 202), (0, 429), (30, 202), (0, 429)] {
        service.advance(Duration::from_secs(wait)).await;
        let calls = claims.each_ref().map(|(name, claim)| {
            let body = json!({ "method": "email" });
            (*name, claim.call(reqwest::Method::POST, "/auth/login/otp").json(&body))
        });
        assert_eq!(assert_alike(&service, 0, calls.into()).await.status, status);
    }
}

#[tokio::test]
async fn g01_forgetting_does_the_same_for_every_name() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    let ada = service.registered("ada@example.com").await;
    service.mail_settled().await;
    let rows = |service: &Service| {
        let mut database = service.database();
        ["link_tokens", "outbox", "audit_events", "guess_budgets"].map(|table| database.count(table))
    };
    let names = ["nobody@example.com", "ada@example.com", "nobody", "no such/name!"];
    // The second time a link is replaced, the third time everybody is limited alike.
    for status in [202, 202, 429] {
        let calls = names.map(|identity| {
            let call = addresses.next(Kind::Native).call(reqwest::Method::POST, "/auth/password/forgot");
            (identity, call.json(&json!({ "identity": identity })))
        });
        assert_eq!(assert_alike(&service, 0, calls.into()).await.status, status);
    }
    service.mail_settled().await;
    assert_eq!(service.link_tokens("ada@example.com", 2).await.len(), 2);
    assert!(service.mails("nobody@example.com").await.is_empty());

    let before = rows(&service);
    addresses.next(Kind::Native).forgot("stranger@example.com").await.unwrap();
    let unknown = rows(&service);
    assert!(unknown.iter().zip(before).all(|(after, before)| *after >= before));
    assert_eq!(unknown[0] - before[0], 1, "a link is written for nobody, too");
    ada.verify().await.unwrap();
}
