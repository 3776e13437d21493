//! The adapters against servers of their own on this machine that speak the documented interfaces.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "providers/github.rs"]
mod github;
#[path = "providers/oidc.rs"]
mod oidc;
#[path = "providers/sendgrid.rs"]
mod sendgrid;
#[path = "providers/server.rs"]
mod server;
#[path = "providers/siteverify.rs"]
mod siteverify;
#[path = "providers/twilio.rs"]
mod twilio;
