//! Second factors and contacts inside a transaction, and the algorithms behind them.
//!
//! The repositories here hold rows and decide nothing: use-cases look at a person ([`super::UserRepository::get`] holds
//! them), read a row, let the domain decide, and write the row back, all in one transaction.

use async_trait::async_trait;
use keystead_domain::account::{ContactId, ContactKind, ContactUndo, PendingContact, UndoTokenHash, UserId};
use keystead_domain::factor::{CredentialId, Enrolled, FactorFailures, Passkey, PasskeyId, RecoveryCodeHash, Totp};
use keystead_domain::token::OneTimeCode;
use keystead_domain::{SecretBytes, SecretString, Timestamp};
use thiserror::Error;
use uuid::Uuid;

use super::{BudgetKey, StoreError};

/// TOTP credentials and recovery codes, and how many of everything a person has.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait FactorRepository: Send {
    /// What a person has. MUST be one statement: every login asks.
    async fn enrolled(&mut self, user: UserId) -> Result<Enrolled, StoreError>;

    /// The TOTP credential of a person, confirmed or not.
    async fn totp(&mut self, user: UserId) -> Result<Option<Totp>, StoreError>;

    /// Keeps a TOTP credential in the place of the one before.
    async fn put_totp(&mut self, totp: &Totp) -> Result<(), StoreError>;

    /// Deletes the TOTP credential of a person. `false` when there was none.
    async fn delete_totp(&mut self, user: UserId) -> Result<bool, StoreError>;

    /// TOTP credentials after a person, by identifier, at most `size` of them. For re-sealing.
    async fn list_totp(&mut self, after: Option<UserId>, size: u32) -> Result<Vec<Totp>, StoreError>;

    /// Deletes all recovery codes of a person and keeps these.
    async fn replace_recovery_codes(
        &mut self,
        user: UserId,
        codes: &[RecoveryCodeHash],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The unused recovery code with this selector.
    async fn recovery_code(&mut self, user: UserId, selector: &str) -> Result<Option<RecoveryCodeHash>, StoreError>;

    /// Deletes a recovery code. MUST be `true` for exactly one caller.
    async fn consume_recovery_code(&mut self, user: UserId, selector: &str) -> Result<bool, StoreError>;
}

/// Passkeys.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PasskeyRepository: Send {
    /// The passkeys of a person, oldest first.
    async fn list(&mut self, user: UserId) -> Result<Vec<Passkey>, StoreError>;

    /// The passkey with this credential, whoever's it is.
    async fn find(&mut self, credential: &CredentialId) -> Result<Option<Passkey>, StoreError>;

    /// Adds a passkey. A credential that is registered is `Conflict(PasskeyCredential)`.
    async fn insert(&mut self, passkey: &Passkey) -> Result<(), StoreError>;

    /// Replaces name, credential, counter, flags and `last_used_at` of a passkey.
    async fn update(&mut self, passkey: &Passkey) -> Result<(), StoreError>;

    /// Deletes a passkey of this person. `false` when they have no such passkey.
    async fn delete(&mut self, user: UserId, id: PasskeyId) -> Result<bool, StoreError>;
}

/// Addresses on their way to an account, and links that undo a change. Contacts that were proved are part of a user.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait ContactRepository: Send {
    /// Adds an address and deletes older ones of the same person and kind.
    async fn insert(&mut self, contact: &PendingContact) -> Result<(), StoreError>;

    /// The person's addresses that are alive, oldest first.
    async fn list(&mut self, user: UserId, now: Timestamp) -> Result<Vec<PendingContact>, StoreError>;

    /// The person's address with this identifier, while it is alive.
    async fn get(&mut self, user: UserId, id: ContactId, now: Timestamp) -> Result<Option<PendingContact>, StoreError>;

    /// Takes an address away. MUST be `true` for exactly one caller.
    async fn delete(&mut self, user: UserId, id: ContactId) -> Result<bool, StoreError>;

    /// Deletes all waiting addresses of a person. Links that undo stay.
    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError>;

    /// Adds a link that undoes a change.
    async fn insert_undo(&mut self, undo: &ContactUndo) -> Result<(), StoreError>;

    /// The link, while it is alive.
    async fn find_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError>;

    /// Whether the person's contact of this kind came in, or was changed, so lately that a link of it is alive.
    async fn has_undo(&mut self, user: UserId, kind: ContactKind, now: Timestamp) -> Result<bool, StoreError>;

    /// Takes a link. MUST return it to exactly one caller.
    async fn consume_undo(&mut self, hash: UndoTokenHash, now: Timestamp) -> Result<Option<ContactUndo>, StoreError>;

    /// Deletes the person's links that undo changes made at `since` or later: who made them is put out.
    async fn delete_undos_since(&mut self, user: UserId, since: Timestamp) -> Result<(), StoreError>;

    /// Deletes addresses and links that lapsed before `now`, a bounded number of them. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Failures at second factors. In the database, so that no flush and no restart forgets them.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait FactorFailureRepository: Send {
    /// The failures under a key; none when there is no row. In a transaction that may write, the key MUST stay as seen until
    /// the transaction ends, whether there is a row or not: others that want it wait.
    async fn hold(&mut self, key: &BudgetKey) -> Result<FactorFailures, StoreError>;

    /// Keeps the failures under a key until `forgotten_at`.
    async fn put(
        &mut self,
        key: &BudgetKey,
        failures: &FactorFailures,
        forgotten_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Deletes what is forgotten before `now`, a bounded number of rows. Returns how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Time-based one-time passwords (RFC 6238), SHA-1, six digits, 30-second steps.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait TotpAlgorithm: Send + Sync {
    /// The step, of those given, whose code this is. MUST compute and compare every step in constant time.
    fn matching_step(&self, secret: &[u8], code: &OneTimeCode, steps: &[u64]) -> Option<u64>;

    /// The text behind a QR code: `otpauth://totp/…` (Key URI Format), the secret in base 32 (RFC 4648 section 6).
    fn uri(&self, secret: &[u8], issuer: &str, account: &str) -> SecretString;

    /// The secret as it is typed in by hand: base 32 without padding.
    fn text(&self, secret: &[u8]) -> SecretString;

    /// A QR code as an SVG document.
    fn qr_svg(&self, text: &str) -> Option<SecretString>;
}

/// Seals what must open for years, under keys with an identifier, so that the keys can be changed.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Vault: Send + Sync {
    /// Seals under the active key. The result names the key.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, super::SealError>;

    /// Opens what [`Self::seal`] made in the same context, under whichever key it names.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, super::SealError>;

    /// Whether it was sealed under a key that is not the active one.
    fn is_outdated(&self, sealed: &[u8]) -> bool;
}

/// What an authenticator is told about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyUser {
    /// The user handle: the identifier's 16 bytes. Never an address (WebAuthn Level 3 section 14.6.1).
    pub id: UserId,
    /// What the person is shown as the account: the e-mail address, number or username.
    pub name: String,
    /// What the person is called.
    pub display_name: String,
}

/// How much a ceremony demands of the authenticator (WebAuthn Level 3 section 5.8.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserVerification {
    /// The authenticator must verify its user.
    Required,
    /// It should, if it can.
    #[default]
    Preferred,
    /// It need not.
    Discouraged,
}

/// A ceremony that began: what the client is given, and what the server keeps until it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyCeremony {
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3 sections 5.1.9
    /// and 5.1.10), as JSON text, without the enclosing `publicKey` member.
    pub options: String,
    /// The challenge, base64url without padding.
    pub challenge: String,
    /// What the server keeps. The challenge is part of it.
    pub state: Vec<u8>,
}

/// A credential whose registration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredCredential {
    /// The authenticator's identifier.
    pub credential_id: CredentialId,
    /// The verifier's own form.
    pub credential: Vec<u8>,
    /// The signature counter.
    pub counter: u32,
    /// The make of authenticator; zero when it does not say.
    pub aaguid: Uuid,
    /// BE.
    pub backup_eligible: bool,
    /// BS.
    pub backed_up: bool,
    /// UV.
    pub user_verified: bool,
}

/// A signature that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Whose signature it is.
    pub credential_id: CredentialId,
    /// The credential as it is to be kept from now on.
    pub credential: Vec<u8>,
    /// The new signature counter.
    pub counter: u32,
    /// BS.
    pub backed_up: bool,
    /// UV.
    pub user_verified: bool,
}

/// What a client answered, before anything is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedAnswer {
    /// `clientDataJSON.challenge`: which ceremony it claims to answer.
    pub challenge: String,
    /// `rawId`: which credential it claims to be of.
    pub credential_id: CredentialId,
    /// `response.userHandle`, of an assertion.
    pub user_handle: Option<UserId>,
}

/// Why an answer was refused. One kind for whatever is wrong with it, so that it tells a forger nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasskeyError {
    /// Challenge, origin, relying party, signature, flags or form are wrong.
    #[error("the passkey's answer is not valid")]
    Invalid,
    /// The signature counter did not go up: there may be a copy of the authenticator (WebAuthn Level 3 section 6.1.1).
    #[error("the passkey's counter went back")]
    CounterWentBack,
}

/// The checks of a WebAuthn relying party (WebAuthn Level 3 sections 7.1 and 7.2). Origins MUST match exactly: a
/// sub-domain, a longer name with the same end and another port are other origins.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait PasskeyVerifier: Send + Sync {
    /// Begins a registration. Credentials the person has are excluded.
    fn begin_registration(
        &self,
        user: &PasskeyUser,
        existing: &[CredentialId],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError>;

    /// Checks the answer to a registration. `answer`: `RegistrationResponseJSON`.
    fn finish_registration(&self, answer: &str, state: &[u8]) -> Result<RegisteredCredential, PasskeyError>;

    /// Begins an assertion by one of these passkeys; by any discoverable credential when there are none.
    fn begin_assertion(
        &self,
        passkeys: &[Passkey],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError>;

    /// Checks the answer to an assertion, which must be by `passkey`. `answer`: `AuthenticationResponseJSON`.
    fn finish_assertion(&self, answer: &str, state: &[u8], passkey: &Passkey) -> Result<Assertion, PasskeyError>;

    /// Reads what an answer claims. Nothing is checked; `None` when it is not of the form.
    fn read(&self, answer: &str) -> Option<UnverifiedAnswer>;

    /// What a make of authenticator is called, as in the FIDO community's list of AAGUIDs.
    fn vendor(&self, aaguid: Uuid) -> Option<&'static str>;

    /// A stable `allowCredentials` entry for a person without an account: as an authenticator might have made it.
    fn decoy_credential(&self, seed: &[u8; 32]) -> CredentialId;
}
