//! The `keystead` binary as a process of its own: commands, signals, crashes, and attacks on the wire.

pub(crate) mod api;
pub(crate) mod browser;
mod cli;
pub(crate) mod configured;
mod dev;
pub(crate) mod keystead;
mod kills;
mod serve;
pub(crate) mod site;
mod upgrade;
