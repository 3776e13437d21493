//! L01: the address that counts is the address that is shown.

use serde_json::json;

use crate::process::api::PASSWORD;
use crate::process::site::Site;

/// Headers somebody might believe, with an address in each.
fn claims(address: &str) -> Vec<(&'static str, String)> {
    vec![
        ("x-forwarded-for", format!("{address}, 127.0.0.1")),
        ("forwarded", format!("for={address}")),
        ("x-real-ip", address.to_owned()),
        ("cf-connecting-ip", address.to_owned()),
        ("true-client-ip", address.to_owned()),
        ("x-client-ip", address.to_owned()),
    ]
}

#[tokio::test]
async fn l01_nobody_chooses_the_address_they_are_limited_by() {
    let site = Site::start().await;
    let api = site.api();
    let mut statuses = Vec::new();
    for n in 0..7 {
        let claims = claims(&format!("203.0.113.{n}"));
        let mut headers: Vec<(&str, &str)> = claims.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("keystead-client", "native"));
        let body = json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
        statuses.push(api.send("POST", "/api/v1/auth/register", &headers, Some(&body)).await.status);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429, 429]);
}

#[tokio::test]
async fn l01_nobody_chooses_the_address_others_are_shown() {
    let site = Site::without_limits().await;
    let api = site.api();
    let ada = api.sign_up("ada@example.com").await;
    for garbage in ["203.0.113.9", "::ffff:203.0.113.9", "unknown", "' OR 1=1", "[", "\u{e9}"] {
        let claims = claims(garbage);
        let mut headers: Vec<(&str, &str)> = claims.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("keystead-client", "native"));
        let body = json!({"identity": "ada@example.com", "password": PASSWORD});
        api.send("POST", "/api/v1/auth/login", &headers, Some(&body)).await.expect(200);
    }
    let sessions = api.send_as(&ada, "GET", "/api/v1/sessions", None).await.expect(200).json();
    let sessions = sessions["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 7);
    assert!(sessions.iter().all(|session| session["attributes"]["ip"] == "127.0.0.1"), "{sessions:?}");
    assert!(!site.log().contains("203.0.113.9"));
}
