//! SRP-6a: the credentials inside a transaction, and the mathematics.

use async_trait::async_trait;
use keystead_domain::account::UserId;
use keystead_domain::srp::{SrpCredential, SrpProof, SrpPublicKey, SrpVerifier};
use keystead_domain::{SecretBytes, Timestamp};

use super::{HashError, StoreError};

/// A person's SRP credential as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSrp {
    /// Whose.
    pub user_id: UserId,
    /// [`SrpCredential::encode`], sealed in the [`super::Vault`].
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// SRP credentials: at most one per person. Those of pending registrations are part of these.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SrpRepository: Send {
    /// The credential of a person.
    async fn get(&mut self, user: UserId) -> Result<Option<StoredSrp>, StoreError>;

    /// Keeps a credential in the place of the one before.
    async fn put(&mut self, credential: &StoredSrp) -> Result<(), StoreError>;

    /// Deletes the credential of a person. `false` when there was none.
    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// Credentials after a person, by identifier, at most `size` of them. For re-sealing and export.
    async fn list(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<StoredSrp>, StoreError>;
}

/// b and B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpChallenge {
    /// b: 32 random bytes.
    pub secret: SecretBytes,
    /// B = kv + g^b mod N, never zero.
    pub public_key: SrpPublicKey,
}

/// What a client answered to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpAnswer {
    /// What the server keeps of the password.
    pub credential: SrpCredential,
    /// b.
    pub secret: SecretBytes,
    /// A.
    pub client_key: SrpPublicKey,
    /// M1.
    pub proof: SrpProof,
}

/// The server's side of SRP-6a: group RFC 5054 4096-bit, SHA-256, hashes as `2-api.md` pins them (RFC 5054, RFC 2945).
///
/// Every call MUST take a permit of the same pool as password hashes, run off the asynchronous threads, and fail with
/// [`HashError::Busy`] as they do. Arithmetic on secrets MUST be constant-time.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SrpServer: Send + Sync {
    /// Draws b and computes B.
    async fn challenge(&self, verifier: &SrpVerifier) -> Result<SrpChallenge, HashError>;

    /// Checks M1 and computes M2; `None` when M1 is wrong. MUST accept M1 made with PAD(g) and with g as one byte (what
    /// other libraries do), MUST compare both in constant time whatever the first says, and MUST refuse u = 0.
    async fn verify(&self, answer: SrpAnswer) -> Result<Option<SrpProof>, HashError>;
}
