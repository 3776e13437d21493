//! The `keystead` binary as a process of its own: commands, signals, crashes, and attacks on the wire.

mod api;
mod attacks;
mod canary;
mod cli;
mod configured;
mod dev;
mod keystead;
mod kills;
mod serve;
