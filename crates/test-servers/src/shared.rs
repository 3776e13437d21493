//! One PostgreSQL, one Redis and one Redis Cluster for all tests that can share: the ones the environment names
//! (`cargo xtask test` does), else started when the first test of a process asks, ended with the process.
//!
//! Everything here panics, with the reason, when it cannot give what was asked: a test that cannot have its server fails.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use crate::psql::Admin;
use crate::{Database, Postgres, Redis, RedisCluster, Result, random_name};

/// Names a PostgreSQL server to use: `postgres://…`, a user that may create databases.
pub const POSTGRES_URL: &str = "KEYSTEAD_TEST_POSTGRES_URL";
/// Names that server's log file, when it can be read.
pub const POSTGRES_LOG: &str = "KEYSTEAD_TEST_POSTGRES_LOG";
/// Names a Redis server to use: `redis://…`.
pub const REDIS_URL: &str = "KEYSTEAD_TEST_REDIS_URL";
/// Names the nodes of a Redis Cluster to use: `redis://…`, separated by commas.
pub const REDIS_CLUSTER_URL: &str = "KEYSTEAD_TEST_REDIS_CLUSTER_URL";

/// The shared PostgreSQL server.
struct Shared {
    url: String,
    admin: Arc<Admin>,
    /// Ends with the process when it was started here.
    own: Option<Postgres>,
}

static POSTGRES: LazyLock<Shared> = LazyLock::new(|| {
    if let Some(url) = variable(POSTGRES_URL) {
        return Shared { admin: Arc::new(Admin::of_foreign_server(&url)), url, own: None };
    }
    let own = or_panic(Postgres::start());
    let url = own.url().to_owned();
    Shared { admin: Arc::new(Admin::of_own_server(&url, &url)), url, own: Some(own) }
});

/// `postgres://` address of the shared server, for a user that may create databases. Tests use [`fresh_database`].
pub fn postgres_url() -> &'static str {
    &POSTGRES.url
}

/// All the shared PostgreSQL server has logged; nothing when the log of an existing server is not known.
pub fn postgres_log() -> Option<String> {
    match &POSTGRES.own {
        Some(own) => Some(own.log()),
        None => variable(POSTGRES_LOG).and_then(|path| std::fs::read_to_string(path).ok()),
    }
}

/// A new empty database on the shared server, dropped with the value.
pub fn fresh_database() -> Database {
    or_panic(POSTGRES.admin.create_database(None))
}

/// A copy of a database on the shared server that is prepared once per process: the first call with this `key` makes it
/// and lets `prepare` fill it, given its address; all calls get a copy, which takes a tenth of a second or less.
///
/// `prepare` runs in a thread of its own, so that it may start a runtime, and must have closed its connections when it
/// returns.
pub fn prepared_database(key: &str, prepare: impl FnOnce(&str) + Send) -> Database {
    static PREPARED: Mutex<Option<HashMap<String, Arc<OnceLock<Database>>>>> = Mutex::new(None);
    let cell = {
        let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(prepared.get_or_insert_default().entry(key.to_owned()).or_default())
    };
    let template = cell.get_or_init(|| {
        let database = fresh_database();
        let outcome = std::thread::scope(|scope| scope.spawn(|| prepare(database.url())).join());
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        database
    });
    or_panic(POSTGRES.admin.create_database(Some(template.name())))
}

/// Address of the shared Redis server. Tests prefix their keys: [`redis_prefix`].
pub fn redis_url() -> &'static str {
    static URL: LazyLock<(String, Option<Redis>)> = LazyLock::new(|| {
        if let Some(url) = variable(REDIS_URL) {
            return (url, None);
        }
        let own = or_panic(Redis::start());
        (own.url().to_owned(), Some(own))
    });
    &URL.0
}

/// Addresses of the nodes of the shared Redis Cluster. Tests prefix their keys: [`redis_prefix`].
pub fn redis_cluster_urls() -> &'static [String] {
    static URLS: LazyLock<(Vec<String>, Option<RedisCluster>)> = LazyLock::new(|| {
        if let Some(urls) = variable(REDIS_CLUSTER_URL) {
            return (urls.split(',').map(|url| url.trim().to_owned()).collect(), None);
        }
        let own = or_panic(RedisCluster::start());
        (own.urls(), Some(own))
    });
    &URLS.0
}

/// A beginning for the keys of one test that no other test has.
pub fn redis_prefix() -> String {
    format!("test-{}:", random_name())
}

/// Whether the environment names an existing server.
pub(crate) fn is_set(name: &str) -> bool {
    variable(name).is_some()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::panic, reason = "a test without its server must fail, and say what to install")]
fn or_panic<T>(outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}
