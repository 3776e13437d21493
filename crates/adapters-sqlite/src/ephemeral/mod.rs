//! State with an end, in the same file: sessions, ceremonies, rate limits. Each call is one statement or one
//! transaction, in one hop to the connection's thread: these calls lie on the login path.

mod ceremonies;
mod garbage;
mod rate_limiter;
mod schema;
mod session_row;
mod sessions;

pub use ceremonies::SqliteCeremonies;
pub(crate) use ceremonies::living as living_ceremonies;
pub use garbage::Garbage;
pub(crate) use garbage::collect;
pub use rate_limiter::SqliteRateLimiter;
pub use sessions::SqliteSessions;
pub(crate) use sessions::living as living_sessions;

use diesel::result::Error;
use keystead_adapters_sql::RowError;
use keystead_application::ports::{EphemeralError, StoreError};

fn unavailable(error: StoreError) -> EphemeralError {
    EphemeralError(match error {
        StoreError::Unavailable(text) | StoreError::Corrupt(text) => text,
        StoreError::Conflict(_) => "a key is taken".to_owned(),
    })
}

/// A column that holds an impossible value, as an error that ends the transaction it was read in.
fn unreadable(error: RowError) -> Error {
    Error::DeserializationError(Box::new(error))
}
