//! The commands of the binary.

mod audit;
mod configuration;
mod imports;
mod keys;
mod migrate_store;
mod tools;
mod users;
