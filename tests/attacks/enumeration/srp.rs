//! E01, E04: an answer does not tell whether somebody has the name, what they sign in with, or whether the account is closed.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_domain::account::Role;
use keystead_domain::srp::SrpPublicKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::equal_work::{Addresses, own_limits};
use crate::srp::actors::{credential, half_way, knowing, with};
use crate::srp::{BOB, EMAIL, NEW, NOBODY, WRONG, invalid_credentials, limited, srp_invalid};
use crate::support::{Anonymous, Kind, PASSWORD, Reply, Service, add_account};

/// Attributes of a challenge that are the same for one name and different for any two.
const OF_A_NAME: [&str; 3] = ["srpIdentity", "kdfSalt", "srpSalt"];
/// Attributes that are different each time.
const OF_A_CHALLENGE: [&str; 3] = ["serverPublicKey", "sealed", "expiresAt"];

/// An answer without what differs from one request to the next, of which the length stays.
fn shape(reply: &Reply) -> (u16, BTreeMap<String, String>, Value) {
    let mut body = reply.json();
    if let Some(attributes) = body.pointer_mut("/data/attributes") {
        for name in OF_A_NAME.into_iter().chain(OF_A_CHALLENGE) {
            let text = attributes[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", reply.text));
            // One B in 256 is a byte shorter, one time in ten a digit: neither is written with zeros that say nothing.
            let varies = ["serverPublicKey", "expiresAt"].contains(&name);
            attributes[name] = if varies { json!(null) } else { json!(text.len()) };
        }
    }
    for place in ["/data/id", "/errors/0/id"] {
        if let Some(id) = body.pointer_mut(place) {
            *id = json!(id.as_str().unwrap().len());
        }
    }
    let headers = reply.headers.iter().filter(|(name, _)| name.as_str() != "connection").map(|(name, value)| {
        let value = value.to_str().unwrap();
        let value = match name.as_str() {
            "date" | "x-request-id" | "content-length" => "*".to_owned(),
            "ratelimit" => own_limits(value),
            _ => value.to_owned(),
        };
        (name.to_string(), value)
    });
    (reply.status, headers.collect(), body)
}

/// Names of every kind of account there is, and of nobody.
pub(super) async fn names(service: &Service) -> Vec<(&'static str, String)> {
    let at = |number: u8| service.native().at(&format!("192.0.2.{number}"));
    let register = async |number: u8, route: &str, wish: Value| {
        let email = wish["email"].as_str().unwrap().to_owned();
        let reply = at(number).post(route, &wish).await.ok(201).unwrap();
        let half_way = half_way(&at(number), &reply);
        half_way.verify(&service.code(&email).await).await.unwrap()
    };
    let by_srp = |email: &str| with(credential(PASSWORD), json!({ "email": email }));
    register(1, "/auth/srp/register", with(by_srp(EMAIL), json!({ "username": "ada_l" }))).await;
    register(2, "/auth/register", json!({ "email": BOB, "password": PASSWORD })).await;
    register(3, "/auth/register", json!({ "email": "codes@example.com" })).await;
    let both = register(4, "/auth/register", json!({ "email": "both@example.com", "password": PASSWORD })).await;
    both.add_srp(NEW).await.unwrap();
    register(5, "/auth/srp/register", by_srp("banned@example.com")).await;
    register(6, "/auth/register", json!({ "email": "shut@example.com", "password": PASSWORD })).await;
    at(7).srp_register("pending@example.com", PASSWORD).await.unwrap();
    let operator = service.other_process().await;
    add_account(&operator, "made@example.com", Role::User).await;
    for banned in ["banned@example.com", "shut@example.com"] {
        operator.operator.set_banned(banned, true).await.unwrap();
    }
    service.mail_settled().await;
    [
        ("SRP", EMAIL),
        ("SRP, by username", "ada_l"),
        ("nobody", NOBODY),
        ("nobody's username", "nobody"),
        ("nobody's number", "+442079460923"),
        ("a password", BOB),
        ("neither", "codes@example.com"),
        ("both", "both@example.com"),
        ("SRP, banned", "banned@example.com"),
        ("a password, banned", "shut@example.com"),
        ("not proved yet", "pending@example.com"),
        ("made by an operator", "made@example.com"),
        ("no address", "no such/name!"),
        ("nothing", " "),
    ]
    .map(|(what, name)| (what, name.to_owned()))
    .into()
}

pub(super) async fn limited_service() -> Service {
    let passwordless = |config: &mut keystead_api_actix::config::Config| config.login.passwordless = true;
    Service::builder().default_limits().behind_a_proxy().configured(passwordless).start().await
}

#[tokio::test]
async fn g01_e04_a_challenge_looks_the_same_for_every_name() {
    let service = limited_service().await;
    let names = names(&service).await;
    let mut addresses = Addresses::new(&service);
    for kind in [Kind::Native, Kind::Browser] {
        let mut first = None;
        for (what, name) in &names {
            let reply = addresses.next(kind).srp_challenge_reply(name).await.ok(200).unwrap();
            let attributes = reply.attributes();
            assert_eq!(attributes["kdf"], json!({ "n": 131_072, "r": 8, "p": 1 }), "{what}");
            let key = attributes["serverPublicKey"].as_str().unwrap();
            // In range, and as likely as any other: nearly as long as N.
            SrpPublicKey::try_new(key).unwrap();
            assert!((1018..=1024).contains(&key.len()), "{what}: {key}");
            assert!(!attributes["srpSalt"].as_str().unwrap().starts_with("00"), "{what}");
            let shape = shape(&reply);
            match &first {
                Some(first) => assert_eq!(&shape, first, "{what}"),
                None => first = Some(shape),
            }
        }
    }
}

#[tokio::test]
async fn g01_e01_a_wrong_answer_looks_the_same_for_every_name() {
    let service = limited_service().await;
    let names = names(&service).await;
    let mut addresses = Addresses::new(&service);
    let mut next = || addresses.next(Kind::Native);
    // What is hashed is nobody's password: nothing, for anybody.
    let hashes = service.hashes();
    let mut first = None;
    for (what, name) in &names {
        let client = next();
        let login = client.srp_answer(name, WRONG).await.attributes(name);
        let wrong = client.srp_send(&login).await;
        assert_eq!(wrong.refusal(), srp_invalid(), "{what}");
        let shape = shape(&wrong);
        match &first {
            Some(first) => assert_eq!(&shape, first, "{what}"),
            None => first = Some(shape),
        }
    }
    assert_eq!(service.hashes(), hashes);
    // A challenge of nobody's is used up by its answer as everybody's is, and gives a guess back as everybody's does.
    for name in [NOBODY, "both@example.com"] {
        let login = next().srp_answer(name, WRONG).await.attributes(name);
        for _ in 0..12 {
            assert_eq!(next().srp_send(&login).await.refusal(), srp_invalid(), "{name}");
        }
        for _ in 0..8 {
            assert_eq!(next().srp_login(name, WRONG).await.unwrap_err(), srp_invalid(), "{name}");
        }
        assert_eq!(next().srp_login(name, WRONG).await.unwrap_err(), limited(), "{name}");
    }
}

#[tokio::test]
async fn g01_e01_an_srp_account_at_the_login_of_passwords_is_nobody() {
    let service = limited_service().await;
    let names = names(&service).await;
    let mut addresses = Addresses::new(&service);
    let calls: Vec<_> = names
        .iter()
        .map(|(what, name)| {
            let body = json!({ "identity": name, "password": WRONG });
            (*what, addresses.next(Kind::Native).call(Method::POST, "/auth/login").json(&body))
        })
        .collect();
    let reply = crate::equal_work::assert_alike(&service, 1, calls).await;
    assert_eq!(reply.refusal(), invalid_credentials());
}

/// What a name is told that stays.
async fn told(client: &Anonymous, name: &str) -> Vec<Value> {
    let attributes = client.srp_challenge_reply(name).await.ok(200).unwrap().attributes();
    OF_A_NAME.iter().map(|attribute| attributes[attribute].clone()).collect()
}

#[tokio::test]
async fn e04_what_a_name_is_told_stays_over_time_replicas_restarts_and_keys() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    service.registered(BOB).await;
    let names = [EMAIL, BOB, NOBODY, "nobody", "+442079460923"];
    let all = async |service: &Service| {
        let mut all = Vec::new();
        for replica in service.api().each() {
            let client = service.native().through(&replica);
            let mut here = Vec::new();
            for name in names {
                here.push(told(&client, name).await);
            }
            all.push(here);
        }
        assert!(all.iter().all(|here| *here == all[0]), "every replica says the same");
        all.swap_remove(0)
    };
    let first = all(&service).await;
    for nth in 1..first.len() {
        assert!(first[nth].iter().zip(&first[0]).all(|(one, other)| one != other), "a name has values of its own");
    }
    // However the name is written.
    let client = service.native();
    for (one, other) in [(NOBODY, "Nobody@Example.COM"), ("nobody", " NOBODY "), (BOB, "BOB@example.com")] {
        assert_eq!(told(&client, one).await, told(&client, other).await, "{other}");
    }
    // B and what is sealed are fresh.
    for name in names {
        let replies = [client.srp_challenge_reply(name).await, client.srp_challenge_reply(name).await];
        let [one, other] = replies.map(|reply| reply.ok(200).unwrap().attributes());
        for attribute in ["serverPublicKey", "sealed"] {
            assert_ne!(one[attribute], other[attribute], "{name}");
        }
    }
    service.advance(Duration::from_secs(40 * 86_400)).await;
    service.ready().await;
    assert_eq!(all(&service).await, first, "forty days later");
    let service = service.restart().await;
    assert_eq!(all(&service).await, first, "after a restart");

    for turn in 0..2 {
        for key in ["mac", "seal", "audit"] {
            service.command(&["key", "rotate"], &["--use", key]).ok();
        }
        let service = service_with_new_keys(&service).await;
        assert_eq!(all(service).await, first, "after {turn} rotations and one");
        // Logins go on.
        service.native().srp_login(EMAIL, PASSWORD).await.unwrap();
    }
    let service = service.restart().await;
    assert_eq!(all(&service).await, first, "after rotations and a restart");
    service.native().srp_login(EMAIL, PASSWORD).await.unwrap();
}

/// The service once it uses the keys that were just made: a minute later, and as soon as it has read them.
async fn service_with_new_keys(service: &Service) -> &Service {
    service.advance(Duration::from_secs(61)).await;
    service.ready().await;
    service
}

#[tokio::test]
async fn s03_a_challenge_under_an_older_key_is_answered_under_a_newer_one() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    // New keys are used a minute after they were made: this challenge is of the old ones.
    service.command(&["key", "rotate"], &["--use", "all"]).ok();
    let login = client.srp_answer(EMAIL, PASSWORD).await;
    service_with_new_keys(&service).await;
    let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
    assert!(login.accepts(&reply.text_of("serverProof").unwrap()));
    let challenge = client.srp_challenge(EMAIL).await;
    let login = knowing(PASSWORD).answer(&challenge).unwrap();
    client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
}
