//! G01 on the routes of second factors: what is answered, and how much is hashed, is the same whoever it is about.

use reqwest::Method;
use serde_json::{Value, json};

use crate::equal_work::{Addresses, assert_alike};
use crate::factors::{EMAIL, PHONE, other_than, otp_invalid, with_phones, without_passwords};
use crate::support::{Kind, Mail, PASSWORD, Service, refusal};

const WRONG: &str = "granite-otter-sunday-93";

async fn limited() -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        without_passwords(config);
        with_phones(config);
    };
    Service::builder().default_limits().behind_a_proxy().configured(change).start().await
}

#[tokio::test]
async fn g01_a_login_tells_of_an_enrolled_factor_only_who_knows_the_password() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    service.registered_at(&addresses.next(Kind::Native), EMAIL).await.enrol(&service).await;
    service.registered_at(&addresses.next(Kind::Native), "plain@example.com").await;
    let wish = json!({ "email": "none@example.com" });
    let half_way = addresses.next(Kind::Native).register_with(&wish).await.unwrap();
    half_way.verify(&service.code("none@example.com").await).await.unwrap();
    service.mail_settled().await;
    for kind in [Kind::Native, Kind::Browser] {
        let names = [
            ("unknown", "nobody@example.com"),
            ("with a factor", EMAIL),
            ("without one", "plain@example.com"),
            ("without a password", "none@example.com"),
            ("an unknown number", PHONE),
        ];
        let calls = names.map(|(name, identity)| {
            let body = json!({ "identity": identity, "password": WRONG });
            (name, addresses.next(kind).call(Method::POST, "/auth/login").json(&body))
        });
        let reply = assert_alike(&service, 1, calls.into()).await;
        assert_eq!(reply.refusal(), refusal(401, "INVALID_CREDENTIALS"));
    }
    // The right one may differ, at the cost of the same hash.
    for identity in [EMAIL, "plain@example.com"] {
        let before = service.hashes();
        let reply = addresses.next(Kind::Native).login_reply(identity, PASSWORD).await;
        assert_eq!((reply.status, service.hashes() - before), (200, 1), "{identity}");
    }
}

#[tokio::test]
async fn g01_a_code_in_the_place_of_a_password_is_asked_for_alike_by_everybody() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    let wish = json!({ "email": EMAIL, "username": "ada_l", "password": PASSWORD });
    let ada = addresses.next(Kind::Native).register_with(&wish).await.unwrap();
    ada.verify(&service.code(EMAIL).await).await.unwrap();
    let closed = service.registered_at(&addresses.next(Kind::Native), "closed@example.com").await;
    closed.close_account().await.unwrap();
    service.mail_settled().await;
    let names = ["nobody@example.com", EMAIL, "nobody", "closed@example.com", PHONE, "no such/name!"];
    let rows = |service: &Service| {
        let mut database = service.database();
        ["outbox", "audit_events", "guess_budgets"].map(|table| database.count(table))
    };
    for kind in [Kind::Native, Kind::Browser] {
        let calls = names.map(|identity| {
            let call = addresses.next(kind).call(Method::POST, "/auth/passwordless");
            (identity, call.json(&json!({ "identity": identity })))
        });
        assert_eq!(assert_alike(&service, 0, calls.into()).await.status, 202);
    }
    service.mail_settled().await;
    assert!(service.mails("nobody@example.com").await.is_empty());
    assert!(service.mails(PHONE).await.is_empty());
    let before = rows(&service);
    addresses.next(Kind::Native).passwordless("stranger@example.com").await.unwrap();
    let after = rows(&service);
    assert!(after[1] > before[1], "an unknown name leaves the same traces: {before:?} {after:?}");

    // Answered alike, too, and limited alike.
    let half_way = [
        ("unknown", addresses.next(Kind::Native).passwordless("unknown@example.com").await.unwrap()),
        ("known", addresses.next(Kind::Native).passwordless("ada_l").await.unwrap()),
    ];
    let mailed = service.mails_about(EMAIL, "Log in to", 3).await;
    let guess = other_than(&mailed.iter().filter_map(Mail::code).collect::<Vec<_>>());
    for _ in 0..6 {
        let calls = half_way.each_ref().map(|(name, half_way)| {
            let call = half_way.call(Method::POST, "/auth/passwordless/verify");
            (*name, call.json(&json!({ "code": guess })))
        });
        assert_eq!(assert_alike(&service, 0, calls.into()).await.refusal(), otp_invalid());
    }
    // And limited alike: five an hour, for names nobody has as well.
    service.registered_at(&addresses.next(Kind::Native), "eve@example.com").await;
    for status in [202, 202, 202, 202, 202, 429] {
        let calls = ["nobody2@example.com", "eve@example.com"].map(|identity| {
            let call = addresses.next(Kind::Native).call(Method::POST, "/auth/passwordless");
            (identity, call.json(&json!({ "identity": identity })))
        });
        assert_eq!(assert_alike(&service, 0, calls.into()).await.status, status);
    }
}

#[tokio::test]
async fn g01_e02_a_taken_address_is_added_like_a_free_one() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    let people = [
        ("free", service.registered_at(&addresses.next(Kind::Native), EMAIL).await, "free@example.com"),
        ("taken", service.registered_at(&addresses.next(Kind::Native), "eve@example.com").await, "bob@example.com"),
    ];
    service.registered_at(&addresses.next(Kind::Native), "bob@example.com").await;
    service.mail_settled().await;
    let mut pending = Vec::new();
    let mut shapes = Vec::new();
    for (name, person, address) in &people {
        let before = service.hashes();
        let body = json!({ "kind": "email", "address": address });
        let reply = person.call(Method::POST, "/contacts").json(&body).send().await;
        assert_eq!(service.hashes(), before, "{name}");
        let text = reply.text.replace(address, "*").replace(&reply.id(), "*");
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["data"]["attributes"]["expiresAt"].take();
        shapes.push((reply.status, reply.header_names().join(" "), document));
        pending.push(reply.id());
    }
    assert_eq!(shapes[0], shapes[1]);
    service.mails_about("bob@example.com", "You already have an account", 1).await;
    let guess = other_than(&[service.code("free@example.com").await]);
    for _ in 0..6 {
        let calls = people.iter().zip(&pending).map(|((name, person, _), id)| {
            let call = person.call(Method::POST, &format!("/contacts/{id}/verify"));
            (*name, call.json(&json!({ "code": guess })))
        });
        let reply = assert_alike(&service, 0, calls.collect()).await;
        assert_eq!(reply.refusal(), otp_invalid());
    }
}

#[tokio::test]
async fn g01_registering_and_resetting_by_a_number_tell_nothing() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    let wish = |phone: &str| json!({ "phone": phone, "password": PASSWORD });
    let half_way = addresses.next(Kind::Native).register_with(&wish(PHONE)).await.unwrap();
    half_way.verify(&service.code(PHONE).await).await.unwrap();
    service.mail_settled().await;
    let calls = ["+442079460924", PHONE]
        .map(|phone| (phone, addresses.next(Kind::Native).call(Method::POST, "/auth/register").json(&wish(phone))));
    assert_eq!(assert_alike(&service, 1, calls.into()).await.status, 201);
    let calls = ["+442079460925", PHONE].map(|phone| {
        let call = addresses.next(Kind::Native).call(Method::POST, "/auth/password/forgot");
        (phone, call.json(&json!({ "identity": phone })))
    });
    assert_eq!(assert_alike(&service, 0, calls.into()).await.status, 202);
    service.mail_settled().await;
    assert!(service.mails("+442079460925").await.is_empty());
}

#[tokio::test]
async fn e04_options_for_a_passkey_name_nobody() {
    let service = limited().await;
    let mut addresses = Addresses::new(&service);
    service.registered_at(&addresses.next(Kind::Native), EMAIL).await;
    let reply =
        addresses.next(Kind::Native).call(Method::POST, "/auth/login/passkey/options").send().await.ok(200).unwrap();
    let options = reply.attributes()["publicKey"].take();
    assert!(options["allowCredentials"].as_array().is_none_or(Vec::is_empty), "{options}");
    assert_eq!(options["userVerification"], "required");
    let again =
        addresses.next(Kind::Native).call(Method::POST, "/auth/login/passkey/options").send().await.ok(200).unwrap();
    assert_ne!(again.attributes()["publicKey"]["challenge"], options["challenge"]);
}
