use keystead_domain::SecretBytes;
use keystead_domain::token::KeyId;

use super::fake_world::mix;
use super::key_id;
use crate::ports::{KeyedHash, MacPurpose, MacTag, SealError, Sealer};

/// Spreads bytes over 32 bytes so that different inputs practically never meet. Fake: anyone can forge it.
pub(super) fn scatter(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut state = [1_u64, 2, 3, 4];
    let mut absorb = |word: u64| {
        for (lane, value) in (0_u64..).zip(state.iter_mut()) {
            *value = mix(*value ^ word.rotate_left(u32::try_from(lane * 16).unwrap_or(0)) ^ lane);
        }
    };
    for part in std::iter::once(&key).chain(parts) {
        absorb(part.len() as u64);
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            absorb(u64::from_le_bytes(word));
        }
    }
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).zip(state).for_each(|(to, value)| to.copy_from_slice(&value.to_le_bytes()));
    bytes
}

/// Deterministic mixing in the shape of the real keyed hashes: purposes, keys and the borders of parts all count. Not
/// cryptography; the digest is not SHA-256.
#[derive(Debug)]
pub struct FakeKeyedHash {
    keys: Vec<KeyId>,
    audit_keys: Vec<KeyId>,
}

impl FakeKeyedHash {
    /// One key, `mac-1`, and for audit events `audit-1`.
    pub fn new() -> Self {
        Self::with_keys(["mac-1"])
    }

    /// These keys; the last one is active. Audit events have `audit-1`.
    pub fn with_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self { keys: keys.into_iter().map(key_id).collect(), audit_keys: vec![key_id("audit-1")] }
    }

    /// The same keys, and these for audit events; the last one is active.
    #[must_use]
    pub fn with_audit_keys<'a>(self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self { audit_keys: keys.into_iter().map(key_id).collect(), ..self }
    }

    fn keys(&self, purpose: MacPurpose) -> &[KeyId] {
        match purpose {
            MacPurpose::AuditEvent | MacPurpose::AuditLink | MacPurpose::AuditCheckpoint => &self.audit_keys,
            MacPurpose::Decoy => self.audit_keys.get(..1).unwrap_or_default(),
            MacPurpose::Refresh
            | MacPurpose::OneTimeCode
            | MacPurpose::StoredCode
            | MacPurpose::Device
            | MacPurpose::LimitKey
            | MacPurpose::Captcha
            | MacPurpose::Idempotency => &self.keys,
        }
    }
}

impl Default for FakeKeyedHash {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyedHash for FakeKeyedHash {
    fn digest(&self, data: &[u8]) -> [u8; 32] {
        scatter(b"digest", &[data])
    }

    fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> MacTag {
        let Some(key) = self.keys(purpose).last() else { panic!("FakeKeyedHash was made without a key") };
        MacTag { key: key.clone(), bytes: scatter(format!("{key} {purpose:?}").as_bytes(), parts) }
    }

    fn mac_with(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.keys(purpose).contains(key).then(|| scatter(format!("{key} {purpose:?}").as_bytes(), parts))
    }

    fn verify(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac_with(key, purpose, parts).is_some_and(|expected| expected == tag)
    }
}

/// Puts a checksum over context and contents in front of the plain bytes. Hides nothing; refuses what the real one does.
#[derive(Debug, Default)]
pub struct FakeSealer;

impl Sealer for FakeSealer {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = scatter(b"seal", &[context, plain]).to_vec();
        sealed.extend_from_slice(plain);
        sealed
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        let (tag, plain) = sealed.split_at_checked(32).ok_or(SealError)?;
        if tag == scatter(b"seal", &[context, plain]) { Ok(SecretBytes::new(plain.to_vec())) } else { Err(SealError) }
    }

    fn seal_for(&self, secret: &[u8], context: &[u8], plain: &[u8]) -> Vec<u8> {
        self.seal(&scatter(b"seal for", &[secret, context]), plain)
    }

    fn open_for(&self, secret: &[u8], context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        self.open(&scatter(b"seal for", &[secret, context]), sealed)
    }
}

pub(super) fn fake_tag(parts: &[&[u8]]) -> String {
    hex(&scatter(b"token", parts))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// Reads lower-case hexadecimal, and nothing else.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
