//! Every contract of the store on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::future::ready;
use std::time::Duration;

use keystead_adapters_postgres::{PgConfig, PgDatabase, PgStore};
use keystead_test_servers::shared;
use keystead_testkit::Harness;

/// A store in a migrated database of its own.
fn store() -> Harness<PgStore> {
    let migrate = |url: &str| drop(PgDatabase::migrate(&PgConfig::new(url)).unwrap());
    let database = shared::prepared_database("keystead", migrate);
    let config = PgConfig {
        acquire_timeout: Duration::from_secs(8),
        statement_timeout: Duration::from_secs(8),
        ..PgConfig::new(database.url())
    };
    Harness::new(PgDatabase::open(&config).unwrap().store()).keeping(database)
}

keystead_testkit::store_contracts!(ready(store()));
