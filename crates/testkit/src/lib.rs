//! Contract suites every implementation of Keystead's ports must pass, and servers for tests.
//!
//! A suite is a set of functions in [`contracts`], one per MUST of a port, and a macro that makes one test of each for
//! an implementation. The expression is evaluated once per test, so every test has a subject of its own:
//!
//! ```text
//! async fn make_store() -> Harness<SqliteStore> {
//!     let directory = tempfile::tempdir().unwrap();
//!     Harness::new(SqliteStore::open(directory.path()).await.unwrap()).keeping(directory)
//! }
//! keystead_testkit::store_contracts!(make_store());
//! ```
//!
//! The calling crate needs `tokio` with `rt-multi-thread` and `macros`.

pub mod contracts;
mod harness;
pub mod race;
pub mod smtp_peer;
pub mod srp_client;

pub use harness::Harness;
#[doc(hidden)]
pub use keystead_application::ports;
