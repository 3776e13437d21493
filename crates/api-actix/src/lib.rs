//! Keystead's HTTP API and the parts of the `keystead` binary.
//!
//! | room | what it holds |
//! |---|---|
//! | [`http`] | everything between a socket and a handler: bodies, queries, credentials, errors, headers |
//! | [`routes`] | the handlers and the table of routes |
//! | [`services`] | the composed use-cases, as handlers see them |
//! | [`config`] | typed configuration |
//! | [`cli`] | the commands of the binary |

pub mod cli;
pub mod config;
pub mod http;
pub mod routes;
pub mod services;
