//! Keystead.
pub mod smtp_peer;
