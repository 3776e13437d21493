//! End-to-end tests: the real service over HTTP. Each test is named after the guarantee it shows, where there is one.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod process;
mod story;
mod support;
