//! Keystead's embedded store: everything in one SQLite file, no other service needed.
//!
//! One connection writes, a few read (WAL), each on a thread of its own.
//! [`SqliteDatabase::open`] applies the migrations and hands out every port the file implements.
//!
//! | room | what it holds |
//! |---|---|
//! | `connection` | worker threads, pools of connections, settings of SQLite |
//! | `database` | opening, migrating, and the ports of one file |
//! | `store` | [`SqliteStore`] and [`SqliteTx`]: one open transaction |
//! | `repositories` | what can be done inside a transaction; the source lies in `adapters-sql`, for both databases |
//! | `dialect` | what SQLite says differently |
//! | `ephemeral` | sessions, ceremonies and rate limits: one transaction per call |
//! | `transfer` | everything in the file, for another database; read while nobody else has it open |
//! | `revocation_feed` | revocations inside one process |

mod connection;
mod database;
mod dialect;
mod ephemeral;
#[path = "../../adapters-sql/src/repositories/mod.rs"]
mod repositories;
mod revocation_feed;
mod store;
mod transfer;

pub use database::{OpenError, SqliteConfig, SqliteDatabase, Synchronous};
pub use ephemeral::{Garbage, SqliteCeremonies, SqliteRateLimiter, SqliteSessions};
pub use revocation_feed::LocalRevocationFeed;
pub use store::{SqliteStore, SqliteTx};
pub use transfer::{Carried, SqliteExport};
