//! Making, driving, watching and pooling connections.

mod connect;
mod describe;
mod driver;
mod manager;
mod socket;
mod tls;
mod watched;

pub(crate) use connect::Connector;
pub(crate) use driver::Link;
pub(crate) use manager::{Lease, Pool, pool};
