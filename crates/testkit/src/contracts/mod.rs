//! One suite per port. Every function is one MUST of the port's documentation; the macro of the suite runs them all.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "contracts are tests: they fail by panicking"
)]
#![expect(clippy::unused_async, reason = "a suite runs its contracts alike, whether their port waits or not")]

pub mod ceremonies;
pub mod entropy;
pub mod keyed_hash;
pub mod password_hasher;
pub mod rate_limiter;
mod rates;
pub mod revocation_feed;
pub mod sealer;
pub mod sessions;
mod store;
pub mod store_administration;
pub mod store_attendance;
pub mod store_audit;
pub mod store_audit_chain;
pub mod store_budgets;
pub mod store_contacts;
pub mod store_devices;
pub mod store_factors;
pub mod store_failures;
pub mod store_keys;
pub mod store_leases;
pub mod store_link_tokens;
pub mod store_logs;
pub mod store_outbox;
pub mod store_passkeys;
pub mod store_registrations;
pub mod store_social;
pub mod store_srp;
pub mod store_transactions;
pub mod store_users;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{Store, Tx};

/// How many tasks race for one thing.
const RACERS: usize = 64;
/// The smallest step of time.
const MICRO: Duration = Duration::from_micros(1);

async fn begin(store: &Arc<dyn Store>) -> Box<dyn Tx> {
    store.begin().await.expect("a transaction begins")
}

async fn read(store: &Arc<dyn Store>) -> Box<dyn Tx> {
    store.read().await.expect("a reading transaction begins")
}

async fn commit(tx: Box<dyn Tx>) {
    tx.commit().await.expect("the transaction commits");
}

/// The one winner among the results of a race.
fn sole_winner<T>(results: Vec<Option<T>>) -> T {
    let mut winners: Vec<T> = results.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "exactly one of the racers wins");
    winners.remove(0)
}
