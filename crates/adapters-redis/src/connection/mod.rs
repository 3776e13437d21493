//! Connections, and how a command finds its server.

mod call;
mod cluster;
mod dial;
mod node;
mod script;
mod slots;

pub(crate) use call::{CallError, Repeat, Route};
pub(crate) use cluster::Cluster;
pub(crate) use dial::{Connection, Dialer, field, info};
pub(crate) use node::{Node, Place};
pub(crate) use script::{Argument, Script};
