//! `CollectedClientData`: what the client says it signed for (WebAuthn Level 3 section 5.8.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Base64Url;
use crate::relying_party::RelyingParty;

/// Bytes of a challenge, as webauthn-rs-core makes them.
const CHALLENGE_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ceremony {
    Registration,
    Assertion,
}

impl Ceremony {
    const fn client_data_type(self) -> &'static str {
        match self {
            Self::Registration => "webauthn.create",
            Self::Assertion => "webauthn.get",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<Value>,
}

impl ClientData {
    pub(crate) fn parse(json: &Base64Url) -> Option<Self> {
        serde_json::from_slice(&json.0).ok()
    }

    /// The challenge it claims to answer, if it may be one of ours.
    pub(crate) fn into_challenge(self) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.challenge).ok()?;
        (bytes.len() == CHALLENGE_BYTES).then_some(self.challenge)
    }

    /// Steps 7 to 10 of section 7.1 and 10 to 13 of section 7.2. Texts are compared as they are: an origin is one of the
    /// list or it is not. A page of another origin that frames one of ours has no business with passkeys.
    pub(crate) fn answers(&self, ceremony: Ceremony, challenge: &str, relying_party: &RelyingParty) -> bool {
        self.kind == ceremony.client_data_type()
            && self.challenge == challenge
            && relying_party.origins.contains(&self.origin)
            && self.cross_origin != Some(true)
            && self.top_origin.is_none()
    }
}
