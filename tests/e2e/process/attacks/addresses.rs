//! L01: addresses a client claims. L08: names that would like to be more than a name in a mail.

use serde_json::json;

use super::Target;
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
    let target = Target::start().await;
    for garbage in ["203.0.113.9", "::ffff:203.0.113.9", "unknown", "' OR 1=1", "[", "\u{e9}"] {
        let claims = claims(garbage);
        let mut headers: Vec<(&str, &str)> = claims.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("keystead-client", "native"));
        let body = json!({"identity": "ada@example.com", "password": PASSWORD});
        target.api.send("POST", "/api/v1/auth/login", &headers, Some(&body)).await.expect(200);
    }
    let sessions = target.api.send_as(&target.ada, "GET", "/api/v1/sessions", None).await.expect(200).json();
    let sessions = sessions["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 7);
    assert!(sessions.iter().all(|session| session["attributes"]["ip"] == "127.0.0.1"), "{sessions:?}");
    assert!(!target.site.log().contains("203.0.113.9"));
}

#[tokio::test]
async fn l08_a_name_stays_a_name_in_a_mail() {
    let target = Target::dev().await;
    let register = async |email: &str, name: &str| {
        let body = json!({"email": email, "password": PASSWORD, "fullName": name});
        target.api.post("/api/v1/auth/register", &body).await
    };
    for name in [
        "Eve\r\nBcc: v@example.com",
        "Eve\u{0}",
        "Visit https://evil.example now",
        "www.evil.example",
        "evil.example",
        "\u{202e}evE",
        &"e".repeat(65),
    ] {
        target.refused(name, &register("eve@example.com", name).await, 422, "INVALID_FULL_NAME");
    }
    assert_eq!(target.api.mails_to("eve@example.com").await, Vec::<String>::new());
    for (n, name) in [
        "<img src=x onerror=alert(1)>",
        "{{7*7}}",
        "{% include 'x' %}",
        "${7*7}",
        "=HYPERLINK(1)",
        "a\" onload=\"x",
        "O'Neill & Söhne =3D",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{n}@example.com");
        register(&email, name).await.expect(201);
        let text = target.api.mail_to(&email).await;
        assert!(text.contains(name), "{name}: {text}");
        let mails = target.api.get(&format!("/dev/mail?filter[to]={email}")).await.json();
        let html = mails["data"][0]["attributes"]["html"].as_str().unwrap();
        assert!(!html.contains("<img") && !html.contains("\" onload="), "{name}: {html}");
        assert_eq!(mails["data"].as_array().map(Vec::len), Some(1));
        // The page for people shows mails as text.
        let page = target.api.send("GET", "/dev/mail", &[("accept", "text/html")], None).await.expect(200);
        assert!(!page.body.contains("<img") && !page.body.contains("\" onload="), "{name}");
    }
    target.unharmed().await;
}
