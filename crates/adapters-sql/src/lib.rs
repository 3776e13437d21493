//! Keystead.
