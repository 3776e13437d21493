//! SRP-6a: what clients send, and what they carry for the server.

use keystead_application::ports::Vault as _;
use keystead_application::service::OpenedChallenge;
use keystead_domain::srp::{
    MODULUS, SrpCredential, SrpIdentity, SrpKdf, SrpProof, SrpPublicKey, SrpRefusal, SrpSalt, SrpVerifier,
};

use crate::input::{edited, text};
use crate::world::{NOW, WORLD, base64url};

/// `srp_values`: a hexadecimal text.
pub(super) fn values(bytes: &[u8]) {
    let Some(hex) = text(bytes) else { return };
    if let Ok(identity) = SrpIdentity::try_new(hex) {
        assert_eq!(identity.as_str(), hex);
    }
    for salt in [SrpSalt::try_new(hex), SrpSalt::try_kdf(hex)].into_iter().flatten() {
        assert_eq!(salt.hex(), hex);
        assert_eq!(SrpSalt::from_bytes(*salt.as_bytes()), salt);
    }
    if SrpSalt::try_new(hex).is_ok() {
        assert!(!hex.starts_with("00"), "common libraries drop leading zeros");
    }
    if let Ok(proof) = SrpProof::try_new(hex) {
        assert_eq!(proof.hex(), hex);
    }
    if let Ok(key) = SrpPublicKey::try_new(hex) {
        let number = key.as_bytes();
        assert!(*number != [0; 512] && *number < MODULUS, "a value that gives the session key away");
        assert_eq!(SrpPublicKey::try_new(&key.hex()).as_ref(), Ok(&key));
        assert!(key.hex().trim_start_matches('0') == hex.trim_start_matches('0'));
    }
    if let Ok(verifier) = SrpVerifier::try_new(hex) {
        let value = verifier.expose();
        let small = value.iter().rev().skip(1).all(|byte| *byte == 0) && value.last().is_none_or(|last| *last <= 1);
        assert!(value.len() == 512 && !small && *value < MODULUS[..], "a verifier anybody knows the logarithm of");
        assert_eq!(SrpVerifier::try_from_bytes(value).as_ref(), Ok(&verifier));
    }
    if hex.len() > 1024 {
        assert_eq!(SrpPublicKey::try_new(hex), Err(SrpRefusal::WrongLength), "refused before it is decoded");
    }
}

/// `srp_credential`: a credential as it was sealed.
pub(super) fn credential(bytes: &[u8]) {
    if let [n0, n1, n2, n3, r, p, ..] = *bytes {
        let (n, r, p) = (u32::from_be_bytes([n0, n1, n2, n3]), u32::from(r), u32::from(p));
        if let Ok(kdf) = SrpKdf::try_new(n, r, p) {
            assert!(kdf.n.is_power_of_two() && u64::from(kdf.n) * u64::from(kdf.p) >= 1 << 16, "too cheap to guess");
            assert!(u64::from(kdf.n) * u64::from(kdf.r) * 128 <= 1 << 30, "more than a client has");
            assert_eq!(SrpKdf::try_imported(n, r, p), Ok(kdf));
        }
    }
    let Some(credential) = SrpCredential::decode(bytes) else { return };
    let encoded = credential.encode();
    assert_eq!(SrpCredential::decode(encoded.expose()), Some(credential));
    assert_eq!(encoded.expose().len(), 32 + 12 + 64 + 512);
}

/// `srp_challenge`: the sealed part of a challenge; or `~` and changes to a genuine one.
pub(super) fn challenge(bytes: &[u8]) {
    let account = b"0b2c9e2c-7f1d-4b57-9d1e-1f6f0a1c2d3e";
    let mut head = NOW.plus(keystead_domain::limits::SRP_CHALLENGE_LIFE).as_micros().to_be_bytes().to_vec();
    head.extend([4; 16]);
    let context = [b"srp challenge:", head.as_slice(), account].concat();
    let sealed = WORLD.ring.seal(&context, &[6; 32]).expect("a key to seal with");
    let genuine = base64url(&[head, sealed].concat());
    let (carried, edits) = match bytes {
        [b'~', edits @ ..] => (edited(genuine.as_bytes(), edits), true),
        bytes => (bytes.to_vec(), false),
    };
    let Some(carried) = text(&carried) else { return };
    let opens = |account: &[u8], now| OpenedChallenge::read(&WORLD.ring, account, carried, now).is_some();
    assert_eq!(opens(account, NOW), edits && carried == genuine, "a challenge is taken back unchanged or not at all");
    assert!(!opens(b"somebody else", NOW), "a challenge belongs to one account");
    assert!(!opens(account, NOW.plus(keystead_domain::limits::SRP_CHALLENGE_LIFE)), "a challenge ends");
}
