//! Keystead's passing state for many replicas, in Redis: one server, a master watched by sentinels, or a cluster.
//!
//! [`RedisLink::open`] connects, proves that the server is one nothing will be lost on, and hands out every port Redis
//! implements. Redis 6.2 or later, or Valkey.
//!
//! | room | what it holds |
//! |---|---|
//! | `config` | where Redis is, and why it cannot be used |
//! | `connection` | connections, who the master is, which node serves a key, when a command may be sent again |
//! | `link` | opening, and what the ports share |
//! | `suitable` | what a server must be |
//! | `keys` | the names of keys |
//! | `sessions`, `ceremonies`, `rate_limiter`, `revocation_feed` | the ports |
//! | `scripts` | what must be one step, in Lua |
//!
//! # Keys
//!
//! `keystead` is the configured prefix. What stands in braces decides the slot in a cluster; every command and every
//! script is about the keys of one slot.
//!
//! | key | type | fields | bytes | lives |
//! |---|---|---|---|---|
//! | `keystead:s:{<sid>}` | hash | a session: `user_id` `client` `fingerprint` `head` `head_key` `previous_key` `rotated_at` `rotations_since` `rotations` `epoch` `role` `amr` `auth_time` `created_at` `last_seen_at` `expires_at` `checked_at` `ip` `user_agent` `ended` `version` | | until `expires_at` |

mod ceremonies;
mod config;
mod connection;
mod keys;
mod link;
mod rate_limiter;
mod revocation_feed;
mod sessions;
mod suitable;

pub use ceremonies::RedisCeremonies;
pub use config::{OpenError, RedisConfig, Tls, Topology};
pub use link::RedisLink;
pub use rate_limiter::RedisRateLimiter;
pub use revocation_feed::RedisRevocationFeed;
pub use sessions::RedisSessions;
