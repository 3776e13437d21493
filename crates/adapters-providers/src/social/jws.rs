//! Signatures of ID tokens: compact JWS (RFC 7515 section 7.1) checked with a JWK set (RFC 7517 section 5).
//!
//! The key decides what the signature must be, never the token: `none` and the symmetric algorithms have no name here, and a
//! key of one kind checks nothing of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 section 4.1.11): none is.
    crit: Option<serde_json::Value>,
}

/// A JWK set. Keys this adapter cannot use are passed over.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

/// A public key, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Why a token does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is no compact JWS with a header this adapter takes.
    Form,
    /// No key of the set fits: the provider may have made a new one.
    NoKey,
    /// The signature is wrong.
    Signature,
}

/// A token that was taken apart.
pub(super) struct Compact<'t> {
    header: Header,
    signed: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl<'t> Compact<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, Bad> {
        Self::split(token).ok_or(Bad::Form)
    }

    fn split(token: &'t str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&bytes(header)?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        // A fourth part would be left in the payload, where it is no base64url.
        Some(Self { header, signed, payload: bytes(payload)?, signature: bytes(signature)? })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.header.alg
    }

    /// The payload, if a key of the set signed it. Without a `kid` there must be one key only that fits.
    pub(super) fn verify(&self, keys: &KeySet) -> Result<&[u8], Bad> {
        let algorithm = self.header.alg;
        let mut fitting = keys.keys.iter().filter(|key| key.fits(algorithm));
        let key = match &self.header.kid {
            Some(kid) => fitting.find(|key| key.kid.as_ref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        let key = key.ok_or(Bad::NoKey)?;
        key.verify(algorithm, self.signed.as_bytes(), &self.signature).ok_or(Bad::Signature)?;
        Ok(&self.payload)
    }
}

impl KeySet {
    /// Reads a JWK set; `None` when it is none.
    pub(super) fn parse(set: serde_json::Value) -> Option<Self> {
        let raw: RawSet = serde_json::from_value(set).ok()?;
        let keys = raw.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        Some(Self { keys })
    }
}

impl Key {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let (name, kty, crv) = match algorithm {
            Algorithm::Rs256 => ("RS256", "RSA", None),
            Algorithm::Ps256 => ("PS256", "RSA", None),
            Algorithm::Es256 => ("ES256", "EC", Some("P-256")),
            Algorithm::EdDsa => ("EdDSA", "OKP", Some("Ed25519")),
        };
        // RFC 9864 names the curve instead.
        let named = |alg: &str| alg == name || (algorithm == Algorithm::EdDsa && alg == "Ed25519");
        self.kty == kty
            && (crv.is_none() || self.crv.as_deref() == crv)
            && self.r#use.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.alg.as_deref().is_none_or(named)
    }

    fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Option<()> {
        let part = |text: &Option<String>| bytes(text.as_deref()?);
        let done = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                // 2048 bits at least, 8192 at most.
                let parameters = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    _ => &signature::RSA_PSS_2048_8192_SHA256,
                };
                let key = RsaPublicKeyComponents { n: part(&self.n)?, e: part(&self.e)? };
                key.verify(parameters, signed, signature)
            }
            Algorithm::Es256 => {
                let (x, y) = (part(&self.x)?, part(&self.y)?);
                if (x.len(), y.len()) != (32, 32) {
                    return None;
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Algorithm::EdDsa => UnparsedPublicKey::new(&signature::ED25519, part(&self.x)?).verify(signed, signature),
        };
        done.ok()
    }
}
