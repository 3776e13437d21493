//! Servers for tests: PostgreSQL, Redis, Redis Cluster, Redis Sentinel, and a proxy that breaks connections on purpose.
//!
//! Every server listens on a private port of 127.0.0.1 and keeps its files in a temporary directory of its own. Servers
//! that were there before are never touched. Each one hangs on a supervisor, a `sh` that holds the other end of a pipe:
//! when the process that started the server ends, however it ends, the pipe closes, and the supervisor ends the server and
//! removes the directory. Linux only: processes are found in `/proc`.
//!
//! Everything is synchronous and built on the standard library, so that `cargo xtask` starts quickly.
//!
//! * [`Postgres`], [`Redis`], [`RedisCluster`], [`Sentinel`]: a server of one's own, to stop, kill, freeze and restart.
//! * [`shared`]: one server of each kind for all tests of a run, with a fresh database or key prefix per test.
//! * [`Proxy`]: latency, refusal, resets, black holes, a cut at a chosen byte.
//! * [`cargo`]: the cargo that builds what tests start.

mod cargo;
mod cluster;
mod error;
mod home;
mod ports;
mod postgres;
mod programs;
mod proxy;
mod psql;
mod redis;
mod resp;
mod sentinel;
mod server;
pub mod shared;
mod suite;
mod wait;

pub use cargo::cargo;
pub use cluster::RedisCluster;
pub use error::{Error, Missing, Result};
pub use postgres::{Mode, Postgres, PostgresOptions};
pub use proxy::Proxy;
pub use psql::Database;
pub use redis::{Redis, RedisOptions};
pub use resp::Value;
pub use sentinel::Sentinel;
pub use suite::Suite;

/// A name nothing else has: 16 hexadecimal digits. Not for secrets.
pub(crate) fn random_name() -> String {
    format!("{:016x}", random_number())
}

/// A number from the seed of the standard library's hash maps, which the operating system draws.
pub(crate) fn random_number() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
