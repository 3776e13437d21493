//! E01 to E03: names nobody has, and names somebody has.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::srp::{limited_service, names};
use crate::attacks::support::Digest;
use crate::equal_work::{Addresses, assert_alike};
use crate::support::{Anonymous, HalfWay, Kind, PASSWORD, Reply, Service, SignedIn, refusal};

const WRONG: &str = "granite-otter-sunday-93";

#[tokio::test]
async fn e01_a_login_that_fails_says_nothing_but_that_it_failed() {
    let service = limited_service().await;
    let names = names(&service).await;
    let mut addresses = Addresses::new(&service);
    // Each try is one of the ten that the account, or the name, has.
    let before = Digest::without(&service, &["guess_budgets"]).await;
    let attempt = |client: Anonymous, name: &str, password: &str| {
        client.call(Method::POST, "/auth/login").json(&json!({ "identity": name, "password": password }))
    };
    for kind in [Kind::Native, Kind::Browser] {
        let mut calls: Vec<_> =
            names.iter().map(|(what, name)| (*what, attempt(addresses.next(kind), name, WRONG))).collect();
        // What nobody may know is that the password of a claim was right.
        calls.push(("a claim, right", attempt(addresses.next(kind), "pending@example.com", PASSWORD)));
        let tried = calls.len();
        let told = Digest::without(&service, &["guess_budgets"]).await;
        let reply = assert_alike(&service, 1, calls).await;
        assert_eq!(reply.refusal(), refusal(401, "INVALID_CREDENTIALS"));
        told.is_still_that_of_but_for(&service, &[("authn_login_fail", tried)]).await;
    }
    before.is_still_that_of(&service).await;
    // The right password of a closed account may be told so, at the cost of the same hash.
    for (name, told) in [
        ("shut@example.com", refusal(403, "ACCOUNT_INACTIVE")),
        ("no@example.com", refusal(401, "INVALID_CREDENTIALS")),
    ] {
        let hashes = service.hashes();
        assert_eq!(addresses.next(Kind::Native).login(name, PASSWORD).await.unwrap_err(), told);
        assert_eq!(service.hashes() - hashes, 1, "{name}");
    }
}

/// Everything but what a claim and its mails are.
const OF_CLAIMS: [&str; 4] = ["pending_registrations", "ceremonies", "messages", "guess_budgets"];

#[tokio::test]
async fn e02_a_taken_address_is_registered_like_a_free_one_and_its_owner_told() {
    const ADA: &str = "ada@example.com";
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let mut addresses = Addresses::new(&service);
    let ada = service.registered_at(&addresses.next(Kind::Native), ADA).await;
    let before = Digest::without(&service, &OF_CLAIMS).await;
    let mut claims: Vec<(String, HalfWay)> = Vec::new();
    for (nth, kind) in [Kind::Native, Kind::Browser].into_iter().enumerate() {
        let free = format!("new{nth}@example.com");
        let calls = [free.as_str(), ADA, "ADA@Example.com"].map(|email| {
            let body = json!({ "email": email, "password": WRONG });
            ("register", addresses.next(kind).call(Method::POST, "/auth/register").json(&body))
        });
        assert_eq!(assert_alike(&service, 1, calls.into()).await.status, 201);
    }
    for email in ["free@example.com", ADA] {
        claims.push((email.to_owned(), addresses.next(Kind::Native).register(email, WRONG).await.unwrap()));
    }
    // Codes sent again, and codes that are wrong.
    service.advance(Duration::from_secs(31)).await;
    for (route, body, status) in [
        ("/auth/login/otp", json!({ "method": "email" }), 202),
        ("/auth/login/otp", json!({ "method": "email" }), 429),
        ("/auth/register/verify", json!({ "code": "000000" }), 401),
    ] {
        let calls = claims.iter().map(|(_, claim)| (route, claim.call(Method::POST, route).json(&body))).collect();
        let reply = assert_alike(&service, 0, calls).await;
        // One in a million is right.
        assert_eq!(reply.status, status, "{route}");
    }
    before.is_still_that_of(&service).await;
    let told = service.mails_about(ADA, "You already have an account", 1).await;
    assert!(told.iter().all(|mail| mail.code().is_none() && mail.link_token().is_none()));
    assert_eq!(service.native().login(ADA, WRONG).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    ada.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn e02_a_taken_address_is_moved_to_like_a_free_one_and_its_owner_told() {
    let service = Service::start().await;
    let bob = service.registered("bob@example.com").await;
    let people = [
        ("free@example.com", service.registered("ada@example.com").await),
        ("bob@example.com", service.registered("eve@example.com").await),
    ];
    let before =
        Digest::without(&service, &["pending_contacts", "ceremonies", "messages", "guess_budgets", "factor_failures"])
            .await;
    let mut told: Vec<(u16, Vec<String>, Vec<String>)> = Vec::new();
    for (address, person) in &people {
        let body = json!({ "kind": "email", "address": address });
        let reply = person.call(Method::POST, "/contacts").json(&body).send().await;
        told.push((reply.status, words(&reply.header_names()), members(&reply.json())));
        let listed = person.contacts().await.unwrap();
        told.push((listed.len().try_into().unwrap(), Vec::new(), members(&json!(listed))));
        let pending = reply.id();
        for _ in 0..6 {
            let call = person.call(Method::POST, &format!("/contacts/{pending}/verify"));
            let reply = call.json(&json!({ "code": "000000" })).send().await;
            told.push((reply.status, words(&reply.header_names()), vec![reply.refusal().code]));
        }
    }
    let (free, taken) = told.split_at(told.len() / 2);
    assert_eq!(free, taken);
    before.is_still_that_of(&service).await;
    assert_eq!(service.mails_about("bob@example.com", "You already have an account", 1).await.len(), 1);
    assert_eq!(bob.profile().await.unwrap()["email"], "bob@example.com");
}

fn words(names: &[&str]) -> Vec<String> {
    // Whether a connection is closed depends on how much of a request was read, not on what was in it.
    names.iter().filter(|name| **name != "connection").map(|name| (*name).to_owned()).collect()
}

/// The names of all members of a document, in order.
fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            object.iter().flat_map(|(name, value)| std::iter::once(name.clone()).chain(members(value))).collect()
        }
        Value::Array(items) => items.iter().flat_map(members).collect(),
        _ => Vec::new(),
    }
}

/// What an answer says of limits, without how long they still are.
fn limits(reply: &Reply) -> (u16, Vec<String>, BTreeMap<String, String>) {
    let policy = reply.headers.iter().filter(|(name, _)| name.as_str().contains("limit"));
    // `;r=` is what is left, `;t=` until when.
    let shown = policy.map(|(name, value)| {
        let value = value.to_str().unwrap().split(";t=").next().unwrap().to_owned();
        (name.to_string(), value)
    });
    (reply.status, words(&reply.header_names()), shown.collect())
}

/// Asked again and again, from one address for each name, until long after the limits were reached.
async fn story(
    client: &Anonymous,
    route: &str,
    body: &Value,
    times: usize,
) -> Vec<(u16, Vec<String>, BTreeMap<String, String>)> {
    let mut story = Vec::new();
    for _ in 0..times {
        story.push(limits(&client.post(route, body).await));
    }
    story
}

#[tokio::test]
async fn e03_limits_come_for_names_nobody_has_as_for_others() {
    let service = limited_service().await;
    let mut addresses = Addresses::new(&service);
    let known: SignedIn = service.registered_at(&addresses.next(Kind::Native), "ada@example.com").await;
    service.registered_at(&addresses.next(Kind::Native), "banned@example.com").await;
    service.other_process().await.operator.set_banned("banned@example.com", true).await.unwrap();
    service.mail_settled().await;
    let before = Digest::without(&service, &["link_tokens", "ceremonies", "messages", "guess_budgets"]).await;
    for (route, times, limited) in
        [("/auth/password/forgot", 6, 3), ("/auth/passwordless", 8, 6), ("/auth/login", 13, 11)]
    {
        let mut first: Option<Vec<_>> = None;
        for name in ["nobody@example.com", "ada@example.com", "banned@example.com", "nobody"] {
            let body = match route {
                "/auth/login" => json!({ "identity": name, "password": WRONG }),
                _ => json!({ "identity": name }),
            };
            let before = service.hashes();
            let story = story(&addresses.next(Kind::Native), route, &body, times).await;
            let hashed = usize::try_from(service.hashes() - before).unwrap();
            assert_eq!(hashed, if route == "/auth/login" { limited - 1 } else { 0 }, "{route} {name}");
            let statuses: Vec<u16> = story.iter().map(|(status, ..)| *status).collect();
            let reached = statuses.iter().position(|status| *status == 429).map(|nth| nth + 1);
            assert_eq!(reached, Some(limited), "{route} {name}: {statuses:?}");
            match &first {
                None => first = Some(story),
                Some(first) => assert_eq!(&story, first, "{route} {name}"),
            }
        }
    }
    before.is_still_that_of(&service).await;
    for nobody in ["nobody@example.com", "banned@example.com"] {
        let sent = service.mails(nobody).await;
        let links = sent.iter().filter(|mail| mail.link_token().is_some() || mail.subject.starts_with("Log in to"));
        assert_eq!(links.count(), 0, "{nobody}");
    }
    assert_eq!(service.link_tokens("ada@example.com", 2).await.len(), 2);
    known.verify().await.unwrap();
}
