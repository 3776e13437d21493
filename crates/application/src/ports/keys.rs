//! Keys as rows, so that every replica serves the same ones.

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::token::KeyId;

use super::StoreError;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// Signing access tokens.
    SignAccess,
    /// Signing pre-authorized tokens.
    SignPreAuthorized,
    /// Signing step-up proofs.
    SignStepUp,
    /// The root of all keyed hashes.
    Mac,
    /// Sealing what must open for years.
    Seal,
    /// Sealing audit events, which are checked for as long as they are kept.
    Audit,
}

impl KeyUse {
    /// Every use.
    pub const ALL: [Self; 6] =
        [Self::SignAccess, Self::SignPreAuthorized, Self::SignStepUp, Self::Mac, Self::Seal, Self::Audit];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignAccess => "sign_access",
            Self::SignPreAuthorized => "sign_pre_authorized",
            Self::SignStepUp => "sign_step_up",
            Self::Mac => "mac",
            Self::Seal => "seal",
            Self::Audit => "audit",
        }
    }

    /// Reads the name in stores.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key_use| key_use.as_str() == text)
    }
}

/// A key as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Identifier.
    pub id: KeyId,
    /// What it is for.
    pub key_use: KeyUse,
    /// `EdDSA`, `HS384`, `ES512` or `HMAC`.
    pub algorithm: String,
    /// The private key, sealed by the master key; the context is the identifier.
    pub sealed: Vec<u8>,
    /// When it was made: it is published from then on.
    pub created_at: Timestamp,
    /// It signs from then on.
    pub active_from: Timestamp,
    /// It verifies until then; `None` while it is the newest of its use.
    pub retires_at: Option<Timestamp>,
}

/// Signing and server keys, sealed.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait KeyRepository: Send {
    /// Holds back every other transaction that locks, until this one ends. Looking whether a key is missing and adding it
    /// MUST be done under it: replicas that start together would each add one.
    async fn lock(&mut self) -> Result<(), StoreError>;

    /// Every key that has not retired at `now`, oldest first.
    async fn list(&mut self, now: Timestamp) -> Result<Vec<StoredKey>, StoreError>;

    /// Adds a key. Keys of the same use that had no end get `older_retire_at`.
    async fn insert(&mut self, key: &StoredKey, older_retire_at: Timestamp) -> Result<(), StoreError>;
}
