//! The answers of clients as JSON: `RegistrationResponseJSON` and `AuthenticationResponseJSON` (WebAuthn Level 3 section
//! 5.1.1). Members that are not needed are passed over: clients add them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::account::UserId;
use keystead_domain::factor::CredentialId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest answer that is read, in bytes. The longest an honest client sends is a tenth of it.
const MAX_ANSWER: usize = 64 * 1024;

/// Bytes as base64url without padding (WebAuthn Level 3 section 5.1: `Base64URLString`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Base64Url(pub(crate) Vec<u8>);

impl TryFrom<String> for Base64Url {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        URL_SAFE_NO_PAD.decode(text).map(Self)
    }
}

impl From<Base64Url> for String {
    fn from(bytes: Base64Url) -> Self {
        URL_SAFE_NO_PAD.encode(bytes.0)
    }
}

/// `AuthenticatorAttestationResponseJSON`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    pub(crate) client_data: Base64Url,
    pub(crate) attestation_object: Base64Url,
}

/// `AuthenticatorAssertionResponseJSON`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    pub(crate) client_data: Base64Url,
    pub(crate) authenticator_data: Base64Url,
    pub(crate) signature: Base64Url,
    pub(crate) user_handle: Option<Base64Url>,
}

/// What both kinds of response have.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnyResponse {
    #[serde(rename = "clientDataJSON")]
    pub(crate) client_data: Base64Url,
    pub(crate) user_handle: Option<Base64Url>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential<R> {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

/// An answer that has the form of one.
#[derive(Debug)]
pub(crate) struct Answer<R> {
    pub(crate) credential_id: CredentialId,
    pub(crate) response: R,
}

impl<R: DeserializeOwned> Answer<R> {
    /// Reads an answer; `None` when it has not the form.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        if json.len() > MAX_ANSWER {
            return None;
        }
        let Credential { id, raw_id, kind, response } = serde_json::from_str::<Credential<R>>(json).ok()?;
        if kind != "public-key" || id != raw_id {
            return None;
        }
        let credential_id = CredentialId::new(URL_SAFE_NO_PAD.decode(id).ok()?)?;
        Some(Self { credential_id, response })
    }
}

/// The user handle as the identifier it was made of; none when it is absent, for which some clients send an empty text.
/// An error when it is no identifier of ours.
pub(crate) fn user_of(handle: Option<&Base64Url>) -> Result<Option<UserId>, uuid::Error> {
    let handle = handle.filter(|handle| !handle.0.is_empty());
    handle.map(|handle| Uuid::from_slice(&handle.0).map(UserId::new)).transpose()
}
