//! The commands of the binary.

mod configuration;
mod keys;
mod migrate_store;
mod tools;
mod users;
