//! Worker threads, pools of connections, settings of SQLite.

mod deadline;
mod pool;
mod settings;
mod worker;

pub(crate) use deadline::Deadline;
pub(crate) use pool::{Durability, Lease, Pool};
pub use settings::Synchronous;
pub(crate) use settings::{Access, Settings, begin_immediate, establish, is_busy, roll_back};
pub(crate) use worker::Worker;

/// The connection every repository speaks to. The one place that names it: `repositories/` compiles against another
/// database's connection unchanged.
pub(crate) type Connection =
    diesel_async::sync_connection_wrapper::SyncConnectionWrapper<diesel::SqliteConnection, Worker>;
