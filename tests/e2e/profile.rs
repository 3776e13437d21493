//! One's own account: facts, closing it, a copy of everything kept.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Service, refusal};

const EMAIL: &str = "ada@example.com";

#[tokio::test]
async fn left_out_means_keep_and_null_means_remove() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let fresh = ada.profile().await.unwrap();
    assert_eq!(fresh["email"], EMAIL);
    assert_eq!((&fresh["role"], &fresh["isActive"]), (&json!("user"), &json!(true)));
    assert_eq!((&fresh["username"], &fresh["fullName"], &fresh["locale"]), (&Value::Null, &Value::Null, &Value::Null));

    let named = ada.update_profile(&json!({ "username": "ada_l", "fullName": "Ada Lovelace", "locale": "en" })).await;
    let named = named.unwrap();
    assert_eq!((&named["username"], &named["fullName"]), (&json!("ada_l"), &json!("Ada Lovelace")));
    let kept = ada.update_profile(&json!({ "fullName": null })).await.unwrap();
    assert_eq!((&kept["username"], &kept["fullName"], &kept["locale"]), (&json!("ada_l"), &Value::Null, &json!("en")));
    assert_eq!(ada.profile().await.unwrap(), kept);
    service.native().login("ADA_L", PASSWORD).await.expect("a username is a login name");
    ada.update_profile(&json!({ "username": null })).await.unwrap();
    assert_eq!(service.native().login("ada_l", PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
}

#[tokio::test]
async fn a_username_belongs_to_one_account() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    ada.update_profile(&json!({ "username": "Ada" })).await.unwrap();
    let refused = bob.update_profile(&json!({ "username": "aDA", "fullName": "Bob" })).await.unwrap_err();
    assert_eq!(refused, refusal(409, "USERNAME_TAKEN"));
    assert_eq!(bob.profile().await.unwrap()["fullName"], Value::Null, "nothing of a refused change is kept");
    ada.update_profile(&json!({ "username": "ada" })).await.expect("one's own name is not taken");
    for (name, value) in [("username", "ada@example.com"), ("username", "+4915112345678"), ("email", "eve@example.com")]
    {
        let refused = bob.update_profile(&json!({ name: value })).await.unwrap_err();
        assert_eq!(refused.status, 422, "{name} {value}: {refused:?}");
    }
}

#[tokio::test]
async fn closing_an_account_needs_a_fresh_sign_in() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    service.advance(Duration::from_secs(301)).await;
    let stale = ada.call(Method::DELETE, "/users/me").send().await;
    assert_eq!(stale.refusal(), refusal(403, "REAUTH_REQUIRED"));
    assert!(stale.header("www-authenticate").unwrap().contains("insufficient_user_authentication"), "{stale:?}");
    let refreshed = ada.refresh().await.unwrap();
    let refused = refreshed.close_account().await.unwrap_err();
    assert_eq!(refused, refusal(403, "REAUTH_REQUIRED"), "a refresh proves nothing");

    let fresh = refreshed.reauthenticate(PASSWORD).await.unwrap();
    fresh.close_account().await.unwrap();
    assert_eq!(fresh.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(service.native().login(EMAIL, PASSWORD).await.unwrap_err(), refusal(403, "ACCOUNT_INACTIVE"));
    let wrong = service.native().login(EMAIL, "copper-violin-meadow-17").await.unwrap_err();
    assert_eq!(wrong, refusal(401, "INVALID_CREDENTIALS"), "only who knows the password learns it");
    service.native().forgot(EMAIL).await.unwrap();
    service.mail_settled().await;
    let mails = service.mails(EMAIL).await;
    assert!(mails.iter().all(|mail| mail.link_token().is_none()), "a reset must not reopen it");
    assert!(mails.iter().any(|mail| mail.subject.contains("account")), "its owner was told: {mails:?}");
}

#[tokio::test]
async fn an_export_has_everything_but_secrets() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    bob.update_profile(&json!({ "fullName": "Bob Babbage" })).await.unwrap();
    let second = service.browser().login(EMAIL, PASSWORD).await.unwrap();
    let _ = service.native().login(EMAIL, "copper-violin-meadow-17").await;
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);

    let export = ada.get("/users/me/export").await.unwrap();
    let attributes = &export["data"]["attributes"];
    assert_eq!(attributes["account"]["email"], EMAIL);
    assert_eq!(attributes["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(attributes["logins"].as_array().unwrap().len(), 2);
    let events = attributes["events"].as_array().unwrap();
    let has = |name: &str| events.iter().any(|event| event["name"] == name);
    assert!(has("user_created") && has("authn_login_success") && has("authn_login_fail"), "{events:?}");

    let text = export.to_string();
    let device = ada.device.clone().unwrap();
    for secret in [&ada.access, &ada.refresh, &ada.client_id, &device, &second.refresh, &second.client_id, &link] {
        assert!(!text.contains(secret.as_str()));
    }
    for word in [PASSWORD, "argon2", "ksr_", "Bob", "bob@"] {
        assert!(!text.contains(word), "{word}");
    }
}
