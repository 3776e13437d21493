//! Keystead.

pub mod http;

pub mod cli;
pub mod config;
