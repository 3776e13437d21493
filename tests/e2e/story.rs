//! The whole story of one account, at both kinds of client.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Kind, PASSWORD, Service, refusal};

const SECOND: &str = "copper-violin-meadow-17";
const THIRD: &str = "granite-otter-sunday-93";

#[tokio::test]
async fn the_story_of_an_account_at_a_native_client() {
    tell(Kind::Native).await;
}

#[tokio::test]
async fn the_story_of_an_account_in_a_browser() {
    tell(Kind::Browser).await;
}

async fn tell(kind: Kind) {
    let service = Service::start().await;
    let client = service.client(kind);

    let wish = json!({ "email": "Ada@Example.com", "username": "Ada_L", "fullName": "Ada", "password": PASSWORD });
    let half_way = client.register_with(&wish).await.unwrap();
    assert_eq!(client.login("ada@example.com", PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    let refused = half_way.call(Method::POST, "/auth/token/verify").send().await.refusal();
    assert_eq!(refused, refusal(401, "TOKEN_INVALID"));
    let mail = service.mails_about("ada@example.com", "Confirm your e-mail address", 1).await.remove(0);
    assert!(mail.text.starts_with("Hello Ada,"), "{}", mail.text);
    let first = half_way.verify(&mail.code().unwrap()).await.unwrap();

    for identity in ["ada@example.com", "ADA@EXAMPLE.COM", "Ada_L", "ada_l", " ada_l "] {
        let again = client.login(identity, PASSWORD).await.unwrap();
        assert_eq!(again.profile().await.unwrap()["email"], "ada@example.com", "{identity}");
    }

    let says = first.verify().await.unwrap();
    assert_eq!(says["sid"], first.session_id());
    assert_eq!((&says["state"], &says["role"], &says["amr"]), (&json!("authorized"), &json!("user"), &json!(["pwd"])));

    let second = first.refresh().await.unwrap();
    assert_ne!(second.refresh, first.refresh);
    assert_ne!(second.token_id, first.token_id);
    assert_eq!(second.session_id(), first.session_id());
    second.verify().await.unwrap();

    service.advance(Duration::from_secs(60)).await;
    assert_eq!(second.reauthenticate(SECOND).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    let proved = second.reauthenticate(PASSWORD).await.unwrap();
    let (before, after) = (second.verify().await.unwrap(), proved.verify().await.unwrap());
    assert!(after["auth_time"].as_i64() >= before["auth_time"].as_i64().map(|at| at + 60), "{before} {after}");

    assert_eq!(proved.change_password(SECOND, THIRD).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    let changed = proved.change_password(PASSWORD, SECOND).await.unwrap();
    assert_eq!(proved.refused().await, refusal(401, "TOKEN_REVOKED"));
    changed.verify().await.unwrap();
    let changed = changed.refresh().await.unwrap();
    assert_eq!(changed.sessions().await.unwrap().len(), 1, "the others ended");
    service.mails_about("ada@example.com", "Your password", 1).await;
    assert_eq!(client.login("ada_l", PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));

    client.forgot("ada_l").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let grant = client.begin_reset(&link).await.unwrap();
    assert_eq!(grant.reset("short").await.unwrap_err(), refusal(422, "PASSWORD_TOO_SHORT"));
    grant.reset(THIRD).await.unwrap();
    assert_eq!(changed.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(client.login("ada_l", SECOND).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));

    let last = client.login("ada_l", THIRD).await.unwrap();
    last.log_out().await.unwrap();
    assert_eq!(last.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(last.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    last.log_out().await.unwrap();
    last.log_out_by_refresh().await.unwrap();
}

#[tokio::test]
async fn the_status_is_told_to_everybody() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let mine = ada.call(Method::GET, "/auth/status").send().await.ok(200).unwrap().attributes();
    assert_eq!((&mine["isAuthenticated"], &mine["isMfa"]), (&json!(true), &json!(false)));
    assert_eq!(mine["user"]["email"], "ada@example.com");

    let nobody = json!({ "isAuthenticated": false, "isMfa": false, "user": null });
    let anonymous = || service.native().call(Method::GET, "/auth/status");
    let stolen = anonymous().bearer(&ada.access).header("keystead-client-id", "another");
    ada.log_out().await.unwrap();
    ada.refused().await;
    for call in [
        anonymous(),
        anonymous().bearer("garbage"),
        anonymous().header("authorization", "Bearer \"?\""),
        stolen,
        ada.call(Method::GET, "/auth/status"),
        anonymous().cookie("keystead-client", "kinds-mixed"),
    ] {
        assert_eq!(call.send().await.ok(200).unwrap().attributes(), nobody);
    }
}
