//! Z01: what is somebody else's is as if it were nobody's, whatever names it: a path, a query, a header.

use keystead_api_actix::authorization::{Admits, RULES, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::support::{Digest, assert_refused};
use crate::attacks::webauthn::Site;
use crate::support::{Call, Reply, Service, SignedIn, refusal};

/// Nobody's, of each form an identifier here can have.
const NOBODYS: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const NO_SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What of hers a path names, and what of its form is nobody's.
fn named(rule: &Rule, hers: &Hers) -> [String; 2] {
    match rule.path {
        path if path.contains("/sessions/") => [hers.session.clone(), NO_SESSION.into()],
        path if path.contains("{jti}") => [hers.token.clone(), format!("{NO_SESSION}.AAAAAAAAAAAAAAAA")],
        path if path.contains("/contacts/") => [hers.contact.clone(), NOBODYS.into()],
        _ => [hers.passkey.clone(), NOBODYS.into()],
    }
}

struct Hers {
    session: String,
    token: String,
    contact: String,
    passkey: String,
}

/// What a route takes: nothing wrong but whose it is.
fn call(who: &SignedIn, rule: &Rule, id: &str) -> Call {
    let route = rule.path.strip_prefix("/api/v1").unwrap().replace("{id}", id).replace("{jti}", id);
    let call = who.call(Method::from_bytes(rule.method.as_bytes()).unwrap(), &route);
    match (rule.method, rule.path.rsplit('/').next().unwrap(), rule.path.contains("/contacts/")) {
        ("POST", "verify", _) => call.json(&json!({ "code": "000000" })),
        ("PATCH", _, true) => call.json(&json!({ "otpEnabled": true })),
        ("PATCH", _, false) => call.json(&json!({ "name": "Mallory's" })),
        _ => call,
    }
}

/// An answer without what is of its own request: its number, and whether its body was read before the path was known to
/// name nothing.
fn told(reply: &Reply) -> (u16, Vec<&str>, Value) {
    let mut document = reply.json();
    document["errors"][0]["id"].take();
    let names = reply.header_names().into_iter().filter(|name| *name != "connection").collect();
    (reply.status, names, document)
}

#[tokio::test]
async fn z01_what_is_somebody_elses_is_answered_as_if_it_were_nobodys() {
    let site = Site::start().await;
    let service = &site.service;
    let (ada, passkey) = site.with_passkey("ada@example.com").await;
    let mallory = service.enrolled("mallory@example.com").await.0;
    let hers = Hers {
        session: ada.session_id().to_owned(),
        token: ada.token_id.clone(),
        contact: ada.contact("email").await,
        passkey: passkey.row.clone(),
    };
    let before = Digest::of(service).await;
    let rules: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| rule.admits == Admits::SignedIn && rule.path.contains('{') && !rule.path.contains("{provider}"))
        .collect();
    assert!(rules.len() >= 7, "{rules:?}");
    for rule in rules {
        let [of_ada, of_nobody] = named(rule, &hers);
        let expected = call(&mallory, rule, &of_nobody).send().await;
        assert_refused(&format!("{} {of_nobody}", rule.path), &expected, 404, "NOT_FOUND");
        let neighbour: String = of_ada.chars().map(|c| if c.is_ascii_digit() { '1' } else { c }).collect();
        for id in
            [of_ada.as_str(), &of_ada.to_uppercase(), &neighbour, "*", "null", "me", "0", "-1", "%00", "%25", "[]"]
        {
            let reply = call(&mallory, rule, id).send().await;
            assert_eq!(told(&reply), told(&expected), "{id} at {} {}", rule.method, rule.path);
        }
    }
    before.is_still_that_of(service).await;
    ada.verify().await.expect("she is still signed in");
}

#[tokio::test]
async fn z01_whose_it_is_says_the_token_and_nothing_else() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let mallory = service.registered("mallory@example.com").await;
    let id = ada.user_id();
    let before = Digest::of(&service).await;
    for route in ["/users/me", "/sessions", "/login-history", "/contacts", "/passkeys", "/users/me/export"] {
        let own = mallory.get(route).await.unwrap();
        for header in
            ["x-user-id", "x-user", "x-authenticated-user", "x-forwarded-user", "remote-user", "user-id", "from"]
        {
            let call = mallory.call(Method::GET, route).header(header, &id);
            let told = call.send().await.ok(200).unwrap().json();
            assert!(!told.to_string().contains(&id), "{header} at {route}: {told}");
            if !route.ends_with("export") {
                assert_eq!(told["data"], own["data"], "{header} at {route}");
            }
        }
        for parameter in ["id", "user", "userId", "user_id", "filter[user]", "sub", "email"] {
            let reply = mallory.call(Method::GET, &format!("{route}?{parameter}={id}")).send().await;
            assert_refused(&format!("{parameter} at {route}"), &reply, 400, "UNKNOWN_PARAMETER");
        }
    }
    for route in [format!("/users/{id}"), format!("/users/me/{id}"), format!("/users/{id}/sessions"), "/users".into()] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let reply = mallory.call(method.clone(), &route).send().await;
            assert_refused(&format!("{method} {route}"), &reply, 404, "NOT_FOUND");
        }
    }
    for parameter in ["all=true&user", "userId", "id"] {
        let reply = mallory.call(Method::DELETE, &format!("/sessions?{parameter}={id}")).send().await;
        assert_refused(parameter, &reply, 400, "UNKNOWN_PARAMETER");
    }
    before.is_still_that_of(&service).await;
    // All of one's sessions are all of one's own.
    mallory.end_all_sessions().await.unwrap();
    assert_eq!(mallory.refused().await, refusal(401, "TOKEN_REVOKED"));
    ada.verify().await.expect("hers is not among them");
}
