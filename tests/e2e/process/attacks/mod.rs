//! Attacks on a running service, over HTTP and over the bare connection. Identifiers such as J01 are rows of the attack
//! catalogue. Whatever is sent: a clear 4xx with a documented code, nothing changed, no panic.

mod addresses;
mod bodies;
mod headers;
mod messages;
pub(crate) mod wire;

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::{Answer, Api, PATIENCE, Person, eventually};
use super::keystead::Keystead;
use super::site::Site;

/// Headers every answer has (D01). `Strict-Transport-Security` comes with an https public URL.
const PROTECTION: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=()"),
    ("x-xss-protection", "0"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "frame-ancestors 'none'"),
];

/// A service, somebody signed in there, and what they have.
struct Target {
    site: Site,
    api: Api,
    ada: Person,
    before: (Value, Vec<String>, Vec<String>),
    /// Every documented error code with its status.
    codes: BTreeMap<String, u16>,
}

impl Target {
    /// On the stores of this run.
    async fn start() -> Self {
        Self::at(Site::without_limits().await).await
    }

    /// A `keystead dev`, whatever the stores: for attacks that need its clock, its mailbox, or to know its address.
    async fn dev() -> Self {
        Self::at(Site::dev("off")).await
    }

    async fn at(site: Site) -> Self {
        let api = site.api().clone();
        let ada = api.sign_up("ada@example.com").await;
        let before = api.state_of(&ada).await;
        let codes = documented_codes(&site.run(&["debug", "docs", "api-errors"]).ok());
        Self { site, api, ada, before, codes }
    }

    /// The process to send bytes to.
    fn service(&self) -> &Keystead {
        self.site.service()
    }

    /// The answer is a refusal: this status, this code, documented, explained as JSON:API, with every header.
    #[track_caller]
    fn refused(&self, attack: &str, answer: &Answer, status: u16, code: &str) {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{attack}: {}", answer.body);
        self.explained(attack, answer);
    }

    /// The answer is some documented refusal.
    #[track_caller]
    fn explained(&self, attack: &str, answer: &Answer) {
        assert!((400..500).contains(&answer.status), "{attack}: {} {}", answer.status, answer.body);
        assert_eq!(answer.header("content-type"), "application/vnd.api+json", "{attack}");
        let document = answer.json();
        for error in document["errors"].as_array().unwrap() {
            assert_eq!(error["status"], answer.status.to_string(), "{attack}");
            let code = error["code"].as_str().unwrap();
            assert_eq!(self.codes.get(code), Some(&answer.status), "{attack}: {code} is not documented so");
            assert_eq!(error["id"], answer.header("x-request-id"), "{attack}");
        }
        match answer.status {
            401 => assert!(answer.header("www-authenticate").starts_with("Bearer"), "{attack}: {:?}", answer.headers),
            _ => assert_eq!(answer.header("www-authenticate"), "", "{attack}"),
        }
        protected(attack, answer);
    }

    /// Nothing changed, and the service serves on.
    async fn unharmed(self) {
        assert_eq!(self.api.state_of(&self.ada).await, self.before);
        for replica in self.api.each() {
            eventually(PATIENCE, "a ready service", async || {
                (replica.get("/health/ready").await.status == 200).then_some(())
            })
            .await;
        }
        self.api.refresh(&self.ada, &self.ada.refresh).await.expect(200);
    }
}

/// Every header of D01.
#[track_caller]
fn protected(attack: &str, answer: &Answer) {
    for (name, value) in PROTECTION {
        let found = answer.header(name);
        assert!(found.contains(value), "{attack}: {} without {name}, but {found:?}", answer.status);
    }
    assert!(!answer.header("x-request-id").is_empty(), "{attack}");
    for name in ["server", "x-powered-by"] {
        assert_eq!(answer.header(name), "", "{attack}");
    }
}

/// The rows of `docs/api-errors.md`.
fn documented_codes(page: &str) -> BTreeMap<String, u16> {
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.trim_matches('`').to_owned(), cells.next()?.parse().ok()?))
    };
    let codes: BTreeMap<String, u16> = page.lines().filter_map(row).collect();
    assert!(codes.len() > 40, "{page}");
    codes
}
