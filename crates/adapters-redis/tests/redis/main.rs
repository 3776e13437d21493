//! The adapter against servers of the tests' own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod cluster;
mod contracts;
mod failover;
mod feed;
mod keys;
mod opening;
mod outages;
mod races;
mod rates;
mod servers;
