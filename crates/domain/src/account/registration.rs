use super::{Address, FullName, PasswordHash, UserId, Username};
use crate::Timestamp;
use crate::social::{ProviderId, SocialSubject};

/// An account elsewhere whose owner is making an account here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedIdentity {
    /// Where.
    pub provider: ProviderId,
    /// Who they are there.
    pub subject: SocialSubject,
    /// What the account is called there.
    pub label: Option<String>,
}

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
    /// The SRP credential it would activate instead, sealed as [`crate::srp::SrpCredential::encode`] writes it.
    pub srp: Option<Vec<u8>>,
    /// The account elsewhere that it would link.
    pub social: Option<ClaimedIdentity>,
    /// When the claim was made.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}
