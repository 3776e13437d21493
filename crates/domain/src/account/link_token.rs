use super::{Epoch, UserId};
use crate::Timestamp;
use crate::token::TokenId;

/// SHA-256 of a mailed token. The token itself is 256 random bits, so the plain hash cannot be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkTokenHash(pub [u8; 32]);

/// What a mailed link is for. A link works for its purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// Choosing a new password.
    Reset,
    /// Choosing the first password of an account made by an administrator.
    Activate,
}

impl LinkPurpose {
    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Activate => "activate",
        }
    }
}

/// A mailed single-use token.
///
/// ```text
/// issued ── begin ──> begun (bound to one pre-authorized token) ── consume ──> gone
///    └────────────── expiry, newer token, epoch bump ──────────────────────────> gone
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    /// What the store finds it by.
    pub hash: LinkTokenHash,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose it is; `None` for the decoy written when the asked-for account does not exist.
    pub user_id: Option<UserId>,
    /// The owner's epoch when it was made: a later epoch ends it.
    pub epoch: Epoch,
    /// The pre-authorized token that the link was exchanged for.
    pub begun_as: Option<TokenId>,
    /// Whether a second factor was proved since it was begun.
    pub factor_proved: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}
