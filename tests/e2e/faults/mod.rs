//! Faults of what the service stands on (F03-F09, F18, F19): two replicas of the real binary over a PostgreSQL and a Redis
//! that these tests start for themselves, stop, freeze, kill, empty and cut off. The long forms are `cargo xtask prove`'s.

mod bed;
mod failover;
mod journal;
mod kills;
mod partition;
mod postgres;
mod redis;
mod revoked;
mod shutdown;
mod unknown;
