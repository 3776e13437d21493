//! The attack list: one test or more per id, named after it, from outside, against the running service.
//!
//! Part of the one end-to-end test program, so that it has its services and its actors, and runs on every kind of store.

pub(crate) mod support;
