//! P01 to P07: a forgotten password. Its link opens one account once, leads where it should, and costs its owner nothing when
//! a stranger asks for it; what comes of it ends everything else and leaves the second factor where it is.

mod accounts;
mod links;
mod mails;
mod passwords;

use crate::support::Service;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const NEW: &str = "copper-violin-meadow-17";
const BEGIN: &str = "/auth/password/reset/begin";
const RESET: &str = "/auth/password/reset";

/// Forgets a password; the link that is mailed.
async fn forgotten(service: &Service, email: &str) -> String {
    let had = service.mails(email).await.iter().filter(|mail| mail.link_token().is_some()).count();
    service.native().forgot(email).await.unwrap();
    service.link_tokens(email, had + 1).await.remove(had)
}
