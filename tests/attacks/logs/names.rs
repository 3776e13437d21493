//! L08: names that would like to be more than a name, in mails and in files for spreadsheets.

use keystead_domain::account::Role;
use keystead_testkit::smtp_peer::SmtpPeer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::support::{Digest, assert_refused};
use crate::process::api::{Api, PATIENCE, code_in};
use crate::process::configured::Configured;
use crate::support::{PASSWORD, Reply, Service};

/// Names that are none.
const REFUSED: [&str; 18] = [
    "Eve\r\nBcc: v@example.com",
    "Eve\nBcc: v@example.com",
    "Eve\rX",
    "Eve\u{0}",
    "Eve\u{85}Bcc: v@example.com",
    "Eve\u{2028}Bcc: v@example.com",
    "Visit https://evil.example now",
    "www.evil.example",
    "evil.example",
    "Eve (evil.example/win)",
    "ＨＴＴＰＳ://evil",
    "Eve <evil.example>",
    "Eve,evil.example.",
    "Eve evil.example?x",
    "\u{202e}evE",
    "Eve\u{200b}",
    "Eve\u{1b}[31m",
    "Eve\tX",
];
/// What the names that are sums come to: longer than a code, so that none is mistaken for it.
const WORKED_OUT: &str = "62615533";
/// Names as they may be, however they look.
const ACCEPTED: [&str; 9] = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "{{7919*7907}}",
    "{% include 'x' %}",
    "${7919*7907}",
    "=HYPERLINK(1)",
    "a\" onload=\"x",
    "O'Neill & Söhne =3D =0D=0ABcc",
    "=?utf-8?q?Eve=0D=0ABcc?=",
];

async fn registering(service: &Service, email: &str, name: &str) -> Reply {
    let wish = json!({ "email": email, "password": PASSWORD, "fullName": name });
    service.native().post("/auth/register", &wish).await
}

#[tokio::test]
async fn l08_a_name_stays_a_name_in_a_mail() {
    let service = Service::start().await;
    let before = Digest::of(&service).await;
    let long = "e".repeat(65);
    for name in REFUSED.into_iter().chain([long.as_str()]) {
        assert_refused(name, &registering(&service, "eve@example.com", name).await, 422, "INVALID_FULL_NAME");
    }
    before.is_still_that_of(&service).await;
    for (n, name) in ACCEPTED.into_iter().enumerate() {
        let email = format!("user{n}@example.com");
        registering(&service, &email, name).await.ok(201).unwrap();
        service.code(&email).await;
        let mails = service.mails(&email).await;
        assert_eq!(mails.len(), 1, "{name}");
        assert!(mails[0].text.contains(name), "{name}: {}", mails[0].text);
        assert!(!mails[0].subject.contains(name), "{name}: {}", mails[0].subject);
        let worked_out = [&mails[0].text, &mails[0].subject].iter().any(|text| text.contains(WORKED_OUT));
        assert!(!worked_out, "{name} is worked out: {:?}", mails[0]);
        for replica in service.api().each() {
            let page = replica.get(&format!("/dev/mail?filter[to]={email}")).await.ok(200).unwrap().json();
            let parts = page["data"].as_array().unwrap().iter();
            for html in parts.filter_map(|mail| mail["attributes"]["html"].as_str()) {
                assert!(!["<img", "<script", "\" onload="].iter().any(|tag| html.contains(tag)), "{name}: {html}");
                assert!(!html.contains(WORKED_OUT), "{name} is worked out: {html}");
            }
            // The page for people shows mails as text.
            let page = replica.at(Method::GET, "/dev/mail").header("accept", "text/html").send().await.ok(200).unwrap();
            assert!(!["<img", "<script>alert", "\" onload="].iter().any(|tag| page.text.contains(tag)), "{name}");
        }
    }
}

/// On the wire: one recipient for each mail, and the headers that were there before.
#[tokio::test]
async fn l08_a_name_adds_no_recipient_and_no_header() {
    const HEADERS: [&str; 4] = ["To", "From", "Subject", "Content-Type"];
    let peer = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let service = configured.serve(&["limits.mode=off", "unsafe_allow=limits-off"]);
    let api = Api::new(service.url());
    for (n, name) in ACCEPTED.into_iter().chain(REFUSED).enumerate() {
        let body = json!({ "email": format!("user{n}@example.com"), "password": PASSWORD, "fullName": name });
        let expected = if n < ACCEPTED.len() { 201 } else { 422 };
        api.post("/api/v1/auth/register", &body).await.expect(expected);
    }
    let mails = peer.wait_for(ACCEPTED.len(), PATIENCE).await.unwrap();
    assert_eq!(mails.len(), ACCEPTED.len());
    for mail in &mails {
        assert_eq!(mail.recipients.len(), 1, "{:?}", mail.recipients);
        for name in HEADERS {
            assert_eq!(mail.headers(name).len(), 1, "{name}: {:?}", mail.headers(name));
        }
        for name in ["Bcc", "Cc", "Reply-To", "X"] {
            assert_eq!(mail.headers(name), Vec::<String>::new(), "{name}");
        }
        assert_eq!(mail.header("To").map(|to| to.contains(mail.recipients[0].as_str())), Some(true));
        code_in(&mail.text().unwrap());
    }
    let receivers = peer.commands().iter().filter(|command| command.to_uppercase().starts_with("RCPT TO")).count();
    assert_eq!(receivers, ACCEPTED.len());
}

#[tokio::test]
async fn l08_a_name_is_no_formula_in_a_spreadsheet() {
    const TEXTS: [&str; 6] = ["=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(A1)", "=cmd|'/C calc'!A0", "a\",=1+1,\"b"];
    let service = Service::start().await;
    let mut people: Vec<Value> = Vec::new();
    for (n, text) in TEXTS.into_iter().enumerate() {
        let (person, _) = service.enrolled(&format!("user{n}@example.com")).await;
        let named = person.update_profile(&json!({ "fullName": text })).await;
        let call = person.call(Method::POST, "/attendance/in").header("user-agent", text);
        call.json(&json!({ "remarks": text })).send().await.ok(201).unwrap();
        people.extend(named.ok());
    }
    assert!(people.len() > 3, "these are names");
    let boss = service.administrator(Role::Admin).await;
    let file = boss.call(Method::GET, "/admin/attendances/export").header("accept", "text/csv").send().await;
    let file = file.ok(200).unwrap();
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(file.text.lines().count(), 1 + TEXTS.len());
    for line in file.text.lines().skip(1) {
        for cell in line.split(',').map(|cell| cell.trim_start_matches('"')) {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t']), "{cell} in {line}");
        }
    }
    for text in &TEXTS[..5] {
        assert!(file.text.contains(&format!("\"'{text}\"")), "{text} in {}", file.text);
    }
}
