//! The PostgreSQL adapter against real servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod administration;
mod audit;
mod budgets;
mod cancelled;
mod contracts;
mod migrations;
mod opening;
mod outages;
mod parity;
mod races;
mod statements;
mod tls;
mod transfer;

use std::time::Duration;

use keystead_adapters_postgres::{PgConfig, PgDatabase, PgStore};
use keystead_application::ports::{Store, StoreError};
use keystead_domain::account::User;
use keystead_test_servers::{Database, Postgres, shared};
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

/// A migrated database of one's own on the shared server.
fn migrated_database() -> Database {
    shared::prepared_database("keystead", |url| drop(PgDatabase::migrate(&PgConfig::new(url)).unwrap()))
}

/// A migrated database on a server of one's own.
fn migrated(server: &Postgres) -> Database {
    let database = server.fresh_database().unwrap();
    PgDatabase::migrate(&PgConfig::new(database.url())).unwrap();
    database
}

/// A store with the default time-outs and `connections` connections.
fn open(url: &str, connections: usize) -> PgStore {
    PgDatabase::open(&PgConfig { connections, ..PgConfig::new(url) }).unwrap().store()
}

/// Another program at the same database.
async fn other_program(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // Ends with the client.
    drop(tokio::spawn(connection));
    client
}

async fn insert(store: &impl Store, user: &User) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.users().insert(user, None).await?;
    tx.commit().await
}

async fn find(store: &impl Store, user: &User) -> Option<User> {
    store.read().await.unwrap().users().get(user.id).await.unwrap()
}

/// Asks until the answer is yes.
async fn until(client: &Client, question: &str) {
    let begun = Instant::now();
    while !client.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(begun.elapsed() < Duration::from_secs(10), "still not: {question}");
        tokio::task::yield_now().await;
    }
}

/// How many sessions of ours wait for a lock.
const SOMEBODY_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                              AND application_name = 'keystead' AND wait_event_type = 'Lock'";

fn unavailable<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Unavailable(text)) => text,
        other => panic!("{other:?} is not Unavailable"),
    }
}
