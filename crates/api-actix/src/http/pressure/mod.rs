//! What a service under pressure takes and what it refuses: connections held to a pace, requests held to a deadline,
//! threads that cannot keep up.
//!
//! actix-http bounds the time of the first head on a connection and nothing after it: a second head may take for ever, an
//! answer need not be taken, and a client that asks on without reading keeps a thread polling. So every connection is
//! watched from below it: [`serve`] puts a stream of ours between the socket and actix-http.

mod chunks;
mod deadline;
mod guarded;
mod lag;
mod line;
mod messages;
mod pace;
mod parts;
mod peers;
mod serve;
mod shown;
mod sockets;
#[cfg(test)]
mod tests;
mod thread;
mod turns;

pub use deadline::within;
pub use line::{Exchange, Line, body_awaited, is_body_metered};
pub use parts::Parts;
pub use peers::Peers;
pub use serve::{Connections, serve};
pub use shown::Shown;
pub use sockets::{bind, room_for};
pub use thread::Lags;

/// What always goes through: the hot path, and what tells a supervisor how things are.
const ALWAYS: [&str; 6] =
    ["/api/v1/auth/token/verify", "/.well-known/jwks.json", "/health/live", "/health/ready", "/healthz", "/readyz"];

/// Whether a thread that cannot keep up still serves this path.
pub fn always_served(path: &str) -> bool {
    ALWAYS.contains(&path)
}
