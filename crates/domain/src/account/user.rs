use super::{EmailAddress, FullName, Locale, Role, UserId, Username};
use crate::Timestamp;

/// The version of a person's credentials. Every artefact carries the epoch it was made under; changing a password,
/// a factor, an address, the role or a ban raises it, and artefacts of earlier epochs end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(i64);

impl Epoch {
    /// An epoch read from a store or a token.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The epoch after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountStatus {
    /// It can.
    #[default]
    Active,
    /// An administrator closed it (`isActive: false`).
    Banned,
    /// Its owner closed it; it is purged after the configured time.
    Deactivated,
}

/// A person with an account. Their e-mail address is verified: an account exists only once its claim was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// Verified address; unique.
    pub email: EmailAddress,
    /// Public name; unique.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// Language of their mails.
    pub locale: Option<Locale>,
    /// What they may do.
    pub role: Role,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// Version of their credentials; access tokens of an earlier epoch are refused.
    pub epoch: Epoch,
    /// Sessions made, and not re-confirmed, before this epoch are over.
    pub sessions_epoch: Epoch,
    /// When the account came to be.
    pub created_at: Timestamp,
    /// When anything here last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether the account can be used.
    pub fn is_active(&self) -> bool {
        self.status == AccountStatus::Active
    }
}
