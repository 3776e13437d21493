//! Keystead's store for many replicas: PostgreSQL 14 or later.
//!
//! | room | what it holds |
//! |---|---|
//! | `config` | where the database is and how it is spoken to |
//! | `connection` | making, driving, watching and pooling connections |
//! | `runtime` | the threads connections live on, whoever calls |
//! | `database` | opening, and what can be asked of a database |
//! | `migrations` | bringing the tables up to date |
//! | `transfer` | everything of another database, in one transaction |
//! | `store` | [`PgStore`] and [`PgTx`]: one open transaction |
//! | `repositories` | what can be done inside a transaction; the source lies in `adapters-sql`, for both databases |
//! | `dialect` | what PostgreSQL says differently |
//!
//! ## What may happen to a connection
//!
//! A transaction that does not commit is rolled back on this crate's own runtime, and its connection is used again only
//! when PostgreSQL has answered the `ROLLBACK`: by then every statement before it is over, also those of a call that was
//! dropped half-way. A connection about which anything is odd is closed instead.
//!
//! ## PgBouncer
//!
//! Works from PgBouncer 1.21 in transaction mode with `max_prepared_statements` set (200 is plenty: Keystead has about
//! 100 statements), or with any version in session mode: statements are prepared once per connection. Time-outs travel
//! with each transaction (`SET LOCAL`), so nothing is lost between server connections. [`PgDatabase::migrate`] holds a
//! lock of its session: give it a direct address, or session mode.

mod config;
mod connection;
mod database;
mod dialect;
mod migrations;
#[path = "../../adapters-sql/src/repositories/mod.rs"]
mod repositories;
mod runtime;
mod store;
mod transfer;

pub use config::{PgConfig, Tls};
pub use database::{OpenError, PgDatabase};
pub use store::{PgStore, PgTx};
pub use transfer::PgImport;
