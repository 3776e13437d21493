//! Which stores the services of this run keep their data in.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use deadpool_redis::redis;
use keystead_api_actix::compose::migrate;
use keystead_api_actix::config::{Config, ConfigSources};
use keystead_test_servers::{Database, shared};

use super::report;

/// Names the stores of a run: `embedded` (as without it) or `replicas`. `cargo xtask test` runs the suite on both.
pub const VARIABLE: &str = "KEYSTEAD_TEST_STORES";

/// How many replicas a service has.
pub const REPLICAS: usize = 2;

/// Two hundred requests at one row, on an unoptimised build and a machine that runs other tests, wait for each other longer
/// than the defaults allow. Processes of their own have the defaults.
const PATIENCE: [(&str, &str); 2] = [("store.acquire_timeout", "30s"), ("store.statement_timeout", "4s")];

/// What the services of this run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// One process on one SQLite file.
    Embedded,
    /// [`REPLICAS`] on one PostgreSQL database and one Redis.
    Replicas,
}

impl Stores {
    /// The stores of this run.
    ///
    /// # Panics
    /// When the variable names none.
    pub fn of_this_run() -> Self {
        static STORES: LazyLock<Stores> = LazyLock::new(|| match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "embedded") => Stores::Embedded,
            Ok("replicas") => Stores::Replicas,
            Ok(other) => panic!("{VARIABLE} is {other}: write embedded or replicas"),
        });
        *STORES
    }

    pub fn are_shared() -> bool {
        Self::of_this_run() == Self::Replicas
    }
}

/// Tests that run on a SQLite file in every run, by the beginning of their names, and why.
const ALWAYS_EMBEDDED: &[(&str, &str)] = &[
    ("process::dev::", "`keystead dev` has nothing else"),
    ("process::cli::audit::", "lays a hand on the SQLite file, as a thief of it would"),
    ("process::serve::output::", "without PostgreSQL and Redis it may connect to nobody at all"),
    ("process::cli::users::dev_gives_", "`keystead dev` has nothing else"),
];

/// Says why the test that calls this runs on a SQLite file, in a run on other stores.
///
/// # Panics
/// When nobody has said why: such a test would pass without having shown anything of the stores it claims to run on.
pub fn embedded_in_every_run() {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let thread = std::thread::current();
    // Each test has a thread of its name, unless there is to be one thread only.
    let test = thread.name().unwrap_or_default();
    if Stores::are_shared() && test != "main" {
        let listed = ALWAYS_EMBEDDED.iter().find(|(name, _)| test.starts_with(name));
        let (_, why) =
            listed.unwrap_or_else(|| panic!("{test} runs on a SQLite file, and ALWAYS_EMBEDDED does not say why"));
        if TOLD.lock().unwrap().insert(test.to_owned()) {
            report(&format!("{test}: on a SQLite file in every run: {why}"));
        }
    }
}

/// A PostgreSQL database of one test's own, in this version's form, and its part of the run's Redis.
pub struct Shared {
    postgres: Database,
    prefix: String,
}

impl Shared {
    pub fn new() -> Self {
        let prefix = prefix();
        let postgres = shared::prepared_database("this version's form", |url| {
            migrate(&configured(&settings(url, &prefix))).map(drop).unwrap();
        });
        Self { postgres, prefix }
    }

    /// The same before the first migration.
    pub fn empty() -> Self {
        Self { postgres: shared::fresh_database(), prefix: prefix() }
    }

    /// `postgres://…`
    pub fn postgres_url(&self) -> &str {
        self.postgres.url()
    }

    /// What the names of all its keys in Redis begin with, without the colon that follows.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Keys and values that make a service use it.
    pub fn settings(&self) -> [(&'static str, String); 3] {
        settings(self.postgres_url(), &self.prefix)
    }

    /// A configuration that uses it, with [`PATIENCE`]; everything else is as it must be to be read at all.
    pub fn configured(&self) -> Config {
        let patience = PATIENCE.map(|(key, value)| (key, value.to_owned()));
        configured(&[&self.settings()[..], &patience].concat())
    }

    /// G02: whatever raced, PostgreSQL never had to end a transaction that waited in a circle. Its log names the database in
    /// every line.
    fn assert_no_deadlock(&self) {
        let log = shared::postgres_log().unwrap_or_default();
        let ours = format!("@{} ", self.postgres.name());
        let deadlocks: Vec<&str> =
            log.lines().filter(|line| line.contains(&ours) && line.contains("deadlock detected")).collect();
        assert!(deadlocks.is_empty(), "{deadlocks:?}");
    }

    /// The names of its keys in Redis.
    pub fn keys(&self) -> Vec<String> {
        let mut redis = redis_connection();
        let pattern = format!("{}:*", self.prefix);
        let mut keys: Vec<String> =
            redis::Commands::scan_match(&mut redis, pattern).unwrap().map(Result::unwrap).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Deletes its part of the run's Redis.
    pub fn forget_keys(&self) {
        let keys = self.keys();
        if !keys.is_empty() {
            redis::Commands::del::<_, ()>(&mut redis_connection(), keys).unwrap();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_no_deadlock();
            // The database goes with its value. Where the Redis is not the run's own, nothing is to be left there.
            self.forget_keys();
        }
    }
}

/// A connection to the run's Redis, where everybody's keys are.
pub fn redis_connection() -> redis::Connection {
    redis::Client::open(shared::redis_url()).unwrap().get_connection().unwrap()
}

fn prefix() -> String {
    shared::redis_prefix().trim_end_matches(':').to_owned()
}

fn settings(postgres: &str, prefix: &str) -> [(&'static str, String); 3] {
    [
        ("store.url", postgres.to_owned()),
        ("store.redis_url", shared::redis_url().to_owned()),
        ("store.redis_prefix", prefix.to_owned()),
    ]
}

fn configured(settings: &[(&'static str, String)]) -> Config {
    let mut flags = vec![
        ("http.public_url".to_owned(), "http://127.0.0.1".to_owned()),
        ("captcha.provider".to_owned(), "none".to_owned()),
        ("secrets.master_key".to_owned(), "0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco".to_owned()),
    ];
    flags.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    Config::load(ConfigSources { flags, ..ConfigSources::default() }).unwrap()
}
