//! The adapter against servers of the tests' own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod contracts;
mod servers;
