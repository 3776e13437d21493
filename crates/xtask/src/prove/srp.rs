//! SRP: requests by somebody who knows no password, of which is measured how they are refused; and logins by the thousand of the
//! clients there are.

use std::time::Duration;

use serde_json::json;

use super::{Bed, Report};
use crate::api::{Api, Tokens, code_in, post};
use crate::{Outcome, shell};

/// Every client signs in so many times, with numbers forced to begin with a zero byte in some; the tests of the clients count.
pub(super) fn logins(bed: &Bed, report: &mut Report) -> Outcome {
    let count = bed.times(200, 1000);
    let mut command = shell::cargo(&bed.root);
    command.args(["test", "--package", "keystead-tests", "--test", "e2e", "--", "srp_clients::many"]);
    let holds = command.env("KEYSTEAD_TEST_SRP_LOGINS", count.to_string()).status()?.success();
    let seen = if holds { format!("{count} of {count} each") } else { "see above".to_owned() };
    report.add("S06", "logins of our module in Node and in Chromium, and of Python's srp", seen, holds);
    Ok(())
}

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
