//! Passwords, tokens, keyed hashes and sealing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::account::{Password, PasswordHash};
use keystead_domain::token::{AccessClaims, KeyId, PreAuthorizedClaims, StepUpClaims};
use keystead_domain::{SecretBytes, SecretString, Timestamp};
use thiserror::Error;

use super::{KeyUse, StoredKey};

/// A password could not be hashed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashError {
    /// Every permit is taken and the queue in front of them is full. Answer 503 with `Retry-After`.
    #[error("too many passwords are being hashed")]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The hash function failed: a malformed stored hash, or no memory.
    #[error("the password hash function failed")]
    Failed,
}

/// Memory-hard password hashing, bounded and off the asynchronous threads.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes a new password with a fresh salt.
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Whether the password is the one behind `hash`.
    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<bool, HashError>;

    /// Does exactly the work of [`Self::verify`] for an account that does not exist. MUST take a permit, run one hash
    /// with the current parameters, and fail the same way when there is no permit.
    async fn verify_dummy(&self, password: &Password) -> Result<(), HashError>;

    /// Whether `hash` was made with other parameters than new ones are.
    fn needs_rehash(&self, hash: &PasswordHash) -> bool;
}

/// A password hash that another system made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignHash {
    /// One text that names its own function: PHC strings, modular crypt (bcrypt, passlib), Django, LDAP.
    Text(SecretString),
    /// A credential of Keycloak, its two parts as JSON texts.
    Keycloak {
        /// The function and its parameters.
        credential_data: SecretString,
        /// Salt and hash.
        secret_data: SecretString,
    },
}

/// A hash of another system as Keystead keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadHash {
    /// What [`PasswordHasher::verify`] checks. One text for every spelling of a hash; reading it again gives itself.
    pub hash: PasswordHash,
    /// Whether guessing costs whoever stole it next to nothing, as with salted SHA.
    pub is_weak: bool,
}

/// Why a hash of another system is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashRefusal {
    /// No format that is read.
    #[error("the format of the password hash is not known")]
    Unknown,
    /// A known format, but not as its system writes it.
    #[error("the password hash is malformed")]
    Malformed,
    /// One planted hash must not stop the service.
    #[error("checking a password against this hash would cost too much")]
    TooCostly,
    /// Equal passwords have equal hashes, and tables of them exist.
    #[error("the password hash has no salt")]
    Unsalted,
}

/// Reads password hashes of other systems. Costs parsing only; nothing is computed.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait PasswordImport: Send + Sync {
    /// Brings a hash into the form that is stored. MUST refuse what [`PasswordHasher::verify`] would fail at. Errors
    /// repeat nothing of the hash.
    fn read(&self, foreign: &ForeignHash) -> Result<ReadHash, HashRefusal>;
}

/// Which kind of token a text was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `typ: at+jwt`.
    Access,
    /// `typ: pre+jwt`.
    PreAuthorized,
    /// `typ: otp+jwt`.
    StepUp,
}

/// A token was refused. One error whatever the cause, so that an answer tells a forger nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token is not valid")]
pub struct TokenError;

/// An access token whose signature, type, algorithm, issuer and audience were checked. Whether it still counts (`exp`,
/// `nbf`, key, revocation, epoch, fingerprint) is asked on every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccess {
    /// What it says.
    pub claims: AccessClaims,
    /// The key it was signed with.
    pub key: KeyId,
}

/// Makes signed tokens. Each token kind has one `typ`, one algorithm and keys of its own.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait TokenSigner: Send + Sync {
    /// Signs an access token with the active key.
    fn sign_access(&self, claims: &AccessClaims) -> Result<SecretString, TokenError>;

    /// Signs a pre-authorized token with the active key.
    fn sign_pre_authorized(&self, claims: &PreAuthorizedClaims) -> Result<SecretString, TokenError>;

    /// Signs a step-up proof with the active key.
    fn sign_step_up(&self, claims: &StepUpClaims) -> Result<SecretString, TokenError>;

    /// The public keys as a JWK set (RFC 7517 section 5), as JSON text.
    fn jwks(&self) -> String;
}

/// Checks signed tokens. MUST check the signature before it believes a claim; MUST refuse every algorithm but the
/// configured one, every `typ` but the asked-for one, missing claims, wrong issuers and audiences, unknown critical
/// headers and duplicate members. MUST NOT check `exp` or `nbf`: callers do, with their clock.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait TokenVerifier: Send + Sync {
    /// Checks an access token. Implementations keep a bounded cache keyed by the SHA-256 of the text; nothing but the
    /// facts of the text itself may be cached.
    fn verify_access(&self, token: &str) -> Result<Arc<VerifiedAccess>, TokenError>;

    /// Checks a pre-authorized token.
    fn verify_pre_authorized(&self, token: &str) -> Result<PreAuthorizedClaims, TokenError>;

    /// Checks a step-up proof.
    fn verify_step_up(&self, token: &str) -> Result<StepUpClaims, TokenError>;

    /// Whether a key is still published: tokens of a withdrawn key are refused at once, cached or not.
    fn is_published(&self, key: &KeyId, now: Timestamp) -> bool;
}

/// What a keyed hash is for. Each purpose has a key of its own (HKDF-SHA-256, RFC 5869), so a tag never serves twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacPurpose {
    /// The mac of refresh tokens.
    Refresh,
    /// The `otp` claim.
    OneTimeCode,
    /// Codes whose hash stays on the server.
    StoredCode,
    /// Known-device tokens.
    Device,
    /// Names and addresses in limiter and budget keys.
    LimitKey,
    /// Answers that must look real for accounts that do not exist. MUST give the same tag for as long as the deployment
    /// lives: real answers do not change when a key is rotated.
    Decoy,
    /// Captcha challenges.
    Captcha,
    /// Idempotency records.
    Idempotency,
    /// Audit events. Under keys of its own ([`KeyUse::Audit`]), which are kept.
    AuditEvent,
    /// Links of the audit chain. Under the same keys.
    AuditLink,
    /// Checkpoints of the audit chain. Under the same keys.
    AuditCheckpoint,
}

/// A keyed hash and the key it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacTag {
    /// The server key.
    pub key: KeyId,
    /// HMAC-SHA-256.
    pub bytes: [u8; 32],
}

#[expect(clippy::needless_lifetimes, reason = "mockall wants them named")]
/// Plain and keyed hashes. HMAC inputs are length-prefixed: `("ab", "c")` and `("a", "bc")` differ.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait KeyedHash: Send + Sync {
    /// SHA-256.
    fn digest(&self, data: &[u8]) -> [u8; 32];

    /// HMAC-SHA-256 under the active server key.
    fn mac<'a>(&self, purpose: MacPurpose, parts: &[&'a [u8]]) -> MacTag;

    /// HMAC-SHA-256 under a named key; `None` when there is no such key any more.
    fn mac_with<'a>(&self, key: &KeyId, purpose: MacPurpose, parts: &[&'a [u8]]) -> Option<[u8; 32]>;

    /// Whether `tag` is the HMAC-SHA-256 of `parts` under the named key. MUST compare in constant time.
    fn verify<'a>(&self, key: &KeyId, purpose: MacPurpose, parts: &[&'a [u8]], tag: &[u8]) -> bool;
}

/// Sealed bytes could not be opened: another key, another context, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("sealed data could not be opened")]
pub struct SealError;

/// Authenticated encryption of what must not be readable in a dump.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Sealer: Send + Sync {
    /// Seals `plain`. `context` names the place (table, column, row): the result opens there only.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8>;

    /// Opens what [`Self::seal`] made in the same context. MUST refuse any changed byte.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError>;

    /// Like [`Self::seal`], under a key that also depends on `secret`: without it the result does not open, not even
    /// with the server's key.
    fn seal_for(&self, secret: &[u8], context: &[u8], plain: &[u8]) -> Vec<u8>;

    /// Opens what [`Self::seal_for`] made with the same secret in the same context.
    fn open_for(&self, secret: &[u8], context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError>;
}

/// Makes keys and decides which of them serve. Behind [`TokenSigner`], [`TokenVerifier`] and [`KeyedHash`].
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait KeyRing: Send + Sync {
    /// Makes a key of the configured algorithm, sealed, to be stored. It serves once loaded.
    fn generate(&self, key_use: KeyUse, now: Timestamp, active_from: Timestamp) -> Result<StoredKey, SealError>;

    /// Whether a loaded key of this use, and of the configured algorithm, serves now.
    fn serves(&self, key_use: KeyUse) -> bool;

    /// Serves exactly these keys from now on: the newest whose `active_from` has come signs, all verify until they
    /// retire. MUST keep what it had, whole, when one of them cannot be opened.
    fn load(&self, keys: &[StoredKey]) -> Result<(), SealError>;
}
