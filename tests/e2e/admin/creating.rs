//! Accounts that administrators make.

use std::collections::BTreeMap;

use keystead_domain::account::Role;
use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, GRACE, NOBODYS, PHONE};
use crate::support::{PASSWORD, Reply, Service, refusal, tally};

async fn activate(service: &Service, token: &str, password: &str) -> Reply {
    service.native().post("/auth/activate", &json!({ "token": token, "password": password })).await
}

#[tokio::test]
async fn the_link_goes_to_the_owner_only_works_once_and_signs_in() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let wish =
        json!({ "email": GRACE, "username": "grace", "fullName": "Grace Hopper", "locale": "en", "role": "admin" });
    let reply = chief.create_user_reply(&wish).await.ok(201).unwrap();
    let attributes = reply.attributes();
    for (name, value) in [
        ("email", json!(GRACE)),
        ("phone", Value::Null),
        ("username", json!("grace")),
        ("fullName", json!("Grace Hopper")),
        ("locale", json!("en")),
        ("role", json!("admin")),
        ("isActive", json!(true)),
        ("status", json!("active")),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    assert_eq!(chief.managed(&reply.id()).await.unwrap(), attributes);
    assert_eq!(service.native().login(GRACE, PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));

    let token = service.link_tokens(GRACE, 1).await.remove(0);
    service.mail_settled().await;
    assert_eq!(service.mails(GRACE).await.len(), 1, "one mail, and nothing besides");
    assert!(!reply.text.contains(&token) && !reply.text.contains("activate"), "{}", reply.text);
    assert!(service.mails("super-admin@example.com").await.iter().all(|mail| mail.link_token().is_none()));
    for rows in service.database().dump(&[]).values() {
        assert!(rows.iter().all(|row| !row.contains(&token)), "the link is at rest");
    }
    assert_eq!(activate(&service, &token, "short").await.refusal(), refusal(422, "PASSWORD_TOO_SHORT"));
    let own = activate(&service, &token, "Grace Hopper").await.refusal();
    assert_eq!(own, refusal(422, "PASSWORD_OWN_WORDS"), "and the link is still good");
    let signed_in = activate(&service, &token, PASSWORD).await.ok(200).unwrap();
    assert_eq!(signed_in.text_of("state").as_deref(), Some("authorized"));
    let me = service.native().call(Method::GET, "/users/me");
    let me = me.bearer(&signed_in.text_of("accessToken").unwrap());
    let me = me.header("keystead-client-id", &signed_in.text_of("clientId").unwrap()).send().await;
    assert_eq!(me.ok(200).unwrap().id(), reply.id());
    for password in [PASSWORD, "copper-violin-meadow-17"] {
        assert_eq!(activate(&service, &token, password).await.refusal(), refusal(401, "LINK_INVALID"));
    }
    let grace = service.native().login(GRACE, PASSWORD).await.unwrap();
    assert_eq!(grace.claims()["role"], "admin");
    assert_eq!(service.database().audited("user_created_by_admin"), 1);
}

#[tokio::test]
async fn the_link_comes_by_text_message_where_there_is_a_number_only() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let made = admin.create_user(&json!({ "phone": "+44 20 7946 0923" })).await.unwrap();
    assert_eq!((&made["attributes"]["phone"], &made["attributes"]["email"]), (&json!(PHONE), &Value::Null));
    let token = service.link_tokens(PHONE, 1).await.remove(0);
    activate(&service, &token, PASSWORD).await.ok(200).unwrap();
    let person = service.native().login(PHONE, PASSWORD).await.unwrap();
    assert_eq!(person.user_id(), made["id"].as_str().unwrap());
}

#[tokio::test]
async fn a_link_that_was_not_opened_ends_with_the_account_and_with_a_ban() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    for (email, is_deleted) in [(ADA, true), (BOB, false)] {
        let made = admin.create_user(&json!({ "email": email })).await.unwrap();
        let id = made["id"].as_str().unwrap();
        let token = service.link_tokens(email, 1).await.remove(0);
        if is_deleted {
            admin.delete_user(id).await.unwrap();
        } else {
            admin.ban(id).await.unwrap();
        }
        assert_eq!(activate(&service, &token, PASSWORD).await.refusal(), refusal(401, "LINK_INVALID"), "{email}");
    }
}

#[tokio::test]
async fn who_did_not_open_the_link_yet_gets_another_with_a_new_role() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let made = chief.create_user(&json!({ "email": GRACE })).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let first = service.link_tokens(GRACE, 1).await.remove(0);
    chief.set_role(id, Role::Admin).await.unwrap();
    service.mail_settled().await;
    let links = service.link_tokens(GRACE, 2).await;
    let second = links.iter().find(|link| **link != first).unwrap();
    assert_eq!(activate(&service, &first, PASSWORD).await.refusal(), refusal(401, "LINK_INVALID"));
    activate(&service, second, PASSWORD).await.ok(200).unwrap();
    assert_eq!(service.native().login(GRACE, PASSWORD).await.unwrap().claims()["role"], "admin");
}

#[tokio::test]
async fn a01_what_no_administrator_may_set_is_refused_and_nothing_is_made() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let (users, events) = (service.database().count("users"), service.events());
    for name in NOBODYS.into_iter().chain(["isActive"]) {
        for value in [json!(PASSWORD), json!(true), json!({ "a": 1 })] {
            let reply = chief.create_user_reply(&json!({ "email": GRACE, name: value })).await;
            assert_eq!(reply.refusal(), refusal(422, "UNKNOWN_ATTRIBUTE"), "{name}");
            assert_eq!(reply.json()["errors"][0]["source"]["pointer"], format!("/{name}"), "{}", reply.text);
            assert!(!reply.text.contains(PASSWORD), "no value is echoed");
        }
    }
    let all = json!({ "email": GRACE, "phone": PHONE });
    for (wish, code, pointer) in [
        (json!({}), "MISSING_ATTRIBUTE", "/email"),
        (json!({ "username": "grace" }), "MISSING_ATTRIBUTE", "/email"),
        (all, "VALIDATION_FAILED", "/phone"),
        (json!({ "email": "grace" }), "INVALID_EMAIL", "/email"),
        (json!({ "email": "grace@x.example\r\nBcc: v@x.example" }), "INVALID_EMAIL", "/email"),
        (json!({ "phone": "12" }), "INVALID_PHONE", "/phone"),
        (json!({ "email": GRACE, "username": "grace@example.com" }), "INVALID_USERNAME", "/username"),
        (json!({ "email": GRACE, "fullName": "see https://evil.example" }), "INVALID_FULL_NAME", "/fullName"),
        (json!({ "email": GRACE, "locale": "english please" }), "INVALID_LOCALE", "/locale"),
        (json!({ "email": GRACE, "role": "root" }), "INVALID_ROLE", "/role"),
        (json!({ "email": GRACE, "role": ["user", "super-admin"] }), "WRONG_TYPE", "/role"),
        (json!({ "email": [GRACE] }), "WRONG_TYPE", "/email"),
    ] {
        let reply = chief.create_user_reply(&wish).await;
        assert_eq!(reply.refusal(), refusal(422, code), "{wish}: {}", reply.text);
        assert_eq!(reply.json()["errors"][0]["source"]["pointer"], pointer, "{}", reply.text);
    }
    let attributes = json!({ "email": GRACE });
    for (document, status, code) in [
        (json!({ "data": { "type": "admins", "attributes": attributes } }), 409, "TYPE_CONFLICT"),
        (json!({ "data": [{ "type": "users", "attributes": attributes }] }), 422, "WRONG_TYPE"),
        (
            json!({ "data": { "type": "users", "attributes": attributes, "relationships": {} } }),
            422,
            "UNKNOWN_ATTRIBUTE",
        ),
        (json!({ "data": { "type": "users", "attributes": attributes, "lid": "1" } }), 422, "UNKNOWN_ATTRIBUTE"),
        (json!({ "data": { "type": "users", "attributes": attributes }, "included": [] }), 422, "UNKNOWN_ATTRIBUTE"),
    ] {
        let call = chief.call(Method::POST, "/admin/users").json(&document).without("content-type");
        let reply = call.header("content-type", "application/vnd.api+json").send().await;
        assert_eq!(reply.refusal(), refusal(status, code), "{document}: {}", reply.text);
    }
    assert_eq!((service.database().count("users"), service.events()), (users, events));
    service.mail_settled().await;
    assert_eq!(service.mails(GRACE).await.len(), 0);
}

#[tokio::test]
async fn nobody_makes_an_account_above_their_own() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let users = service.database().count("users");
    let reply = admin.create_user_reply(&json!({ "email": GRACE, "role": "super-admin" })).await;
    assert_eq!(reply.refusal(), refusal(403, "FORBIDDEN"));
    assert_eq!(service.database().count("users"), users);
    admin.create_user(&json!({ "email": GRACE, "role": "admin" })).await.expect("as high as one's own");
}

#[tokio::test]
async fn taken_names_are_told_and_pointed_at() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    admin.create_user(&json!({ "email": ADA, "username": "ada" })).await.unwrap();
    admin.create_user(&json!({ "phone": PHONE })).await.unwrap();
    let (users, events) = (service.database().count("users"), service.events());
    for (wish, code, attribute) in [
        (json!({ "email": "ADA@example.com" }), "EMAIL_TAKEN", "email"),
        (json!({ "phone": PHONE }), "PHONE_TAKEN", "phone"),
        (json!({ "email": BOB, "username": "ADA" }), "USERNAME_TAKEN", "username"),
    ] {
        let reply = admin.create_user_reply(&wish).await;
        assert_eq!(reply.refusal(), refusal(409, code), "{wish}");
        assert_eq!(reply.json()["errors"][0]["source"]["pointer"], format!("/{attribute}"));
        let document = json!({ "data": { "type": "users", "attributes": wish } });
        let call = admin.call(Method::POST, "/admin/users").json(&document).without("content-type");
        let reply = call.header("content-type", "application/vnd.api+json").send().await;
        assert_eq!(reply.refusal(), refusal(409, code), "{wish}");
        assert_eq!(reply.json()["errors"][0]["source"]["pointer"], format!("/data/attributes/{attribute}"));
    }
    assert_eq!((service.database().count("users"), service.events()), (users, events));
}

#[tokio::test]
async fn g02_repeats_of_a_request_make_one_account() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let create = |email: &'static str| {
        let call = admin.call(Method::POST, "/admin/users").header("idempotency-key", "key-1");
        async move { call.json(&json!({ "email": email })).send().await.ok(201) }
    };
    let (won, refused) = tally(race(16, |_| create(GRACE)).await);
    let late = BTreeMap::from([(refusal(409, "IDEMPOTENCY_IN_PROGRESS"), 16 - won.len())]);
    assert_eq!(refused, late.into_iter().filter(|(_, times)| *times > 0).collect());
    for _ in 0..2 {
        let again = create(GRACE).await.unwrap();
        assert!(won.iter().all(|reply| reply.text == again.text), "every repeat gets the one answer");
    }
    assert_eq!(create(BOB).await.unwrap_err(), refusal(422, "IDEMPOTENCY_KEY_REUSED"));
    service.mail_settled().await;
    assert_eq!(service.mails(GRACE).await.len(), 1);
    let mut database = service.database();
    assert_eq!((database.count("users"), database.audited("user_created_by_admin")), (2, 1));
}

#[tokio::test]
async fn g02_one_address_raced_for_by_administrators_and_its_owner_becomes_one_account() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    for round in 0..3 {
        let email = format!("grace{round}@example.com");
        let owner = service.native().register(&email, PASSWORD).await.unwrap();
        let code = service.code(&email).await;
        let answers = race(16, |racer| {
            let (admin, owner, code) = (admin.clone(), owner.clone(), code.clone());
            let wish = json!({ "email": email });
            async move {
                if racer == 0 { owner.verify(&code).await.map(drop) } else { admin.create_user(&wish).await.map(drop) }
            }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!(won.len(), 1, "{refused:?}");
        assert!(refused.keys().all(|why| ["EMAIL_TAKEN", "CODE_INVALID"].contains(&why.code.as_str())), "{refused:?}");
    }
    assert_eq!(service.database().count("users"), 4);
}
