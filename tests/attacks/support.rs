//! What every attack is held against: the state it must not change (S0), the audit events it may leave behind, and the one
//! form a refusal has.

use std::collections::{BTreeMap, BTreeSet};

use keystead_api_actix::http::Code;
use reqwest::Method;

use crate::support::{Reply, Service};

/// Tables that tell of requests and processes, not of what somebody has: the audit log, counters of addresses, what one process
/// at a time does, and the news of revocations, which are rows themselves. The budgets of accounts (`guess_budgets`,
/// `factor_failures`) are somebody's: an attack that may spend them says so.
const INCIDENTAL: [&str; 6] =
    ["audit_events", "audit_checkpoints", "sqlite_sequence", "rate_windows", "leases", "feed"];
/// What an answer that was looked at, and was wrong, may change: what it answered, with the tries at it, and the budgets of whom
/// it was about.
pub(crate) const COUNTED: [&str; 3] = ["ceremonies", "guess_budgets", "factor_failures"];
/// The minute somebody was last seen.
const SEEN: &str = "sessions.last_seen_at";

/// S0: every row that is somebody's, and every message that was sent, to be compared with later ones. Rows stay in clear, so
/// that a test that fails says what changed.
pub(crate) struct Digest {
    without: Vec<&'static str>,
    rows: BTreeSet<String>,
    audited: BTreeMap<String, usize>,
}

impl Digest {
    /// The state now, once no mail is on its way.
    pub(crate) async fn of(service: &Service) -> Self {
        Self::without(service, &[]).await
    }

    /// The same without more tables. `ceremonies` are what codes and challenges are kept as, with the tries at them;
    /// `messages` are those that were delivered.
    pub(crate) async fn without(service: &Service, tables: &[&'static str]) -> Self {
        service.mail_settled().await;
        let mut dump = service.database().dump(&[SEEN]);
        let audited = events(dump.get("audit_events").map_or(&[][..], Vec::as_slice));
        assert!(["users", "keys", "revocations"].iter().all(|table| dump.contains_key(*table)), "{:?}", dump.keys());
        dump.retain(|table, _| !INCIDENTAL.contains(&table.as_str()) && !tables.contains(&table.as_str()));
        let mut rows: BTreeSet<String> = BTreeSet::new();
        for (table, of_table) in dump {
            rows.extend(of_table.into_iter().map(|row| format!("{table}: {row}")));
        }
        if !tables.contains(&"messages") {
            rows.extend(messages(service).await);
        }
        Self { without: tables.to_vec(), rows, audited }
    }

    /// S0: nothing came, went or changed.
    ///
    /// # Panics
    /// When something did.
    pub(crate) async fn is_still_that_of(&self, service: &Service) {
        self.changed_rows(&Self::without(service, &self.without).await);
    }

    /// `S+e`: nothing came, went or changed, and the audit log has exactly these events more.
    ///
    /// # Panics
    /// When something did, or it has others.
    pub(crate) async fn is_still_that_of_but_for(&self, service: &Service, expected: &[(&str, usize)]) {
        let now = Self::without(service, &self.without).await;
        self.changed_rows(&now);
        let expected: BTreeMap<String, usize> =
            expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(now.audited_since(self), expected);
    }

    /// Audit events that came since an earlier state, by name.
    pub(crate) fn audited_since(&self, earlier: &Self) -> BTreeMap<String, usize> {
        let more = |(name, count): (&String, &usize)| {
            let more = count - earlier.audited.get(name).copied().unwrap_or_default();
            (more > 0).then(|| (name.clone(), more))
        };
        self.audited.iter().filter_map(more).collect()
    }

    fn changed_rows(&self, now: &Self) {
        let gone: Vec<&String> = self.rows.difference(&now.rows).collect();
        let new: Vec<&String> = now.rows.difference(&self.rows).collect();
        assert!(gone.is_empty() && new.is_empty(), "gone: {gone:#?}\nnew: {new:#?}");
    }
}

/// How often each name is in rows of the audit log.
fn events(rows: &[String]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for row in rows {
        let name = row.split_once(" name='").and_then(|(_, rest)| rest.split('\'').next());
        *counted.entry(name.unwrap_or_else(|| panic!("no name: {row}")).to_owned()).or_default() += 1;
    }
    counted
}

/// A line for each message that was delivered.
async fn messages(service: &Service) -> Vec<String> {
    let mut lines = Vec::new();
    for replica in service.api().each() {
        let page = replica.at(Method::GET, "/dev/mail").send().await.ok(200).unwrap().json();
        for message in page["data"].as_array().unwrap() {
            let text = |name: &str| message["attributes"][name].as_str().unwrap_or_default().to_owned();
            let id = message["id"].as_str().unwrap_or_default();
            lines.push(format!("message {id}: {} to {}: {}", text("createdAt"), text("to"), text("subject")));
        }
    }
    lines
}

/// What no answer of ours says.
pub(crate) const INNARDS: [&str; 10] =
    ["panicked", "diesel", "SELECT ", "INSERT ", "stack backtrace", ".rs:", "josekit", "sqlite", "postgres", "redis"];

/// The answer is this refusal, in the form every refusal has: JSON:API, a documented code with its status, the request's
/// identifier, a challenge with 401 and only there, and not a word of what is inside.
#[track_caller]
pub(crate) fn assert_refused(attack: &str, reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.refusal().code.as_str()), (status, code), "{attack}: {}", reply.text);
    assert_explained(attack, reply);
}

/// The answer is some refusal, in the form every refusal has.
#[track_caller]
pub(crate) fn assert_explained(attack: &str, reply: &Reply) {
    assert!((400..500).contains(&reply.status), "{attack}: {} {}", reply.status, reply.text);
    assert_eq!(reply.header("content-type"), Some("application/vnd.api+json"), "{attack}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{attack}");
    let id = reply.header("x-request-id").unwrap_or_else(|| panic!("{attack}: no request id"));
    let document = reply.json();
    let errors = document["errors"].as_array().unwrap_or_else(|| panic!("{attack}: {document}"));
    assert!(!errors.is_empty(), "{attack}");
    for error in errors {
        let code = error["code"].as_str().unwrap_or_default();
        let documented = Code::ALL.iter().find(|known| known.as_str() == code);
        assert_eq!(documented.map(|code| code.status().as_u16()), Some(reply.status), "{attack}: {code}");
        assert_eq!(error["status"], reply.status.to_string(), "{attack}");
        assert_eq!(error["id"], id, "{attack}");
    }
    // 403 challenges where more has to be proved (RFC 9470).
    let challenge = reply.header("www-authenticate").unwrap_or_default();
    match reply.status {
        401 => assert!(challenge.starts_with("Bearer") || challenge.starts_with("Basic"), "{attack}: {challenge:?}"),
        403 => assert!(challenge.is_empty() || challenge.contains("insufficient_user_authentication"), "{attack}"),
        _ => assert!(challenge.is_empty(), "{attack}: {challenge}"),
    }
    for word in INNARDS {
        assert!(!reply.text.contains(word), "{attack} tells of {word}: {}", reply.text);
    }
}
