//! SRP-6a over HTTP, from the registration to the theft of a database: what issue 6 of the specification asks to be shown of
//! it. Clients of other people are in [`crate::srp_clients`].

mod actors;
mod alike;
mod at_rest;
mod changes;
mod factors;
mod forged;
mod guesses;
mod replays;
mod secrets;
mod story;
mod upgrade;
mod values;

use crate::support::{Refusal, refusal};

const EMAIL: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const NOBODY: &str = "nobody@example.com";
/// A password that is nobody's yet.
const NEW: &str = "copper-violin-meadow-17";
const WRONG: &str = "granite-otter-sunday-93";

/// The answer to a proof that is not accepted, whatever the reason.
fn srp_invalid() -> Refusal {
    refusal(401, "SRP_INVALID")
}

fn limited() -> Refusal {
    refusal(429, "ACCOUNT_LIMITED")
}

/// The answer to a wrong password of the other kind.
fn invalid_credentials() -> Refusal {
    refusal(401, "INVALID_CREDENTIALS")
}
