//! Every contract of the store.

use std::future::ready;
use std::time::Duration;

use keystead_adapters_postgres::{PgConfig, PgDatabase, PgStore};
use keystead_testkit::Harness;

use crate::migrated_database;

/// A store in a migrated database of its own.
fn store() -> Harness<PgStore> {
    let database = migrated_database();
    let config = PgConfig {
        acquire_timeout: Duration::from_secs(8),
        statement_timeout: Duration::from_secs(8),
        ..PgConfig::new(database.url())
    };
    Harness::new(PgDatabase::open(&config).unwrap().store()).keeping(database)
}

keystead_testkit::store_contracts!(ready(store()));
