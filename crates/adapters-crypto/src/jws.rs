//! Checking any signed token with a published key set: what another service does with ours.

use josekit::JoseError;
use josekit::jwk::{Jwk, JwkSet};
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::{JwsVerifier, deserialize_compact};
use josekit::jwt::decode_header;
use thiserror::Error;

/// The token could not be verified. The text says why, and repeats nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct JwsError(String);

/// Checks the signature of a compact JWS (RFC 7515 section 7.1) with a JWK set (RFC 7517 section 5), entirely by
/// josekit. Returns header and payload as JSON texts. Says nothing about expiry or revocation.
pub fn verify_jws(jwks: &[u8], token: &str) -> Result<(String, String), JwsError> {
    let keys = JwkSet::from_bytes(jwks).map_err(|_| JwsError("the key set is no JWK set".into()))?;
    let refused = |error| JwsError(format!("the token does not verify: {error}"));
    let claimed = decode_header(token).map_err(refused)?;
    let text = |name: &str| claimed.claim(name).and_then(|value| value.as_str());
    let key = text("kid").and_then(|id| keys.get(id).into_iter().next());
    let key = key.ok_or_else(|| JwsError("the key set has no key of the token's kid".into()))?;
    let verifier = verifier(key, text("alg")).map_err(refused)?;
    let (payload, header) = deserialize_compact(token, &*verifier).map_err(refused)?;
    let payload = String::from_utf8(payload).map_err(|_| JwsError("the payload is not text".into()))?;
    Ok((header.to_string(), payload))
}

fn verifier(key: &Jwk, algorithm: Option<&str>) -> Result<Box<dyn JwsVerifier>, JoseError> {
    Ok(match algorithm {
        Some("ES512") => Box::new(EcdsaJwsAlgorithm::Es512.verifier_from_jwk(key)?),
        // Anything else is tried as EdDSA, whose verifier refuses a header that says otherwise.
        _ => Box::new(EddsaJwsAlgorithm::Eddsa.verifier_from_jwk(key)?),
    })
}
