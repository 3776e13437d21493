//! Keys come, sign, retire and go.

use super::*;

const DAY: i64 = 86_400;

fn generate(f: &Fixture, key_use: KeyUse, active_from: i64) -> StoredKey {
    f.ring.generate(key_use, at(1_000), at(active_from)).unwrap()
}

#[test]
fn an_empty_ring_signs_and_verifies_nothing() {
    let (f, other) = (empty_ring(config(SigningAlgorithm::EdDsa)), fixture(SigningAlgorithm::EdDsa));
    assert_eq!(f.ring.sign_access(&access_claims()), Err(TokenError));
    assert_eq!(f.ring.sign_pre_authorized(&pre_authorized_claims()), Err(TokenError));
    assert_eq!(f.ring.sign_step_up(&step_up_claims()), Err(TokenError));
    f.refuses(&other.access());
    f.refuses(&other.step_up());
    assert_eq!(f.ring.jwks(), "{\"keys\":[]}");
    let tag = f.ring.mac(MacPurpose::Refresh, &[b"x"]);
    assert!(!f.ring.verify(&tag.key, MacPurpose::Refresh, &[b"x"], &tag.bytes));
    assert_eq!(f.ring.mac_with(&tag.key, MacPurpose::Refresh, &[b"x"]), None);
    assert!(USES.iter().all(|key_use| !f.ring.serves(*key_use) && other.ring.serves(*key_use)));
}

#[test]
fn the_newest_key_whose_time_has_come_signs_and_all_verify_until_they_retire() {
    for algorithm in ALGORITHMS {
        let mut f = fixture(algorithm);
        let old = f.access();
        let next = generate(&f, KeyUse::SignAccess, 1_060);
        f.stored[0].retires_at = Some(at(3_000));
        f.stored.insert(0, next.clone());
        f.ring.load(&f.stored).unwrap();
        let signed_with = || decoded(f.ring.sign_access(&access_claims()).unwrap().expose(), 0)["kid"].clone();
        assert_eq!(signed_with(), decoded(&old, 0)["kid"]);
        f.clock.0.store(1_060, Ordering::SeqCst);
        assert_eq!(signed_with(), next.id.as_str());
        assert!(f.ring.verify_access(&old).is_ok() && f.ring.verify_access(&f.access()).is_ok());
        // Past its end a key verifies nothing that is not cached, and what is cached asks `is_published`.
        let old_kid = f.stored[1].id.clone();
        assert!(f.ring.is_published(&old_kid, at(2_999)) && !f.ring.is_published(&old_kid, at(3_000)));
        f.clock.0.store(3_000, Ordering::SeqCst);
        f.ring.cache.invalidate_all();
        assert_eq!(f.ring.verify_access(&old), Err(TokenError));
        assert!(f.ring.verify_access(&f.access()).is_ok());
    }
}

#[test]
fn a_clock_that_steps_back_does_not_stop_signing() {
    let f = fixture(SigningAlgorithm::EdDsa);
    f.clock.0.store(500, Ordering::SeqCst);
    assert!(f.ring.verify_access(&f.access()).is_ok());
    let tag = f.ring.mac(MacPurpose::Device, &[b"x"]);
    assert!(f.ring.verify(&tag.key, MacPurpose::Device, &[b"x"], &tag.bytes));
}

#[test]
fn a_withdrawn_key_is_not_published_though_its_tokens_are_cached() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let token = f.access();
    let key = f.ring.verify_access(&token).unwrap().key.clone();
    assert!(f.ring.is_published(&key, at(1_000)));
    f.stored[0] = generate(&f, KeyUse::SignAccess, 1_000);
    f.ring.load(&f.stored).unwrap();
    assert!(!f.ring.is_published(&key, at(1_000)));
    f.ring.cache.invalidate_all();
    assert_eq!(f.ring.verify_access(&token), Err(TokenError));
    // Keys of other uses are never published.
    assert!(f.stored[1..].iter().all(|key| !f.ring.is_published(&key.id, at(1_000))));
}

#[test]
fn only_valid_tokens_are_cached_and_not_more_than_configured() {
    let f = fixture(SigningAlgorithm::EdDsa);
    for i in 0..50 {
        f.refuses(&format!("{}{i}", f.access()));
    }
    f.ring.cache.run_pending_tasks();
    assert_eq!(f.ring.cache.entry_count(), 0);
    for i in 0..300 {
        let claims = AccessClaims { epoch: Epoch::new(i), ..access_claims() };
        let token = f.ring.sign_access(&claims).unwrap();
        assert_eq!(f.ring.verify_access(token.expose()).unwrap().claims, claims);
    }
    f.ring.cache.run_pending_tasks();
    assert!((1..=100).contains(&f.ring.cache.entry_count()), "{}", f.ring.cache.entry_count());
}

#[test]
fn loading_is_all_or_nothing() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let (token, jwks, tag) = (f.access(), f.ring.jwks(), f.ring.mac(MacPurpose::Refresh, &[b"x"]));
        let fresh: Vec<StoredKey> = USES.iter().map(|key_use| generate(&f, *key_use, 1_000)).collect();
        let mut broken: Vec<Vec<StoredKey>> = Vec::new();
        for i in 0..fresh.len() {
            let mut change = |edit: &dyn Fn(&mut StoredKey)| {
                let mut keys = fresh.clone();
                edit(&mut keys[i]);
                broken.push(keys);
            };
            change(&|key| key.sealed[40] ^= 1);
            change(&|key| key.sealed.clear());
            change(&|key| key.id = KeyId::parse("another").unwrap());
            change(&|key| key.algorithm = "ES256".to_owned());
            change(&|key| {
                key.key_use =
                    if key.key_use == KeyUse::SignAccess { KeyUse::SignPreAuthorized } else { KeyUse::SignAccess };
            });
        }
        let mut swapped = fresh.clone();
        (swapped[0].sealed, swapped[1].sealed) = (fresh[1].sealed.clone(), fresh[0].sealed.clone());
        broken.push(swapped);
        for keys in broken {
            assert_eq!(f.ring.load(&keys), Err(SealError));
            assert_eq!(f.ring.jwks(), jwks);
            assert!(f.ring.verify(&tag.key, MacPurpose::Refresh, &[b"x"], &tag.bytes));
            f.ring.cache.invalidate_all();
            assert!(f.ring.verify_access(&token).is_ok());
        }
        f.ring.load(&fresh).unwrap();
        assert!(!f.ring.verify(&tag.key, MacPurpose::Refresh, &[b"x"], &tag.bytes));
    }
}

#[test]
fn a_key_whose_public_part_was_exchanged_is_refused() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let mut json = f.private(KeyUse::SignAccess);
    json["x"] = fixture(SigningAlgorithm::EdDsa).private(KeyUse::SignAccess)["x"].clone();
    let mut keys = f.stored.clone();
    keys[0].sealed = sealer().seal(&snapshot::context(&keys[0].id), json.to_string().as_bytes());
    assert_eq!(f.ring.load(&keys), Err(SealError));
}

#[test]
fn keys_of_a_former_algorithm_are_left_out() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let mut now = empty_ring(config(SigningAlgorithm::Es512));
    now.ring.load(&f.stored).unwrap();
    now.refuses(&f.access());
    assert_eq!(now.ring.jwks(), "{\"keys\":[]}");
    assert_eq!(USES.map(|key_use| now.ring.serves(key_use)), [false, false, true, true, true, true]);
    assert_eq!(now.ring.verify_step_up(&f.step_up()), Ok(step_up_claims()), "its algorithm did not change");
    f.stored.push(generate(&now, KeyUse::SignAccess, 1_000));
    now.ring.load(&f.stored).unwrap();
    now.stored = f.stored.split_off(USES.len());
    assert!(now.ring.serves(KeyUse::SignAccess) && now.ring.verify_access(&now.access()).is_ok());
}

#[test]
fn the_published_set_has_public_access_keys_only() {
    for (algorithm, expected) in [
        (SigningAlgorithm::EdDsa, json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig"})),
        (SigningAlgorithm::Es512, json!({"kty": "EC", "crv": "P-521", "alg": "ES512", "use": "sig"})),
    ] {
        let f = fixture(algorithm);
        let set: Value = serde_json::from_str(&f.ring.jwks()).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 1);
        let mut public = set["keys"][0].clone();
        let private = f.private(KeyUse::SignAccess);
        for name in ["x", "y", "kid"] {
            assert_eq!(public[name], private[name]);
            public.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(public, expected);
    }
    assert_eq!(fixture(SigningAlgorithm::Hs384).ring.jwks(), "{\"keys\":[]}");
}

#[test]
fn keyed_hashes_name_their_key_and_survive_its_successor() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let old = f.ring.mac(MacPurpose::Refresh, &[&b"sid"[..], b"1"]);
    assert_eq!(old.key, f.stored[2].id);
    f.stored[2].retires_at = Some(at(1_000 + 15 * DAY));
    f.stored.push(generate(&f, KeyUse::Mac, 1_060));
    f.ring.load(&f.stored).unwrap();
    f.clock.0.store(1_060, Ordering::SeqCst);
    let new = f.ring.mac(MacPurpose::Refresh, &[&b"sid"[..], b"1"]);
    assert_eq!(Some(&new.key), f.stored.last().map(|key| &key.id));
    assert_ne!(new.bytes, old.bytes);
    for tag in [&old, &new] {
        assert!(f.ring.verify(&tag.key, MacPurpose::Refresh, &[&b"sid"[..], b"1"], &tag.bytes));
        assert_eq!(f.ring.mac_with(&tag.key, MacPurpose::Refresh, &[&b"sid"[..], b"1"]), Some(tag.bytes));
        assert!(!f.ring.verify(&tag.key, MacPurpose::Device, &[&b"sid"[..], b"1"], &tag.bytes));
        assert!(!f.ring.verify(&tag.key, MacPurpose::Refresh, &[b"sid1"], &tag.bytes));
    }
    assert!(!f.ring.verify(&new.key, MacPurpose::Refresh, &[&b"sid"[..], b"1"], &old.bytes));
    f.clock.0.store(1_000 + 15 * DAY, Ordering::SeqCst);
    assert!(!f.ring.verify(&old.key, MacPurpose::Refresh, &[&b"sid"[..], b"1"], &old.bytes));
    assert_eq!(f.ring.mac_with(&old.key, MacPurpose::Refresh, &[]), None);
    // A signing key is no root of keyed hashes.
    assert_eq!(f.ring.mac_with(&f.stored[0].id, MacPurpose::Refresh, &[]), None);
}

#[test]
fn hashes_of_the_audit_log_outlive_every_rotation() {
    const PURPOSES: [MacPurpose; 3] = [MacPurpose::AuditEvent, MacPurpose::AuditLink, MacPurpose::AuditCheckpoint];
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let tags = |f: &Fixture| PURPOSES.map(|purpose| f.ring.mac(purpose, &[b"event"]));
    let verify = |f: &Fixture, tags: &[MacTag; 3], part: &[u8]| {
        let mut all = PURPOSES.iter().zip(tags);
        all.all(|(purpose, tag)| f.ring.verify(&tag.key, *purpose, &[part], &tag.bytes))
    };
    let (mac, audit) = (f.stored[2].id.clone(), f.stored[5].id.clone());
    let old = tags(&f);
    assert!(old.iter().all(|tag| tag.key == audit));

    // The root of the other keyed hashes is replaced, retires, and is gone; nothing here was under it.
    f.stored.push(generate(&f, KeyUse::Mac, 1_060));
    f.stored[2].retires_at = Some(at(1_000 + 15 * DAY));
    f.ring.load(&f.stored).unwrap();
    f.clock.0.store(1_000 + 15 * DAY, Ordering::SeqCst);
    assert_eq!(f.ring.mac_with(&mac, MacPurpose::Refresh, &[b"event"]), None);
    assert!(tags(&f) == old && verify(&f, &old, b"event"));
    f.stored.remove(2);
    f.ring.load(&f.stored).unwrap();
    assert!(tags(&f) == old && verify(&f, &old, b"event"));

    // A new audit key makes the next hashes, and the old one goes on verifying its own for as long as it is kept.
    f.stored.push(generate(&f, KeyUse::Audit, 1_060 + 15 * DAY));
    f.ring.load(&f.stored).unwrap();
    assert_eq!(tags(&f), old, "its time has not come");
    f.clock.0.store(1_000 + 3_650 * DAY, Ordering::SeqCst);
    let new = tags(&f);
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(Some(&new.key), f.stored.last().map(|key| &key.id));
        assert_ne!(old.bytes, new.bytes);
    }
    for tags in [&old, &new] {
        assert!(verify(&f, tags, b"event") && !verify(&f, tags, b"Event"));
        for (i, tag) in tags.iter().enumerate() {
            let others = PURPOSES.iter().filter(|purpose| **purpose != PURPOSES[i]).chain(&[MacPurpose::Refresh]);
            for other in others {
                assert!(!f.ring.verify(&tag.key, *other, &[b"event"], &tag.bytes), "{other:?}");
            }
        }
    }
    for ((old, new), purpose) in old.iter().zip(&new).zip(PURPOSES) {
        assert!(!f.ring.verify(&new.key, purpose, &[b"event"], &old.bytes));
    }
    // Neither kind of root serves the other's purposes.
    let root = f.stored.iter().find(|key| key.key_use == KeyUse::Mac).map(|key| key.id.clone()).unwrap();
    assert!(PURPOSES.iter().all(|purpose| f.ring.mac_with(&root, *purpose, &[b"event"]).is_none()));
    assert_eq!(f.ring.mac_with(&audit, MacPurpose::Refresh, &[b"event"]), None);
}

#[test]
fn decoys_stay_as_they_were_whatever_key_is_replaced_and_on_every_replica() {
    let mut f = fixture(SigningAlgorithm::EdDsa);
    let first = f.ring.mac(MacPurpose::Decoy, &[b"nobody@example.com"]);
    assert_eq!(first.key, f.stored[5].id);
    let audit_event = f.ring.mac(MacPurpose::AuditEvent, &[b"x"]);
    // Years of rotations: of the root of other keyed hashes, which goes, and of the audit log's, which stays.
    for year in 1..=3 {
        let from = 1_000 + year * 365 * DAY;
        for key_use in [KeyUse::Mac, KeyUse::Audit] {
            let key = f.ring.generate(key_use, at(from), at(from + 60)).unwrap();
            f.stored.push(key);
        }
        f.stored.retain(|key| key.key_use != KeyUse::Mac || key.created_at == at(from));
        // As another replica, or a restart, finds them.
        let other = empty_ring(config(SigningAlgorithm::EdDsa));
        let shuffled: Vec<_> = f.stored.iter().rev().cloned().collect();
        f.ring.load(&f.stored).unwrap();
        other.ring.load(&shuffled).unwrap();
        for ring in [&f, &other] {
            ring.clock.0.store(from + 120, Ordering::SeqCst);
            assert_eq!(ring.ring.mac(MacPurpose::Decoy, &[b"nobody@example.com"]), first);
            assert_eq!(ring.ring.mac_with(&first.key, MacPurpose::Decoy, &[b"nobody@example.com"]), Some(first.bytes));
            assert!(ring.ring.verify(&first.key, MacPurpose::Decoy, &[b"nobody@example.com"], &first.bytes));
            assert_ne!(ring.ring.mac(MacPurpose::AuditEvent, &[b"x"]).key, audit_event.key);
            // No younger key makes or knows a decoy.
            for younger in f.stored.iter().filter(|key| key.id != first.key) {
                assert_eq!(ring.ring.mac_with(&younger.id, MacPurpose::Decoy, &[b"nobody@example.com"]), None);
            }
        }
    }
}

#[test]
fn a_digest_is_sha_256() {
    // FIPS 180-4 example "abc".
    let f = empty_ring(config(SigningAlgorithm::EdDsa));
    let expected = crate::encoding::hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(f.ring.digest(b"abc").as_slice(), expected);
}
