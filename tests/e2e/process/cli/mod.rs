//! The commands of the binary.

mod configuration;
mod keys;
mod tools;
mod users;
