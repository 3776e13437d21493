//! The harness: the service in this process on a port of its own, people who use it, and what they were mailed.

mod actors;
mod admin;
mod database;
mod factors;
mod http;
mod mailbox;
mod service;
mod social;
mod stores;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

pub use actors::{Anonymous, HalfWay, Kind, PASSWORD, SignedIn};
pub use admin::add_account;
pub use database::Database;
pub use factors::{Authenticator, STEP};
pub use http::{Answer, Api, Call, Refusal, Reply, client_builder, refusal};
pub use mailbox::Mail;
pub use service::Service;
pub use social::{Arrived, Back};
pub use stores::{REPLICAS, Shared, Stores, embedded_in_every_run};

/// How long something that happens beside requests may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// G05: within this time every replica refuses what was revoked.
pub const PROMISED: Duration = Duration::from_secs(1);

/// Tells a figure, in a run that passes, too: past the capture of output.
pub fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none by the deadline; `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let Ok(answer) = tokio::time::timeout(DEADLINE, asking).await else { panic!("{what}: not within {DEADLINE:?}") };
    answer
}

/// The results of a race: what the winners got, and how often it was refused with what.
pub fn tally<T>(answers: Vec<Answer<T>>) -> (Vec<T>, BTreeMap<Refusal, usize>) {
    let (mut won, mut refused) = (Vec::new(), BTreeMap::new());
    for answer in answers {
        match answer {
            Ok(prize) => won.push(prize),
            Err(refusal) => *refused.entry(refusal).or_default() += 1,
        }
    }
    (won, refused)
}
