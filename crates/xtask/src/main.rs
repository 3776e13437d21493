//! Keystead.
fn main() {}
