//! Every contract of every port the SQLite file implements.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::future::ready;
use std::time::Duration;

use keystead_adapters_sqlite::{
    LocalRevocationFeed, SqliteCeremonies, SqliteConfig, SqliteDatabase, SqliteRateLimiter, SqliteSessions,
    SqliteStore, Synchronous,
};
use keystead_testkit::Harness;

/// An empty database in a folder of its own.
fn database() -> (SqliteDatabase, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig {
        synchronous: Synchronous::Normal,
        acquire_timeout: Duration::from_secs(8),
        ..SqliteConfig::new(folder.path().join("keystead.db"))
    };
    (SqliteDatabase::open(&config).unwrap(), folder)
}

fn store() -> Harness<SqliteStore> {
    let (database, folder) = database();
    Harness::new(database.store()).keeping(folder)
}

fn sessions() -> Harness<SqliteSessions> {
    let (database, folder) = database();
    Harness::new(database.sessions()).keeping(folder)
}

fn ceremonies() -> Harness<SqliteCeremonies> {
    let (database, folder) = database();
    Harness::new(database.ceremonies()).keeping(folder)
}

fn rate_limiter() -> Harness<SqliteRateLimiter> {
    let (database, folder) = database();
    Harness::new(database.rate_limiter()).keeping(folder)
}

fn revocation_feed() -> Harness<LocalRevocationFeed> {
    Harness::new(LocalRevocationFeed::new("feed".to_owned()))
}

keystead_testkit::store_contracts!(ready(store()));
keystead_testkit::session_contracts!(ready(sessions()));
keystead_testkit::ceremony_contracts!(ready(ceremonies()));
keystead_testkit::rate_limiter_contracts!(ready(rate_limiter()));
keystead_testkit::revocation_feed_contracts!(ready(revocation_feed()));
