//! Public keys as they are kept: the `COSE_Key` (RFC 9052 section 7) the authenticator gave, byte for byte, so that what is
//! in a database does not depend on this library or its version.

use webauthn_rs_core::proto::{COSEAlgorithm, COSEKey, COSEKeyType, ECDSACurve};

/// What registrations offer, the preferred first. Ed25519 is not among them: webauthn-rs-core 0.6 cannot check it. Every
/// authenticator that makes Ed25519 keys makes ES256 ones too; Windows Hello on older machines makes RS256 only.
pub(crate) const ALGORITHMS: [COSEAlgorithm; 2] = [COSEAlgorithm::ES256, COSEAlgorithm::RS256];

/// Reads a key of one of the algorithms offered, on the curve that belongs to it.
pub(crate) fn parse(cose_key: &[u8]) -> Option<COSEKey> {
    let value: serde_cbor_2::Value = serde_cbor_2::from_slice(cose_key).ok()?;
    let key = COSEKey::try_from(&value).ok()?;
    // The library takes ES256 with any curve and then checks by the curve.
    let fits = match (&key.type_, &key.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(key)) => key.curve == ECDSACurve::SECP256R1,
        (COSEAlgorithm::RS256, COSEKeyType::RSA(_)) => true,
        _ => false,
    };
    fits.then_some(key)
}
