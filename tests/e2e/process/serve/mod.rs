//! `keystead serve` with a real configuration.

mod mail;
mod network;
mod output;
