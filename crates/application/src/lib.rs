//! Keystead's use-cases and the ports they need.

pub mod message;
pub mod ports;
