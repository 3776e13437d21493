use super::{SessionId, TokenId};
use crate::Timestamp;
use crate::account::{Epoch, UserId};

/// What ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RevocationTarget {
    /// One access token.
    Token(TokenId),
    /// One session and every token of it.
    Session(SessionId),
    /// Every token of a user made before `epoch`, and every session made, and not re-confirmed, before `sessions`.
    User {
        /// Whose.
        id: UserId,
        /// Tokens of an earlier epoch are over.
        epoch: Epoch,
        /// Sessions of an earlier epoch are over.
        sessions: Epoch,
    },
    /// Every session that was signed in to until then, and every access token of it.
    Everybody,
}

/// One row of the revocation log: written in the transaction that caused it, seen by every replica within a second,
/// and of no interest once the longest-lived access token it could concern has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What ended.
    pub target: RevocationTarget,
    /// When.
    pub at: Timestamp,
}
