//! End-to-end tests of Keystead live in `e2e/`.
