//! End-to-end tests: the real service over HTTP. Each test is named after the guarantee it shows, where there is one.

mod process;
