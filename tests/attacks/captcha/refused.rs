//! C01: what is no solution of this challenge, of this service, for this, now.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{challenge, invalid, solve, solved, start};
use crate::attacks::support::Digest;
use crate::support::{PASSWORD, Reply, Service};

async fn register(service: &Service, captcha: &Value) -> Reply {
    let wish = json!({ "email": "ada@example.com", "password": PASSWORD, "captcha": captcha });
    service.native().post("/auth/register", &wish).await
}

async fn assert_refused(service: &Service, captcha: &str) {
    assert_eq!(register(service, &json!(captcha)).await.refusal(), invalid(), "{captcha:?}");
}

/// A challenge with one byte changed, solved.
fn tampered(challenge: &str, difficulty: u32, at: usize, change: impl Fn(u8) -> u8) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(challenge).unwrap();
    bytes[at] = change(bytes[at]);
    solve(&URL_SAFE_NO_PAD.encode(bytes), difficulty)
}

#[tokio::test]
async fn c01_solutions_that_are_late_forged_or_of_something_else_are_refused() {
    let (service, other) = (start().await, start().await);
    let client = service.native();
    let before = Digest::of(&service).await;
    for action in ["forgot", "srp-challenge", "login"] {
        assert_refused(&service, &solved(&client, action).await).await;
    }
    assert_refused(&service, &solved(&other.native(), "register").await).await;
    let (text, difficulty) = challenge(&client, "register").await;
    // Difficulty, action, time of issue, the mac, the key's name.
    assert_refused(&service, &tampered(&text, 0, 2, |_| 0)).await;
    let forgot = challenge(&client, "forgot").await.0;
    assert_refused(&service, &tampered(&forgot, difficulty, 1, |_| 1)).await;
    for at in [0, 3, 10, 11, 26, 27, 58, 59] {
        assert_refused(&service, &tampered(&text, difficulty, at, |byte| byte ^ 1)).await;
    }
    // Work that was not done.
    let undone = (0..10_000_u32).map(|nonce| format!("{text}.{nonce}")).find(|text| solve_bits(text) < difficulty);
    assert_refused(&service, &undone.unwrap()).await;
    before.is_still_that_of(&service).await;
    // None of this used the challenge up.
    let late = solved(&client, "register").await;
    register(&service, &json!(solve(&text, difficulty))).await.ok(201).unwrap();
    service.advance(Duration::from_secs(300)).await;
    assert_refused(&service, &late).await;
}

fn solve_bits(text: &str) -> u32 {
    use sha2::Digest as _;
    u128::from_be_bytes(*sha2::Sha256::digest(text.as_bytes()).first_chunk().unwrap()).leading_zeros()
}

#[tokio::test]
async fn c01_garbage_is_refused_and_never_a_failure() {
    let service = start().await;
    let before = Digest::of(&service).await;
    let (text, difficulty) = challenge(&service.native(), "register").await;
    let solution = solve(&text, difficulty);
    let nonce = solution.rsplit_once('.').unwrap().1;
    let garbage = [
        String::new(),
        " ".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        text.clone(),
        format!("{text}."),
        format!("{text}={nonce}"),
        format!("{text}.{nonce}."),
        format!(" {solution}"),
        format!("{solution}\n"),
        format!("{text}.{}", "0".repeat(200)),
        "A".repeat(4096),
        "A".repeat(4097),
        "A".repeat(32 * 1024),
        "\u{202e}ü💥.1".to_owned(),
        "null".to_owned(),
        "' OR 1=1 --".to_owned(),
    ];
    for captcha in &garbage {
        assert_refused(&service, captcha).await;
    }
    for captcha in [json!(7), json!(true), json!([solution]), json!({ "a": solution })] {
        assert_eq!(register(&service, &captcha).await.status, 422, "{captcha}");
    }
    assert_eq!(service.hashes(), 0);
    before.is_still_that_of(&service).await;
    register(&service, &json!(solution)).await.ok(201).unwrap();
}
