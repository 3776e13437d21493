//! One signing key, parsed once.

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsVerifier;
use josekit::jws::{ES512, EdDSA, HS384, JwsSigner, JwsVerifier as _};
use keystead_application::ports::TokenKind;
use keystead_domain::Timestamp;
use keystead_domain::token::KeyId;
use sha2::Sha384;
use zeroize::Zeroizing;

use super::SigningAlgorithm;
use super::compact::Header;
use super::jwk::{PrivateJwk, PublicJwk};
use crate::encoding::{array_from_base64url, base64url, from_base64url};

const ES512_SIGNATURE_BYTES: usize = 132;

/// The key could not be parsed.
#[derive(Debug)]
pub(super) struct BadKey;

/// A key that signs and verifies tokens of one kind.
pub(super) struct TokenKey {
    pub(super) id: KeyId,
    pub(super) active_from: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    pub(super) public: Option<PublicJwk>,
    /// The first segment of every token it signs.
    header: String,
    signer: Box<dyn JwsSigner>,
    verifier: Verifier,
}

/// josekit signs. It verifies ES512 alone: its HMAC comparison is not constant-time, and ed25519-dalek checks EdDSA
/// four times faster and by the strict rules.
enum Verifier {
    Ed25519(VerifyingKey),
    Hs384(Hmac<Sha384>),
    Es512(EcdsaJwsVerifier),
}

impl TokenKey {
    /// Parses a key of `algorithm` for tokens of `kind`.
    pub(super) fn try_new(
        key: &PrivateJwk,
        algorithm: SigningAlgorithm,
        kind: TokenKind,
        active_from: Timestamp,
        retires_at: Option<Timestamp>,
    ) -> Result<Self, BadKey> {
        let header = Header::new(algorithm, &key.kid, kind).to_json().ok_or(BadKey)?;
        Ok(Self {
            id: KeyId::parse(&key.kid).ok_or(BadKey)?,
            active_from,
            retires_at,
            public: key.public(),
            header: base64url(&header),
            signer: signer(key, algorithm)?,
            verifier: Verifier::try_new(key, algorithm)?,
        })
    }

    /// The compact serialisation of a JWS over `payload` (RFC 7515 section 3.1).
    pub(super) fn sign(&self, payload: &[u8]) -> Option<String> {
        let mut token = format!("{}.{}", self.header, base64url(payload));
        let signature = self.signer.sign(token.as_bytes()).ok()?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Some(token)
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verifies(message, signature)
    }

    /// Whether tokens it signed still count.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }
}

fn signer(key: &PrivateJwk, algorithm: SigningAlgorithm) -> Result<Box<dyn JwsSigner>, BadKey> {
    let mut jwk = Jwk::from_bytes(key.to_json().map_err(|_| BadKey)?.as_slice()).map_err(|_| BadKey)?;
    // Known to nobody but us.
    jwk.set_parameter("keystead_use", None).map_err(|_| BadKey)?;
    match algorithm {
        SigningAlgorithm::EdDsa => EdDSA.signer_from_jwk(&jwk).map(|s| Box::new(s) as Box<dyn JwsSigner>),
        SigningAlgorithm::Hs384 => HS384.signer_from_jwk(&jwk).map(|s| Box::new(s) as Box<dyn JwsSigner>),
        SigningAlgorithm::Es512 => ES512.signer_from_jwk(&jwk).map(|s| Box::new(s) as Box<dyn JwsSigner>),
    }
    .map_err(|_| BadKey)
}

impl Verifier {
    fn try_new(key: &PrivateJwk, algorithm: SigningAlgorithm) -> Result<Self, BadKey> {
        let verifier = match algorithm {
            SigningAlgorithm::EdDsa => Self::ed25519(key.x.as_deref()),
            SigningAlgorithm::Hs384 => key
                .k
                .as_deref()
                .and_then(|k| from_base64url(k).map(Zeroizing::new))
                .filter(|secret| secret.len() >= 48)
                .and_then(|secret| Hmac::new_from_slice(&secret).ok())
                .map(Self::Hs384),
            SigningAlgorithm::Es512 => key
                .public()
                .and_then(|public| serde_json::to_vec(&public).ok())
                .and_then(|json| Jwk::from_bytes(json).ok())
                .and_then(|jwk| ES512.verifier_from_jwk(&jwk).ok())
                .map(Self::Es512),
        };
        verifier.ok_or(BadKey)
    }

    fn ed25519(x: Option<&str>) -> Option<Self> {
        let key = VerifyingKey::from_bytes(&array_from_base64url(x?)?).ok()?;
        (!key.is_weak()).then_some(Self::Ed25519(key))
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
            Self::Hs384(mac) => mac.clone().chain_update(message).verify_slice(signature).is_ok(),
            // OpenSSL refuses r and s outside [1, n-1]; the length keeps DER out.
            Self::Es512(key) => signature.len() == ES512_SIGNATURE_BYTES && key.verify(message, signature).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.4: the public key of A.2, the signing input, the signature.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const INPUT: &[u8] = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const SIGNATURE: &str = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    #[test]
    fn rfc_8037_appendix_a_4_signature() {
        let verifier = Verifier::ed25519(Some(X)).unwrap();
        let signature = from_base64url(SIGNATURE).unwrap();
        assert!(verifier.verifies(INPUT, &signature));
        assert!(!verifier.verifies(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd", &signature));
        assert!(!verifier.verifies(INPUT, &signature[..63]));
        assert!(!verifier.verifies(INPUT, &[]));
        // s + L is the same number modulo the order: the second spelling RFC 8032 section 5.1.7 forbids.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
        ];
        let (mut malleable, mut carry) = (signature.clone(), 0u16);
        for (byte, add) in malleable[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_ne!(malleable, signature);
        assert!(!verifier.verifies(INPUT, &malleable));
    }

    #[test]
    fn rfc_8037_appendix_a_4_is_what_josekit_signs() {
        let key: PrivateJwk = serde_json::from_value(serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": X,
            "kid": "k", "alg": "EdDSA", "keystead_use": "sign_access",
        }))
        .unwrap();
        let signature = signer(&key, SigningAlgorithm::EdDsa).unwrap().sign(INPUT).unwrap();
        assert_eq!(base64url(&signature), SIGNATURE);
    }

    #[test]
    fn keys_of_small_order_are_no_keys() {
        // The identity point: it "signs" every message.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(Verifier::ed25519(Some(&base64url(&identity))).is_none());
        assert!(Verifier::ed25519(Some(&base64url(&[0; 31]))).is_none());
        assert!(Verifier::ed25519(None).is_none());
    }
}
