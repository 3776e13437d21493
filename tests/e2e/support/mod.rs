//! The harness: the service in this process on a port of its own, people who use it, and what they were mailed.

mod actors;
mod database;
mod http;
mod mailbox;
mod service;

use std::future::Future;
use std::time::Duration;

pub use actors::{Anonymous, HalfWay, Kind, PASSWORD, SignedIn};
pub use database::Database;
pub use http::{Answer, Api, Call, Refusal, Reply, refusal};
pub use service::{Builder, Service};

/// How long something that happens beside requests may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

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
    match tokio::time::timeout(DEADLINE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}
