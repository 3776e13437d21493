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
//! script is about the keys of one slot. Every key ends: time to live (an hour more than the table says, for windows a
//! minute) collects garbage, and decides nothing. Sizes are `MEMORY USAGE` of Redis 7.0.
//!
//! | key | type | holds | bytes | until |
//! |---|---|---|---|---|
//! | `keystead:s:{<session>}` | hash | a session, a field per fact; `version` counts rotations and ends; `user_agent`, `user_agent_2` … are pieces of 64 bytes | 750 with a `User-Agent` of 100 | it expires |
//! | `keystead:u:{<user>}` | zset | the user's sessions that have not ended, by `expires_at` | 300 for five sessions | the last of them expires |
//! | `keystead:c:{code:<session>}` | hash | `state` and `expires_at` of a sent code | 170 | it expires |
//! | `keystead:c:{idempotency:<request>}` | hash | `state` and `expires_at` of a repeated request | 12600 with an answer of 10 KiB | it expires |
//! | `keystead:c:{step_up:<session>}` | hash | `state` and `expires_at` of a code sent for a step-up | 670 | it expires |
//! | `keystead:c:{contact:<contact>}` | hash | `state` and `expires_at` of a code sent to a new address | 680 | it expires |
//! | `keystead:c:{passkey:<challenge>}` | hash | `state` and `expires_at` of a WebAuthn challenge, named by its digest | 2900 with a state of 2 KiB | it expires |
//! | `keystead:c:{srp:<challenge>}` | hash | `state`, which is empty, and `expires_at` of an SRP challenge that was answered | 180 | it expires |
//! | `keystead:c:{captcha:<solution>}` | hash | `state` and `expires_at` of a captcha that was used | 180 | it expires |
//! | `keystead:c:{social:<state>}` | hash | `state` and `expires_at` of a sign-in that is at a provider, named by the digest of what is sent along | 900 | it expires |
//! | `keystead:r:{<policy>:<whose>}` | hash | `count` and `resets_at` of a counter: hits as of the beginning of a window, and its end | 150 | the window ends |
//! | `keystead:f:{revocations}` | stream | `history` and `revocation` of each entry; its id is its number in the sequence | 1200000 for 10,000 entries, which is all it keeps | nobody read or wrote for two hours |
//! | `keystead:fs:{revocations}` | hash | `id` and `sequence` of the stream | 120 | the same |
//!
//! No value of a session is longer than 64 bytes, so that Redis keeps it in its small form; as one field the
//! `User-Agent` would make the hash take 1,700 bytes.
//!
//! # Rights
//!
//! A user that may do what is needed, and nothing else (the prefix is `keystead`; `asking` and `cluster|slots` are for
//! clusters, `select` for a database other than 0):
//!
//! ```text
//! user keystead on >secret resetchannels ~keystead:* -@all +ping +info +select +cluster|slots +asking
//!   +eval +evalsha +exists +del +pexpire +pttl +hget +hmget +hgetall +hset +hincrby +zadd +zrem
//!   +zrangebyscore +zremrangebyscore +xadd +xrange +xrevrange +xread
//! ```
//!
//! A sentinel's user needs `+ping +sentinel|get-master-addr-by-name`.
//!
//! # What happens when
//!
//! | what | then |
//! |---|---|
//! | Redis is frozen, cut off or slow | every call is an error within `connect_timeout` + `response_timeout` (1.5 s); the connection is given up |
//! | it is gone | one attempt to connect at a time, and none within 200 ms of a failed one: calls fail at once in between |
//! | it is back | the next call connects; scripts are sent again |
//! | the connection died before an answer came | what may run twice is sent once more, to a new connection: `find`, `list`, `end`, `update`, `touch`, `publish`, `read`. For `insert`, `rotate`, `end_all`, `take`, `overwrite`, `hit` it is an error, for they may have run |
//! | an answer is late | an error for all of them: there is no time for another |
//! | a failover | `READONLY` or a closed connection, so the sentinels, or the cluster, are asked who is master now |
//! | a failover to a replica that was behind | what Redis had acknowledged within the lag is undone: a session may be missing (its owner signs in again), an older generation may be head (the next refresh ends the session), a taken code may be there again (its tries are counted in the database). Revocations are not lost: readers notice, and the log in the database is authoritative. `min-replicas-to-write 1` with `min-replicas-max-lag 1` bounds the lag |
//! | everything is flushed | sessions are gone, tokens stay revoked, limits begin anew |
//!
//! # Why not deadpool-redis' pools
//!
//! A pool's checkout costs a round trip (`UNWATCH`, `PING`), and its Sentinel and Cluster managers take no time-outs.
//! Commands share one multiplexed connection of the client library it re-exports; only waiting readers of the feed have
//! connections of their own. That library's cluster client is not used either: it repeats commands after I/O errors,
//! also those that must not run twice, and keeps a connection whose answers time out.

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
