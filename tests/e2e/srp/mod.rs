//! SRP-6a over HTTP, from the registration to the theft of a database: what issue 6 of the specification asks to be shown of
//! it. Clients of other people are in [`crate::srp_clients`].

pub(crate) mod actors;
mod at_rest;
mod changes;
mod factors;
mod secrets;
mod story;
mod upgrade;

use crate::support::{Refusal, refusal};

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const BOB: &str = "bob@example.com";
pub(crate) const NOBODY: &str = "nobody@example.com";
/// A password that is nobody's yet.
pub(crate) const NEW: &str = "copper-violin-meadow-17";
pub(crate) const WRONG: &str = "granite-otter-sunday-93";

/// The answer to a proof that is not accepted, whatever the reason.
pub(crate) fn srp_invalid() -> Refusal {
    refusal(401, "SRP_INVALID")
}

pub(crate) fn limited() -> Refusal {
    refusal(429, "ACCOUNT_LIMITED")
}

/// The answer to a wrong password of the other kind.
pub(crate) fn invalid_credentials() -> Refusal {
    refusal(401, "INVALID_CREDENTIALS")
}
