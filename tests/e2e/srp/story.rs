//! The story of an account whose password the server never sees, at both kinds of client.

use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{credential, half_way, with};
use super::{EMAIL, NOBODY, WRONG, invalid_credentials, srp_invalid};
use crate::support::{Kind, PASSWORD, Service, refusal};

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
