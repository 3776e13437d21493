use super::{Address, FullName, PasswordHash, UserId, Username};
use crate::Timestamp;

/// One claim to an address, waiting for its proof. Every registration is a claim of its own: proving one activates only
/// its own password and ends the other claims to that address, so nobody's repeat or head start matters (G08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRegistration {
    /// The identifier the account will have.
    pub id: UserId,
    /// The claimed address.
    pub address: Address,
    /// The wanted name. Only verified accounts hold names, so it may be taken by then.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// The password this claim, and only this claim, would activate; `None` for an account without one.
    pub password: Option<PasswordHash>,
    /// When the claim was made.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}
