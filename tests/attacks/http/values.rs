//! O07, O08, H08, P07: values that only look right.

use serde_json::json;

use super::{Target, explained, refused};
use crate::attacks::support::Digest;
use crate::process::api::{Api, admin_of};
use crate::process::configured::Configured;
use crate::support::{PASSWORD as HERS, Reply};

const REGISTER: &str = "/auth/register";

#[tokio::test]
async fn o07_o08_h08_values_that_only_look_right() {
    let target = Target::start().await;
    let native = target.service.native();
    let bob = native.register("bob@example.com", HERS).await.unwrap();
    let code = target.service.code("bob@example.com").await;
    let before = Digest::of(&target.service).await;
    let wide: String = code.bytes().map(|digit| char::from_u32(0xff10 + u32::from(digit - b'0')).unwrap()).collect();
    let number: u32 = code.parse().unwrap();
    for wrong in [
        json!(number),
        json!(format!(" {code}")),
        json!(format!("{code}\n")),
        json!(format!("{code}\0")),
        json!(format!("+{}", &code[1..])),
        json!(&code[1..]),
        json!(format!("0{code}")),
        json!(format!("{code}\u{200b}")),
        json!(wide),
        json!("\u{664}\u{664}\u{664}\u{664}\u{664}\u{664}"),
        json!([code]),
        json!({"code": code}),
        json!(null),
        json!(true),
        json!(""),
    ] {
        let reply: Reply = bob.post("/auth/register/verify", &json!({ "code": wrong })).await;
        assert_eq!(reply.status, 422, "{wrong}: {}", reply.text);
        explained(&wrong.to_string(), &reply);
    }
    for email in [
        "eve@x\r\nRCPT TO:<v@example.com>\r\n[127.0.0.1]",
        "eve@example.com\r\nBcc: v@example.com",
        "eve\r\n@example.com",
        "eve@example.com\u{0}",
        "eve\u{0}@example.com",
        "eve@example.com\u{2028}",
        "<eve@example.com>",
        "eve@[127.0.0.1]",
        "eve @example.com",
        "\"eve\"@example.com",
        "eve@example.com,v@example.com",
        "eve@@example.com",
        "eve@",
        &format!("{}@example.com", "e".repeat(320)),
    ] {
        let reply = native.post(REGISTER, &json!({ "email": email, "password": HERS })).await;
        refused(email, &reply, 422, "INVALID_EMAIL");
    }
    before.is_still_that_of(&target.service).await;
    // Malformed codes were no tries: the right one still counts.
    bob.verify(&code).await.unwrap();
    target.ada.refresh().await.unwrap();
}

#[tokio::test]
async fn p07_no_password_is_hashed_that_cannot_be_chosen() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0", "limits.mode=off", "unsafe_allow=limits-off"]);
    let admin = admin_of(&service).await;
    let api = Api::new(service.url());
    for (length, status, code) in [
        (7, 422, "PASSWORD_TOO_SHORT"),
        (129, 422, "PASSWORD_TOO_LONG"),
        (30_000, 422, "PASSWORD_TOO_LONG"),
        (60_000, 400, "BAD_JSON"),
        (1_000_000, 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let password: String = "correct horse battery staple ".chars().cycle().take(length).collect();
        let answer =
            api.post("/api/v1/auth/register", &json!({"email": "ada@example.com", "password": password})).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{length}");
        let answer = api.login("ada@example.com", &password).await;
        assert!((400..500).contains(&answer.status), "{length}: {}", answer.body);
    }
    for password in ["password1", "qwertyuiop", "ada@example.com"] {
        let answer =
            api.post("/api/v1/auth/register", &json!({"email": "ada@example.com", "password": password})).await;
        assert_eq!(answer.status, 422, "{password}: {}", answer.body);
    }
    let page = admin.get("/metrics").await.expect(200).body;
    let hashes = page.lines().find_map(|line| line.strip_prefix("keystead_hash_total ")).unwrap();
    // Logins with 7 and with 129 characters or more: equal work for all that were short enough to be a password.
    assert!(hashes.parse::<u32>().unwrap() <= 1, "{hashes} hashes");
}
