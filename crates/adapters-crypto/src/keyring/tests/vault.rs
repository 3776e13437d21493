//! What must open for years.

use super::*;
use keystead_application::ports::Vault as _;

/// `f`, a further key to seal with from 1,060 on; the first one has an end.
fn with_successor(f: &mut Fixture) {
    f.stored[4].retires_at = Some(at(5_000));
    f.stored.push(f.ring.generate(KeyUse::Seal, at(1_000), at(1_060)).unwrap());
    f.ring.load(&f.stored).unwrap();
}

#[test]
fn what_was_sealed_opens_in_its_place_only() {
    let (f, other) = (fixture(SigningAlgorithm::EdDsa), fixture(SigningAlgorithm::EdDsa));
    let sealed = f.ring.seal(b"totp/1", b"seed").unwrap();
    assert_eq!(f.ring.open(b"totp/1", &sealed).unwrap().expose(), b"seed");
    assert!(f.ring.open(b"totp/2", &sealed).is_err() && f.ring.open(b"", &sealed).is_err());
    assert!(other.ring.open(b"totp/1", &sealed).is_err());
    assert_ne!(f.ring.seal(b"totp/1", b"seed").unwrap(), sealed, "a nonce is never used twice");
}

#[test]
fn the_form_is_the_documented_one() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let (sealed, kid) = (f.ring.seal(b"", b"seed").unwrap(), f.stored[4].id.as_str());
    assert_eq!(sealed[..2], [2, u8::try_from(kid.len()).unwrap()]);
    assert_eq!(&sealed[2..2 + kid.len()], kid.as_bytes());
    assert_eq!(sealed.len(), 2 + kid.len() + 24 + 4 + 16);
    assert_eq!(f.stored[4].algorithm, "XC20P");
}

#[test]
fn any_changed_lost_or_added_byte_is_refused() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let sealed = f.ring.seal(b"c", b"a secret").unwrap();
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert!(f.ring.open(b"c", &changed).is_err(), "byte {i}");
        assert!(f.ring.open(b"c", &sealed[..i]).is_err(), "cut at {i}");
    }
    assert!(f.ring.open(b"c", &[&sealed[..], &[0]].concat()).is_err());
}

#[test]
fn a_sealed_text_does_not_open_under_another_name_of_its_key() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let sealed = f.ring.seal(b"c", b"a secret").unwrap();
    // The same 32 bytes, loaded under another identifier.
    let mut json = f.private(KeyUse::Seal);
    json["kid"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
    let id = KeyId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let resealed = sealer().seal(&snapshot::context(&id), json.to_string().as_bytes());
    f.stored.push(StoredKey { id: id.clone(), sealed: resealed, ..f.stored[4].clone() });
    f.ring.load(&f.stored).unwrap();
    let mut renamed = sealed.clone();
    renamed[2..24].copy_from_slice(id.as_str().as_bytes());
    assert!(f.ring.open(b"c", &renamed).is_err());
    assert_eq!(f.ring.open(b"c", &sealed).unwrap().expose(), b"a secret");
}

#[test]
fn the_active_key_seals_and_every_loaded_one_opens() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let old = f.ring.seal(b"c", b"1").unwrap();
    with_successor(&mut f);
    assert!(!f.ring.is_outdated(&old), "the successor's time has not come");
    f.clock.0.store(1_060, Ordering::SeqCst);
    let new = f.ring.seal(b"c", b"2").unwrap();
    assert!(f.ring.is_outdated(&old) && !f.ring.is_outdated(&new) && f.ring.is_outdated(b""));
    assert_eq!(f.ring.open(b"c", &old).unwrap().expose(), b"1");
    f.clock.0.store(9_000, Ordering::SeqCst);
    assert_eq!(f.ring.open(b"c", &old).unwrap().expose(), b"1", "what was not sealed again in time is not lost");
    f.stored.remove(4);
    f.ring.load(&f.stored).unwrap();
    assert!(f.ring.open(b"c", &old).is_err());
    assert_eq!(f.ring.open(b"c", &new).unwrap().expose(), b"2");
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let f = empty_ring(config(SigningAlgorithm::EdDsa));
    assert_eq!(f.ring.seal(b"c", b"1"), Err(SealError));
    assert!(!f.ring.is_outdated(b"anything"), "there is nothing to seal it under again");
    // A key of another use seals nothing.
    let full = fixture(SigningAlgorithm::EdDsa);
    f.ring.load(&full.stored[..4]).unwrap();
    assert_eq!(f.ring.seal(b"c", b"1"), Err(SealError));
    assert!(!f.ring.serves(KeyUse::Seal) && f.ring.serves(KeyUse::SignStepUp));
}
