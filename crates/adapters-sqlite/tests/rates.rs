//! Counters of hits and guesses: two handles of one file, and what versions with fixed windows read and wrote in the same
//! rows.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use keystead_adapters_sqlite::{SqliteConfig, SqliteDatabase, Synchronous};
use keystead_application::ports::{BudgetDecision, BudgetKey, RateHit, RateLimiter, Store};
use keystead_application::testing::after;
use keystead_domain::limits::RatePolicy;
use keystead_testkit::contracts::{rate_limiter, store_budgets};

/// One comes back every 12 seconds.
const POLICY: RatePolicy = RatePolicy { name: "p", limit: 5, window: Duration::from_secs(60), per: "test" };

fn open(folder: &Path) -> SqliteDatabase {
    let config = SqliteConfig {
        synchronous: Synchronous::Normal,
        acquire_timeout: Duration::from_secs(8),
        ..SqliteConfig::new(folder.join("keystead.db"))
    };
    SqliteDatabase::open(&config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_of_one_file_share_every_counter() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| open(folder.path()));
    rate_limiter::two_handles_share_a_counter(Arc::new(one.rate_limiter()), Arc::new(other.rate_limiter())).await;
    store_budgets::two_handles_share_a_budget(Arc::new(one.store()), Arc::new(other.store())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_whose_clocks_differ_share_every_counter() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| open(folder.path()));
    let limiters = (Arc::new(one.rate_limiter()), Arc::new(other.rate_limiter()));
    rate_limiter::two_handles_whose_clocks_differ_share_a_counter(limiters.0, limiters.1).await;
    let (one, other) = (Arc::new(one.store()), Arc::new(other.store()));
    store_budgets::two_handles_whose_clocks_differ_share_a_budget(one, other).await;
}

#[tokio::test]
async fn windows_of_the_version_before_are_read_as_hits_at_their_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let path = folder.path().join("keystead.db");
    let mut before = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    for table in ["rate_windows", "guess_budgets"] {
        let row = format!("INSERT INTO {table} VALUES ('p', 'k', 3, {})", after(60).as_micros());
        before.batch_execute(&row).unwrap();
    }
    let hit = [RateHit { key: "k".into(), policy: POLICY }];
    for (allowed, count) in [(true, 4), (true, 5), (false, 5)] {
        let decision = *database.rate_limiter().hit(&hit, after(1)).await.unwrap().first().unwrap();
        assert_eq!((decision.allowed, decision.count), (allowed, count));
    }
    let mut tx = database.store().begin().await.unwrap();
    let expected = [4, 5].map(|count| BudgetDecision::Reserved { count });
    for decision in expected.into_iter().chain([BudgetDecision::Exhausted { again_at: after(12) }]) {
        assert_eq!(tx.guess_budgets().reserve(&BudgetKey("k".into()), &POLICY, after(1)).await, Ok(decision));
    }
}
