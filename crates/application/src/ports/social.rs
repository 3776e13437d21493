//! Accounts at other services: the links inside a transaction, and the services themselves.

use async_trait::async_trait;
use keystead_domain::account::{EmailAddress, UserId};
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;
use uuid::Uuid;

use super::StoreError;

/// Links between accounts here and accounts elsewhere.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SocialRepository: Send {
    /// The link of an account elsewhere.
    async fn find(
        &mut self,
        provider: &ProviderId,
        subject: &SocialSubject,
    ) -> Result<Option<SocialIdentity>, StoreError>;

    /// The links of a person, oldest first.
    async fn list(&mut self, user: UserId) -> Result<Vec<SocialIdentity>, StoreError>;

    /// Adds a link. An account elsewhere that is linked, and a second link of a person to one provider, are
    /// `Conflict(SocialIdentity)`.
    async fn insert(&mut self, identity: &SocialIdentity) -> Result<(), StoreError>;

    /// Notes that a link opened its account.
    async fn touch(&mut self, id: Uuid, now: Timestamp) -> Result<(), StoreError>;

    /// Deletes the link of this person to a provider. `None` when there was none.
    async fn delete(&mut self, user: UserId, provider: &ProviderId) -> Result<Option<SocialIdentity>, StoreError>;
}

/// What is sent along to a provider when somebody is sent there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialRequest {
    /// `state` (RFC 6749 section 10.12).
    pub state: SecretString,
    /// `nonce` (OpenID Connect Core 1.0 section 15.5.2).
    pub nonce: SecretString,
    /// `code_verifier` (RFC 7636 section 4.1); its SHA-256 is sent.
    pub code_verifier: SecretString,
}

/// What somebody brings back from a provider: the parameters of the redirect that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialAnswer {
    /// `code` (RFC 6749 section 4.1.2).
    pub code: SecretString,
    /// `iss` (RFC 9207 section 2), where the provider sends it.
    pub issuer: Option<String>,
}

/// Who came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialProfile {
    /// Who they are there.
    pub subject: SocialSubject,
    /// Their address there.
    pub email: Option<EmailAddress>,
    /// Whether the provider says that it verified the address.
    pub email_verified: bool,
    /// What they are called there.
    pub name: Option<String>,
    /// What the account is called there: for its owner to recognise.
    pub label: Option<String>,
}

/// A provider did not tell who came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SocialError {
    /// The code is wrong, or the answer does not check out: signature, issuer, audience, nonce, times. The text goes to
    /// the audit log and MUST NOT hold anything of a person or a token.
    #[error("the provider's answer was refused: {0}")]
    Refused(String),
    /// It does not answer, or answers with errors of its own.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
}

/// One provider: OpenID Connect, or OAuth 2.0 with an address to ask who somebody is.
///
/// Every call MUST end within 10 s, MUST follow no redirect and read a bounded answer.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SocialProvider: Send + Sync {
    /// What the operator calls it.
    fn id(&self) -> &ProviderId;

    /// What people call it.
    fn display_name(&self) -> &str;

    /// Whether the operator believes what it says about addresses ([`SocialProfile::email_verified`]).
    fn vouches_for_addresses(&self) -> bool;

    /// Where to send somebody: the authorization endpoint with its query (RFC 6749 section 4.1.1, RFC 7636 section 4.3,
    /// S256 only).
    async fn begin(&self, request: &SocialRequest) -> Result<String, SocialError>;

    /// Exchanges a code and reads who came. With OpenID Connect the ID token MUST be checked as OpenID Connect Core 1.0
    /// section 3.1.3.7 says, the nonce included. `answer.issuer` MUST be checked as RFC 9207 section 2.4 says, before the
    /// code goes anywhere.
    async fn complete(&self, answer: &SocialAnswer, request: &SocialRequest) -> Result<SocialProfile, SocialError>;
}
