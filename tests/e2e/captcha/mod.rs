//! Captchas: the proof of work, a company's, and where they are asked for (G01, G02; C01, C02 of the security bar).

mod guesses;
mod story;

use keystead_api_actix::config::{CaptchaProvider, Config};
use keystead_application::ports::CaptchaAction;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Anonymous, Refusal, Service, refusal};

/// Quickly found in tests.
pub(crate) const DIFFICULTY: u8 = 8;

/// Asks for a proof of work wherever there can be one.
pub(crate) fn work(config: &mut Config) {
    config.captcha.provider = CaptchaProvider::ProofOfWork { difficulty: DIFFICULTY };
    config.captcha.actions = CaptchaAction::ALL.to_vec();
}

pub(crate) async fn start() -> Service {
    Service::builder().configured(work).start().await
}

pub(crate) fn required() -> Refusal {
    refusal(422, "CAPTCHA_REQUIRED")
}

pub(crate) fn invalid() -> Refusal {
    refusal(422, "CAPTCHA_INVALID")
}

/// A challenge as a client gets it, and its difficulty.
pub(crate) async fn challenge(client: &Anonymous, action: &str) -> (String, u32) {
    let reply = client.post("/captcha/challenge", &json!({ "action": action })).await.ok(200).unwrap();
    let attributes = reply.attributes();
    assert_eq!(attributes["algorithm"], "sha-256");
    let difficulty = u32::try_from(attributes["difficulty"].as_u64().unwrap()).unwrap();
    (attributes["challenge"].as_str().unwrap().to_owned(), difficulty)
}

/// Does the work as any client does: the first number behind the challenge whose hash begins with so many zero bits.
pub(crate) fn solve(challenge: &str, difficulty: u32) -> String {
    let solutions = (0_u64..).map(|nonce| format!("{challenge}.{nonce}"));
    let is_solved = |text: &String| {
        let hash = Sha256::digest(text.as_bytes());
        u128::from_be_bytes(*hash.first_chunk().unwrap()).leading_zeros() >= difficulty
    };
    solutions.into_iter().find(is_solved).unwrap()
}

pub(crate) async fn solved(client: &Anonymous, action: &str) -> String {
    let (challenge, difficulty) = challenge(client, action).await;
    solve(&challenge, difficulty)
}
