//! End-to-end tests: the real service over HTTP. Each test is named after the guarantee it shows, where there is one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admin;
mod at_rest;
mod attacked;
mod attacked_replicas;
#[path = "../attacks/mod.rs"]
mod attacks;
mod attendance;
mod authorization;
mod budgets;
mod captcha;
mod changes;
mod claims;
mod clients;
mod deploy;
mod equal_work;
mod factors;
mod faults;
mod idempotency;
mod keys;
mod languages;
mod process;
mod profile;
mod reads;
mod refresh;
mod replicas;
mod restart;
mod sessions;
mod single_use;
mod social;
mod srp;
mod srp_clients;
mod story;
mod support;
