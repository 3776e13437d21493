//! The story of an account whose password the server never sees, at both kinds of client.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keystead_testkit::race::race;
use keystead_testkit::srp_client::{Challenge, Login, ProofForm};
use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{credential, half_way, knowing, signed_in, with};
use super::{EMAIL, NOBODY, WRONG, invalid_credentials, srp_invalid};
use crate::support::{Kind, PASSWORD, Service, refusal};

/// Bytes of a value of the group.
const WIDTH: usize = 512;

#[tokio::test]
async fn the_story_of_an_srp_account_at_a_native_client() {
    tell(Kind::Native).await;
}

#[tokio::test]
async fn the_story_of_an_srp_account_in_a_browser() {
    tell(Kind::Browser).await;
}

async fn tell(kind: Kind) {
    let service = Service::start().await;
    let client = service.client(kind);
    let wish =
        with(credential(PASSWORD), json!({ "email": "Ada@Example.com", "username": "Ada_L", "fullName": "Ada" }));
    let registering = half_way(&client, &client.post("/auth/srp/register", &wish).await.ok(201).unwrap());
    assert_eq!(client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid(), "before the address is proved");
    let code = service.code(EMAIL).await;
    assert_eq!(registering.verify(&crate::single_use::wrong(&code)).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    let first = registering.verify(&code).await.unwrap();
    assert_eq!(first.verify().await.unwrap()["amr"], json!(["pwd"]));

    for identity in [EMAIL, "ADA@EXAMPLE.COM", "Ada_L", " ada_l "] {
        let again = client.srp_login(identity, PASSWORD).await.unwrap();
        assert_eq!(again.profile().await.unwrap()["email"], EMAIL, "{identity}");
        assert_ne!(again.session_id(), first.session_id());
    }
    let ada = client.srp_login(EMAIL, PASSWORD).await.unwrap();
    let says = ada.verify().await.unwrap();
    assert_eq!((&says["sub"], &says["amr"]), (&json!(first.user_id()), &json!(["pwd"])));
    assert_eq!((&says["state"], &says["sid"]), (&json!("authorized"), &json!(ada.session_id())));
    ada.refresh().await.unwrap().verify().await.unwrap();

    // It is no password, and there is no other way in with it.
    for (identity, password) in [(EMAIL, WRONG), (NOBODY, PASSWORD), ("", PASSWORD), ("no such/name!", PASSWORD)] {
        let reply = client.srp_login_reply(identity, password).await;
        assert_eq!(reply.refusal(), srp_invalid(), "{identity}");
        assert!(!reply.text.contains("serverProof"), "{}", reply.text);
        assert!(reply.cookies().is_empty(), "{reply:?}");
    }
    for password in [PASSWORD, WRONG] {
        assert_eq!(client.login(EMAIL, password).await.unwrap_err(), invalid_credentials());
    }
    ada.log_out().await.unwrap();
    ada.refused().await;
    let mut database = service.database();
    assert_eq!((database.audited("authn_login_fail"), database.count("srp_credentials")), (7, 1));
}

#[tokio::test]
async fn s06_both_forms_of_m1_are_accepted() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    for form in [ProofForm::Padded, ProofForm::Bare] {
        let challenge = client.srp_challenge(EMAIL).await;
        let login = knowing(PASSWORD).proving(form).answer(&challenge).unwrap();
        let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "{form:?}");
        signed_in(&client, &reply).verify().await.unwrap();
    }
}

/// What begins with a zero byte, and how that is seen.
type Forced = (&'static str, fn(&Login) -> bool);

#[tokio::test]
async fn s06_numbers_that_begin_with_zeros_sign_in() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    let forced: [Forced; 5] = [
        ("A", |login| login.client_key.len() < WIDTH),
        ("S", |login| login.premaster.len() < WIDTH),
        ("K", |login| login.session_key[0] == 0),
        ("M1", |login| login.proof[0] == 0),
        ("M2", |login| login.server_proof()[0] == 0),
    ];
    for (name, wanted) in forced {
        let challenge = client.srp_challenge(EMAIL).await;
        let search = move || knowing(PASSWORD).answer_where(&challenge, wanted).unwrap();
        let login = tokio::task::spawn_blocking(search).await.unwrap().unwrap_or_else(|| panic!("no such {name}"));
        let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "{name}");
    }
}

#[tokio::test]
async fn s06_a_and_b_with_leading_zeros_on_the_wire_are_the_same_numbers() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    // A at the width of the group, with the zeros in front that its shortest form leaves out.
    let challenge = client.srp_challenge(EMAIL).await;
    let search = move || knowing(PASSWORD).answer_where(&challenge, |login| login.client_key.len() < WIDTH).unwrap();
    let login = tokio::task::spawn_blocking(search).await.unwrap().unwrap();
    let mut attributes = login.attributes(EMAIL);
    let short = attributes["clientPublicKey"].as_str().unwrap().to_owned();
    attributes["clientPublicKey"] = json!(format!("{short:0>1024}"));
    assert!(short.len() < 1024);
    client.srp_send(&attributes).await.ok(200).unwrap();

    // B comes without leading zeros, and begins with some in one of 256 challenges: 4,096 without any do not happen.
    let found = Arc::new(AtomicBool::new(false));
    let challenges = race(8, |_| {
        let (client, found) = (service.native(), Arc::clone(&found));
        async move {
            for _ in 0..512 {
                if found.load(Ordering::SeqCst) {
                    return None;
                }
                let reply = client.srp_challenge_reply(EMAIL).await.ok(200).unwrap();
                let key = reply.text_of("serverPublicKey").unwrap();
                assert!(!key.starts_with("00"), "{key}");
                if key.len() < 2 * WIDTH {
                    found.store(true, Ordering::SeqCst);
                    return Some(reply);
                }
            }
            None
        }
    });
    let found: Vec<_> = challenges.await.into_iter().flatten().collect();
    let short = Challenge::from_attributes(&found[0].attributes()).unwrap();
    let login = knowing(PASSWORD).answer(&short).unwrap();
    let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
    assert!(login.accepts(&reply.text_of("serverProof").unwrap()));
}

#[tokio::test]
async fn g02_a_repeated_registration_is_served_once_and_a_changed_one_refused() {
    let service = Service::start().await;
    let client = service.native();
    let post = |wish: &Value| {
        client.call(Method::POST, "/auth/srp/register").header("idempotency-key", "key-1").json(wish).send()
    };
    let wish = with(credential(PASSWORD), json!({ "email": EMAIL }));
    let first = post(&wish).await.ok(201).unwrap();
    let again = post(&wish).await.ok(201).unwrap();
    assert_eq!(again.text, first.text);
    let other = with(credential(PASSWORD), json!({ "email": EMAIL }));
    assert_eq!(post(&other).await.refusal(), refusal(422, "IDEMPOTENCY_KEY_REUSED"));
    service.mail_settled().await;
    assert_eq!(service.database().count("pending_registrations"), 1);
    half_way(&client, &again).verify(&service.code(EMAIL).await).await.unwrap();
    client.srp_login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn e02_a_taken_address_is_answered_alike_and_its_owner_told() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    service.mail_settled().await;
    let decoy = service.native().srp_register(EMAIL, NEW_OF_A_THIEF).await.unwrap();
    let notice = service.mails_about(EMAIL, "You already have an account", 1).await.remove(0);
    assert_eq!(notice.code(), None);
    assert_eq!(decoy.verify("000000").await.unwrap_err(), refusal(401, "CODE_INVALID"));
    assert_eq!(service.native().srp_login(EMAIL, NEW_OF_A_THIEF).await.unwrap_err(), srp_invalid());
    service.native().srp_login(EMAIL, PASSWORD).await.unwrap();
}

/// The password somebody else would like Ada's account to have.
const NEW_OF_A_THIEF: &str = "velvet-anchor-pepper-28";

#[tokio::test]
async fn m02_who_proves_the_address_decides_which_kind_counts() {
    let service = Service::start().await;
    let by_password = service.native().register(EMAIL, PASSWORD).await.unwrap();
    let first = service.code(EMAIL).await;
    let by_srp = service.native().srp_register(EMAIL, super::NEW).await.unwrap();
    let second = service.codes(EMAIL, 2).await.into_iter().find(|code| *code != first).unwrap_or(first.clone());
    by_srp.verify(&second).await.unwrap();
    assert_eq!(by_password.verify(&first).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    assert_eq!(service.native().login(EMAIL, PASSWORD).await.unwrap_err(), invalid_credentials());
    assert_eq!(service.native().srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    service.native().srp_login(EMAIL, super::NEW).await.unwrap();
}
