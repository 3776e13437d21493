//! The port's implementation.

use std::time::Duration;

use keystead_application::ports::{
    Assertion, PasskeyCeremony, PasskeyError, PasskeyUser, PasskeyVerifier, RegisteredCredential, UnverifiedAnswer,
    UserVerification,
};
use keystead_domain::factor::{CredentialId, Passkey};
use url::Url;
use uuid::Uuid;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::UserVerificationPolicy;

use crate::answer::{Answer, AnyResponse, user_of};
use crate::client_data::ClientData;
use crate::relying_party::{ConfigError, RelyingParty};
use crate::{assertion, decoy, registration, vendors};

/// How long a client is asked to wait for its user (WebAuthn Level 3 section 15.1).
const TIMEOUT: Duration = Duration::from_mins(5);

/// A WebAuthn relying party. Challenges are 32 random bytes of the library's own generator, seeded by the operating system.
#[derive(Clone, Debug)]
pub struct WebAuthn {
    relying_party: RelyingParty,
    core: WebauthnCore,
}

impl WebAuthn {
    /// A relying party.
    ///
    /// - `rp_id`: the domain passkeys belong to. Changing it makes every passkey useless.
    /// - `rp_name`: what authenticators show.
    /// - `origins`: the pages that may ask for passkeys, exactly: the domain or below it, over https (http for localhost).
    pub fn try_new(rp_id: &str, rp_name: &str, origins: &[Url]) -> Result<Self, ConfigError> {
        let relying_party = RelyingParty::try_new(rp_id, rp_name, origins)?;
        let (subdomains, any_port) = (Some(false), Some(false));
        let core = WebauthnCore::new_unsafe_experts_only(
            &relying_party.name,
            &relying_party.id,
            origins.to_vec(),
            TIMEOUT,
            subdomains,
            any_port,
        );
        Ok(Self { relying_party, core })
    }
}

/// The library's name for how much is demanded of the authenticator.
pub(crate) const fn policy(verification: UserVerification) -> UserVerificationPolicy {
    match verification {
        UserVerification::Required => UserVerificationPolicy::Required,
        UserVerification::Preferred => UserVerificationPolicy::Preferred,
        UserVerification::Discouraged => UserVerificationPolicy::Discouraged_DO_NOT_USE,
    }
}

impl PasskeyVerifier for WebAuthn {
    fn begin_registration(
        &self,
        user: &PasskeyUser,
        existing: &[CredentialId],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError> {
        registration::begin(&self.core, user, existing, verification).ok_or(PasskeyError::Invalid)
    }

    fn finish_registration(&self, answer: &str, state: &[u8]) -> Result<RegisteredCredential, PasskeyError> {
        registration::finish(&self.core, &self.relying_party, answer, state).ok_or(PasskeyError::Invalid)
    }

    fn begin_assertion(
        &self,
        passkeys: &[Passkey],
        verification: UserVerification,
    ) -> Result<PasskeyCeremony, PasskeyError> {
        assertion::begin(&self.core, passkeys, verification).ok_or(PasskeyError::Invalid)
    }

    fn finish_assertion(&self, answer: &str, state: &[u8], passkey: &Passkey) -> Result<Assertion, PasskeyError> {
        assertion::finish(&self.core, &self.relying_party, answer, state, passkey)
    }

    fn read(&self, answer: &str) -> Option<UnverifiedAnswer> {
        let Answer { credential_id, response } = Answer::<AnyResponse>::parse(answer)?;
        let user_handle = user_of(response.user_handle.as_ref()).ok()?;
        let challenge = ClientData::parse(&response.client_data)?.into_challenge()?;
        Some(UnverifiedAnswer { challenge, credential_id, user_handle })
    }

    fn vendor(&self, aaguid: Uuid) -> Option<&'static str> {
        vendors::name(aaguid)
    }

    fn decoy_credential(&self, seed: &[u8; 32]) -> CredentialId {
        decoy::credential_id(seed)
    }
}
