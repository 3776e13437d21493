//! Keys as JSON (RFC 7517): the private form that is sealed, the public form that is published.

use std::collections::BTreeMap;

use keystead_application::ports::{Entropy, KeyUse};
use keystead_domain::token::KeyId;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::SigningAlgorithm;
use crate::encoding::base64url;

/// `algorithm` of the root of the keyed hashes.
pub(super) const HMAC: &str = "HMAC";

/// `algorithm` of the keys that seal: XChaCha20-Poly1305, as draft-amringer-jose-chacha names it.
pub(super) const XC20P: &str = "XC20P";

/// A private or secret key. Its secret part is wiped on drop.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrivateJwk {
    pub(super) kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) y: Option<String>,
    /// Private part of an asymmetric key (RFC 7518 section 6.2.2, RFC 8037 section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) d: Option<Zeroizing<String>>,
    /// A symmetric key (RFC 7518 section 6.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) k: Option<Zeroizing<String>>,
    pub(super) kid: String,
    pub(super) alg: String,
    /// What the key is for, sealed with it: a hand at the database cannot give it another use.
    pub(super) keystead_use: String,
}

impl PrivateJwk {
    /// A random key for `key_use`; signing keys are of [`SigningAlgorithm::of`] it.
    pub(super) fn generate(
        key_use: KeyUse,
        algorithm: SigningAlgorithm,
        entropy: &dyn Entropy,
    ) -> Result<Self, ErrorStack> {
        let mut key = match (key_use, algorithm.of(key_use)) {
            (KeyUse::Mac | KeyUse::Audit, _) => Self::symmetric::<32>(HMAC, entropy),
            (KeyUse::Seal, _) => Self::symmetric::<32>(XC20P, entropy),
            (_, SigningAlgorithm::Hs384) => Self::symmetric::<48>(SigningAlgorithm::Hs384.as_str(), entropy),
            (_, SigningAlgorithm::EdDsa) => Self::ed25519(entropy),
            (_, SigningAlgorithm::Es512) => Self::p521(entropy)?,
        };
        key_use.as_str().clone_into(&mut key.keystead_use);
        Ok(key)
    }

    /// `N` random bytes; the identifier is random too, because a thumbprint would be a hash of the secret.
    fn symmetric<const N: usize>(alg: &str, entropy: &dyn Entropy) -> Self {
        let mut secret = Zeroizing::new([0; N]);
        let mut id = [0; 16];
        entropy.fill(secret.as_mut_slice());
        entropy.fill(&mut id);
        Self { k: Some(Zeroizing::new(base64url(secret.as_slice()))), kid: base64url(&id), ..Self::empty("oct", alg) }
    }

    fn ed25519(entropy: &dyn Entropy) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(seed.as_mut_slice());
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        Self {
            crv: Some("Ed25519".to_owned()),
            x: Some(base64url(public.as_bytes())),
            d: Some(Zeroizing::new(base64url(seed.as_slice()))),
            ..Self::empty("OKP", SigningAlgorithm::EdDsa.as_str())
        }
        .with_thumbprint()
    }

    /// A P-521 key by extra random bits (FIPS 186-5 appendix A.2.1): 64 more than the order has.
    fn p521(entropy: &dyn Entropy) -> Result<Self, ErrorStack> {
        let mut random = Zeroizing::new([0; 74]);
        entropy.fill(random.as_mut_slice());
        let (group, mut context) = (EcGroup::from_curve_name(Nid::SECP521R1)?, BigNumContext::new_secure()?);
        let (mut order, mut scalar) = (BigNum::new()?, BigNum::new_secure()?);
        group.order(&mut order, &mut context)?;
        order.sub_word(1)?;
        scalar.nnmod(&*BigNum::from_slice(random.as_slice())?, &order, &mut context)?;
        scalar.add_word(1)?;
        let mut point = EcPoint::new(&group)?;
        point.mul_generator2(&group, &scalar, &mut context)?;
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        point.affine_coordinates(&group, &mut x, &mut y, &mut context)?;
        Ok(Self {
            crv: Some("P-521".to_owned()),
            x: Some(base64url(&x.to_vec_padded(66)?)),
            y: Some(base64url(&y.to_vec_padded(66)?)),
            d: Some(Zeroizing::new(base64url(&Zeroizing::new(scalar.to_vec_padded(66)?)))),
            ..Self::empty("EC", SigningAlgorithm::Es512.as_str())
        }
        .with_thumbprint())
    }

    fn empty(kty: &str, alg: &str) -> Self {
        Self {
            kty: kty.to_owned(),
            alg: alg.to_owned(),
            crv: None,
            x: None,
            y: None,
            d: None,
            k: None,
            kid: String::new(),
            keystead_use: String::new(),
        }
    }

    fn with_thumbprint(mut self) -> Self {
        self.kid = self.public().map(|public| public.thumbprint()).unwrap_or_default();
        self
    }

    /// JSON text.
    pub(super) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        serde_json::to_vec(self).map(Zeroizing::new)
    }

    /// What may be published; `None` for a symmetric key.
    pub(super) fn public(&self) -> Option<PublicJwk> {
        Some(PublicJwk {
            kty: self.kty.clone(),
            crv: self.crv.clone()?,
            x: self.x.clone()?,
            y: self.y.clone(),
            kid: self.kid.clone(),
            alg: self.alg.clone(),
            key_use: "sig",
        })
    }

    /// Whether the identifier is what [`Self::generate`] would give this key.
    pub(super) fn has_id(&self, id: &KeyId) -> bool {
        self.kid == id.as_str() && self.public().is_none_or(|public| public.thumbprint() == self.kid)
    }
}

/// A public key as it is published.
#[derive(Clone, Serialize)]
pub(super) struct PublicJwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    kid: String,
    alg: String,
    #[serde(rename = "use")]
    key_use: &'static str,
}

impl PublicJwk {
    /// RFC 7638; the members of RFC 8037 section 2 and RFC 7638 section 3.2.
    fn thumbprint(&self) -> String {
        let y = self.y.as_deref().map(|y| ("y", y));
        thumbprint([("crv", self.crv.as_str()), ("kty", &self.kty), ("x", &self.x)].into_iter().chain(y))
    }
}

/// Base64url of the SHA-256 of the required members, in lexicographic order, without white space (RFC 7638 section 3).
fn thumbprint<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<&str, &str> = members.into_iter().collect();
    // A map of strings always serialises.
    let json = serde_json::to_vec(&sorted).unwrap_or_default();
    base64url(&Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsEntropy;

    #[test]
    fn rfc_7638_section_3_1_thumbprint() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZC\
                 iFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZg\
                 nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIq\
                 bw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(
            thumbprint([("n", n), ("kty", "RSA"), ("e", "AQAB")]),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn rfc_8037_appendix_a_3_thumbprint() {
        let members = [("crv", "Ed25519"), ("kty", "OKP"), ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")];
        assert_eq!(thumbprint(members), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn generated_keys_are_named_and_complete() {
        for (key_use, algorithm, kid_length, secret_length) in [
            (KeyUse::Mac, SigningAlgorithm::EdDsa, 22, 43),
            (KeyUse::Audit, SigningAlgorithm::Hs384, 22, 43),
            (KeyUse::Seal, SigningAlgorithm::Es512, 22, 43),
            (KeyUse::SignStepUp, SigningAlgorithm::Hs384, 43, 43),
            (KeyUse::SignAccess, SigningAlgorithm::Hs384, 22, 64),
            (KeyUse::SignAccess, SigningAlgorithm::EdDsa, 43, 43),
            (KeyUse::SignPreAuthorized, SigningAlgorithm::Es512, 43, 88),
        ] {
            let make = || PrivateJwk::generate(key_use, algorithm, &OsEntropy).unwrap();
            let key = make();
            assert_eq!(key.kid.len(), kid_length);
            assert!(key.has_id(&KeyId::parse(&key.kid).unwrap()));
            assert_eq!(key.d.as_ref().or(key.k.as_ref()).unwrap().len(), secret_length);
            assert_ne!(key.kid, make().kid);
            let read: PrivateJwk = serde_json::from_slice(&key.to_json().unwrap()).unwrap();
            assert_eq!(read.to_json().unwrap(), key.to_json().unwrap());
            let public = key.public().map(|public| serde_json::to_string(&public).unwrap()).unwrap_or_default();
            assert!(!public.contains("\"d\"") && !public.contains("\"k\"") && !public.contains("keystead_use"));
        }
    }
}
