//! The attack list: one test or more per id, named after it, from outside, against the running service.
//!
//! Part of the one end-to-end test program, so that it has its services and its actors, and runs on every kind of store.

mod access;
mod attributes;
mod captcha;
mod changes;
mod ends;
mod enumeration;
mod headers;
mod http;
mod http_slow;
mod impersonation;
mod limits;
mod logs;
mod one_time_codes;
mod overload;
mod recovery;
mod refresh;
mod srp;
pub(crate) mod support;
mod tokens;
mod webauthn;
pub(crate) mod wire;
