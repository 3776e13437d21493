//! Keystead's HTTP API and the parts of the `keystead` binary.
//!
//! | room | what it holds |
//! |---|---|
//! | [`http`] | everything between a socket and a handler: bodies, queries, credentials, errors, headers |
//! | [`routes`] | the handlers and the table of routes |
//! | [`services`] | the composed use-cases, as handlers see them |
//! | [`config`] | typed configuration |
//! | [`compose`] | the one place that joins use-cases with adapters |
//! | [`server`], [`worker`] | listening; what runs beside requests |
//! | [`cli`] | the commands of the binary |

pub mod authorization;
pub mod cli;
pub mod compose;
pub mod config;
pub mod http;
pub mod limits_doc;
pub mod routes;
pub mod server;
pub mod services;
pub mod worker;
