//! The root of the keyed hashes, and its subkeys.

use hmac::Mac as _;
use keystead_application::ports::MacPurpose;
use keystead_domain::Timestamp;
use keystead_domain::token::KeyId;

use crate::kdf::{HmacSha256, hmac_sha256, subkey};

/// One HMAC key per purpose, each derived once.
pub(super) struct MacKey {
    pub(super) id: KeyId,
    pub(super) active_from: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    refresh: HmacSha256,
    one_time_code: HmacSha256,
    stored_code: HmacSha256,
    device: HmacSha256,
    limit_key: HmacSha256,
    decoy: HmacSha256,
    captcha: HmacSha256,
    idempotency: HmacSha256,
    audit_event: HmacSha256,
    audit_link: HmacSha256,
    audit_checkpoint: HmacSha256,
}

impl MacKey {
    /// Derives the subkeys of a random root.
    pub(super) fn new(id: KeyId, root: &[u8; 32], active_from: Timestamp, retires_at: Option<Timestamp>) -> Self {
        let derive = |purpose: &str| hmac_sha256(&subkey(root, format!("keystead/mac/v1/{purpose}").as_bytes()));
        Self {
            id,
            active_from,
            retires_at,
            refresh: derive("refresh"),
            one_time_code: derive("one-time-code"),
            stored_code: derive("stored-code"),
            device: derive("device"),
            limit_key: derive("limit-key"),
            decoy: derive("decoy"),
            captcha: derive("captcha"),
            idempotency: derive("idempotency"),
            audit_event: derive("audit-event"),
            audit_link: derive("audit-link"),
            audit_checkpoint: derive("audit-checkpoint"),
        }
    }

    /// The keyed hash of `parts`.
    pub(super) fn tag(&self, purpose: MacPurpose, parts: &[&[u8]]) -> [u8; 32] {
        self.absorb(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether `tag` is the whole keyed hash of `parts`. Constant time.
    pub(super) fn verifies(&self, purpose: MacPurpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.absorb(purpose, parts).verify_slice(tag).is_ok()
    }

    /// Whether its hashes still count.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }

    /// Each part after its length, 64 bits big-endian, so that no two lists of parts are the same bytes.
    fn absorb(&self, purpose: MacPurpose, parts: &[&[u8]]) -> HmacSha256 {
        let mut mac = self.keyed(purpose).clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    const fn keyed(&self, purpose: MacPurpose) -> &HmacSha256 {
        match purpose {
            MacPurpose::Refresh => &self.refresh,
            MacPurpose::OneTimeCode => &self.one_time_code,
            MacPurpose::StoredCode => &self.stored_code,
            MacPurpose::Device => &self.device,
            MacPurpose::LimitKey => &self.limit_key,
            MacPurpose::Decoy => &self.decoy,
            MacPurpose::Captcha => &self.captcha,
            MacPurpose::Idempotency => &self.idempotency,
            MacPurpose::AuditEvent => &self.audit_event,
            MacPurpose::AuditLink => &self.audit_link,
            MacPurpose::AuditCheckpoint => &self.audit_checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSES: [MacPurpose; 11] = [
        MacPurpose::Refresh,
        MacPurpose::OneTimeCode,
        MacPurpose::StoredCode,
        MacPurpose::Device,
        MacPurpose::LimitKey,
        MacPurpose::Decoy,
        MacPurpose::Captcha,
        MacPurpose::Idempotency,
        MacPurpose::AuditEvent,
        MacPurpose::AuditLink,
        MacPurpose::AuditCheckpoint,
    ];

    fn key(root: u8) -> MacKey {
        MacKey::new(KeyId::parse("k").unwrap(), &[root; 32], Timestamp::default(), None)
    }

    #[test]
    fn the_tag_is_hmac_over_length_prefixed_parts_under_the_derived_key() {
        let mut mac = hmac_sha256(&subkey(&[1; 32], b"keystead/mac/v1/refresh"));
        mac.update(b"\0\0\0\0\0\0\0\x03sid\0\0\0\0\0\0\0\x0242");
        let expected: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(key(1).tag(MacPurpose::Refresh, &[b"sid", b"42"]), expected);
    }

    #[test]
    fn every_list_of_parts_purpose_and_root_has_a_tag_of_its_own() {
        let lists: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"", b""], &[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]];
        let mut seen = std::collections::HashSet::new();
        for root in [1, 2] {
            for purpose in PURPOSES {
                for parts in lists {
                    let tag = key(root).tag(purpose, parts);
                    assert!(key(root).verifies(purpose, parts, &tag));
                    assert!(seen.insert(tag), "{root} {purpose:?} {parts:?}");
                }
            }
        }
    }

    #[test]
    fn a_changed_cut_or_extended_tag_is_refused() {
        let tag = key(1).tag(MacPurpose::Refresh, &[b"x"]);
        for i in 0..32 {
            let mut changed = tag;
            changed[i] ^= 1;
            assert!(!key(1).verifies(MacPurpose::Refresh, &[b"x"], &changed));
            assert!(!key(1).verifies(MacPurpose::Refresh, &[b"x"], &tag[..i]));
        }
        assert!(!key(1).verifies(MacPurpose::Refresh, &[b"x"], &[&tag[..], &[0]].concat()));
    }
}
