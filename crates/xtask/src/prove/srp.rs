//! Requests of SRP by somebody who knows no password: what is measured is how they are refused.

use std::time::Duration;

use serde_json::json;

use crate::Outcome;
use crate::api::{Api, Tokens, code_in, post};

/// Registers an address with a verifier that belongs to no password anybody knows, and proves it.
pub(super) fn sign_up(api: &mut Api, email: &str) -> Outcome {
    let wish = json!({
        "email": email,
        "srpIdentity": "5a".repeat(16),
        "kdf": { "n": 131_072, "r": 8, "p": 1 },
        "kdfSalt": "a5".repeat(32),
        "srpSalt": "c3".repeat(32),
        "verifier": "3c".repeat(512),
    });
    let reply = api.send(&post("/auth/srp/register", None, Some(&wish)))?.expect(201, "srp/register")?;
    let code = api.mailed(email, Duration::from_secs(20), code_in)?;
    api.verify(&Tokens::read(&reply, None)?, &code).map(drop)
}

/// The request of a challenge.
pub(super) fn challenge_request(email: &str) -> Vec<u8> {
    post("/auth/srp/challenge", None, Some(&json!({ "identity": email })))
}

/// The request of a login with a proof that is wrong, for a challenge that is asked for first.
pub(super) fn wrong_login_request(api: &mut Api, email: &str) -> Outcome<Vec<u8>> {
    let challenge = api.send(&challenge_request(email))?.expect(200, "srp/challenge")?;
    let answer = json!({
        "identity": email,
        "clientPublicKey": "69".repeat(512),
        "clientProof": "96".repeat(32),
        "sealed": challenge.attribute("sealed")?,
    });
    Ok(post("/auth/srp/login", None, Some(&answer)))
}
