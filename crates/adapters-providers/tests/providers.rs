//! The adapters against servers of their own on this machine that speak the documented interfaces.

#[path = "providers/sendgrid.rs"]
mod sendgrid;
#[path = "providers/server.rs"]
mod server;
#[path = "providers/twilio.rs"]
mod twilio;
