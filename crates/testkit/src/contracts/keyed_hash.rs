//! `KeyedHash`.

use std::collections::HashSet;
use std::sync::Arc;

use keystead_application::ports::{KeyedHash, MacPurpose};
use keystead_application::testing::key_id;

/// Tests every contract of [`KeyedHash`](keystead_application::ports::KeyedHash) that can be seen from outside: constant
/// time cannot. The expression is a future of a [`Harness`](crate::Harness) with a key of `KeyUse::Mac` and
/// one of `KeyUse::Audit`.
#[macro_export]
macro_rules! keyed_hash_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            keyed_hash,
            dyn $crate::ports::KeyedHash,
            $make,
            [
                a_mac_verifies_under_the_key_it_names,
                every_changed_bit_is_refused,
                purposes_do_not_mix,
                the_borders_of_parts_count,
                an_unknown_key_verifies_nothing,
                audit_events_have_keys_of_their_own,
                digests_depend_on_their_input_alone,
            ]
        );
    };
}

const PURPOSES: [MacPurpose; 10] = [
    MacPurpose::Refresh,
    MacPurpose::OneTimeCode,
    MacPurpose::StoredCode,
    MacPurpose::Device,
    MacPurpose::LimitKey,
    MacPurpose::Decoy,
    MacPurpose::Captcha,
    MacPurpose::Idempotency,
    MacPurpose::AuditEvent,
    MacPurpose::AuditCheckpoint,
];

/// The tag comes with the key that made it, and that key makes it again.
pub async fn a_mac_verifies_under_the_key_it_names(hash: Arc<dyn KeyedHash>) {
    for purpose in PURPOSES {
        for parts in [[b"session".as_slice(), b"1"], [b"", b""]] {
            let tag = hash.mac(purpose, &parts);
            assert_eq!(hash.mac(purpose, &parts), tag);
            assert_eq!(hash.mac_with(&tag.key, purpose, &parts), Some(tag.bytes));
            assert!(hash.verify(&tag.key, purpose, &parts, &tag.bytes));
        }
    }
}

/// A tag with any bit changed, or of another length, is refused.
pub async fn every_changed_bit_is_refused(hash: Arc<dyn KeyedHash>) {
    let parts = [b"session".as_slice(), b"1"];
    let tag = hash.mac(MacPurpose::Refresh, &parts);
    let verify = |bytes: &[u8]| hash.verify(&tag.key, MacPurpose::Refresh, &parts, bytes);
    for index in 0..32 {
        for bit in 0..8 {
            let mut changed = tag.bytes;
            changed[index] ^= 1 << bit;
            assert!(!verify(&changed), "byte {index}, bit {bit}");
        }
        assert!(!verify(&tag.bytes[..index]), "{index} bytes");
    }
    assert!(!verify(&[tag.bytes.as_slice(), &[0]].concat()));
}

/// A tag made for one purpose serves no other.
pub async fn purposes_do_not_mix(hash: Arc<dyn KeyedHash>) {
    let tags: HashSet<[u8; 32]> = PURPOSES.map(|purpose| hash.mac(purpose, &[b"same"]).bytes).into_iter().collect();
    assert_eq!(tags.len(), PURPOSES.len());
    let tag = hash.mac(MacPurpose::Device, &[b"same"]);
    assert!(!hash.verify(&tag.key, MacPurpose::Refresh, &[b"same"], &tag.bytes));
}

/// Inputs are length-prefixed: moving a border, or adding an empty part, makes another tag.
pub async fn the_borders_of_parts_count(hash: Arc<dyn KeyedHash>) {
    let inputs: [&[&[u8]]; 8] =
        [&[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[b"", b"abc"], &[], &[b""], &[b"", b""]];
    let tags: HashSet<[u8; 32]> = inputs.iter().map(|parts| hash.mac(MacPurpose::LimitKey, parts).bytes).collect();
    assert_eq!(tags.len(), inputs.len());
}

/// Without its key a tag is worth nothing.
pub async fn an_unknown_key_verifies_nothing(hash: Arc<dyn KeyedHash>) {
    let (tag, unknown) = (hash.mac(MacPurpose::Refresh, &[b"x"]), key_id("no-such-key"));
    assert_eq!(hash.mac_with(&unknown, MacPurpose::Refresh, &[b"x"]), None);
    assert!(!hash.verify(&unknown, MacPurpose::Refresh, &[b"x"], &tag.bytes));
}

/// What seals audit events is kept longer than what does anything else, and decoys, which never change, are under the first
/// of it.
pub async fn audit_events_have_keys_of_their_own(hash: Arc<dyn KeyedHash>) {
    let key = |purpose| hash.mac(purpose, &[b"x"]).key;
    let (event, checkpoint) = (key(MacPurpose::AuditEvent), key(MacPurpose::AuditCheckpoint));
    assert_eq!(event, checkpoint);
    for purpose in PURPOSES {
        let is_kept = matches!(purpose, MacPurpose::AuditEvent | MacPurpose::AuditCheckpoint | MacPurpose::Decoy);
        assert_eq!(key(purpose) == event, is_kept, "{purpose:?}");
    }
}

/// One input has one digest, and different ones have different digests.
pub async fn digests_depend_on_their_input_alone(hash: Arc<dyn KeyedHash>) {
    let inputs = [b"".as_slice(), b"\0", b"a", b"b", b"ab", &[7; 8], &[7; 9]];
    let digests: HashSet<[u8; 32]> = inputs.iter().map(|input| hash.digest(input)).collect();
    assert_eq!(digests.len(), inputs.len());
    assert!(inputs.iter().all(|input| digests.contains(&hash.digest(input))));
}
