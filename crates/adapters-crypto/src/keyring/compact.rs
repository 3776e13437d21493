//! The outside of a token: JWS compact serialisation (RFC 7515 section 7.1) and its header.

use std::borrow::Cow;

use keystead_application::ports::TokenKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SigningAlgorithm;
use crate::encoding::from_base64url;

/// Ours are below 1 KiB. Longer texts are refused before they are hashed or decoded.
const MAX_TOKEN_BYTES: usize = 4096;

/// The protected header: these members and no other. With `crit`, `b64`, `zip`, `jwk`, `jku`, `x5c` or `x5u` it is
/// refused (RFC 8725 sections 3.6 and 3.10).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    alg: Cow<'a, str>,
    kid: Cow<'a, str>,
    typ: Cow<'a, str>,
}

impl<'a> Header<'a> {
    pub(super) fn new(algorithm: SigningAlgorithm, key: &'a str, kind: TokenKind) -> Self {
        Self { alg: algorithm.as_str().into(), kid: key.into(), typ: typ(kind).into() }
    }

    pub(super) fn to_json(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// Whether the header says exactly this algorithm and kind.
    pub(super) fn is(&self, algorithm: SigningAlgorithm, kind: TokenKind) -> bool {
        self.alg == algorithm.as_str() && self.typ == typ(kind)
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }
}

/// `typ` (RFC 8725 section 3.11): a token of one kind is never taken for another.
const fn typ(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Access => "at+jwt",
        TokenKind::PreAuthorized => "pre+jwt",
        TokenKind::StepUp => "otp+jwt",
    }
}

/// Whether the text is short enough to look at.
pub(super) fn is_short(token: &str) -> bool {
    token.len() <= MAX_TOKEN_BYTES
}

/// A token taken apart; nothing in it is believed yet.
pub(super) struct Parts<'a> {
    pub(super) header: Header<'static>,
    pub(super) signing_input: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Exactly three non-empty segments in canonical base64url, and a header we know every member of.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if !is_short(token) {
            return None;
        }
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (header, payload) = signing_input.split_once('.')?;
        Some(Self {
            header: object(&segment(header)?)?,
            signing_input,
            payload: segment(payload)?,
            signature: segment(signature)?,
        })
    }
}

/// A dot is not in the alphabet, so a fourth segment fails here too.
fn segment(text: &str) -> Option<Vec<u8>> {
    from_base64url(text).filter(|bytes| !bytes.is_empty())
}

/// Reads a JSON object into a struct. serde refuses duplicate members and members the struct does not know, but takes
/// an array for a struct: so the first character decides.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}
