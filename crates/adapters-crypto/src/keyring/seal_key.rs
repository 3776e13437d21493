//! Keys that seal what must open for years, and the vault they are behind.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use keystead_application::ports::{SealError, Vault};
use keystead_domain::token::KeyId;
use keystead_domain::{SecretBytes, Timestamp};

use super::JoseKeyRing;
use super::snapshot::{Snapshot, active};

const VERSION: u8 = 2;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under a random key of its own.
pub(super) struct SealKey {
    pub(super) id: KeyId,
    pub(super) active_from: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    cipher: XChaCha20Poly1305,
}

impl SealKey {
    /// Takes 32 random bytes.
    pub(super) fn new(id: KeyId, key: &[u8; 32], active_from: Timestamp, retires_at: Option<Timestamp>) -> Self {
        Self { id, active_from, retires_at, cipher: XChaCha20Poly1305::new(key.into()) }
    }

    /// Whether it may seal.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }
}

/// What stands before the nonce: `0x02 ‖ length of kid ‖ kid`.
fn header(id: &KeyId) -> Option<Vec<u8>> {
    let id = id.as_str().as_bytes();
    let mut header = vec![VERSION, u8::try_from(id.len()).ok()?];
    header.extend_from_slice(id);
    Some(header)
}

/// A sealed text taken apart: the header, the identifier in it, the nonce and the rest.
struct Parts<'a> {
    header: &'a [u8],
    key: &'a [u8],
    nonce: &'a [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    fn parse(sealed: &'a [u8]) -> Option<Self> {
        let (version, rest) = sealed.split_first()?;
        let length = usize::from(*rest.first()?);
        let (header, rest) = sealed.split_at_checked(2 + length)?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        let whole = *version == VERSION && ciphertext.len() >= TAG_BYTES;
        whole.then_some(Self { header, key: header.get(2..)?, nonce, ciphertext })
    }
}

impl JoseKeyRing {
    fn active_seal_key<'a>(&self, keys: &'a Snapshot) -> Option<&'a SealKey> {
        let now = self.clock.now();
        active(&keys.seal, now, |key: &SealKey| (key.active_from, key.is_live(now)))
    }
}

/// ```text
/// 0x02 ‖ length of kid ‖ kid ‖ nonce (24 random bytes) ‖ ciphertext ‖ tag (16)
/// ```
///
/// The associated data is everything before the nonce, and the context: bytes copied to another row, or said to be under
/// another key, do not open. A key that is loaded opens, past its end too: what it sealed would be lost otherwise.
impl Vault for JoseKeyRing {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let keys = self.snapshot();
        let Some(key) = self.active_seal_key(&keys) else {
            tracing::error!("no key to seal with");
            return Err(SealError);
        };
        let mut sealed = header(&key.id).ok_or(SealError)?;
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let aad = [&sealed, context].concat();
        let payload = Payload { msg: plain, aad: &aad };
        let ciphertext = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        let (keys, parts) = (self.snapshot(), Parts::parse(sealed).ok_or(SealError)?);
        let key = keys.seal.iter().find(|key| key.id.as_str().as_bytes() == parts.key).ok_or(SealError)?;
        let aad = [parts.header, context].concat();
        let payload = Payload { msg: parts.ciphertext, aad: &aad };
        key.cipher.decrypt(&XNonce::from(*parts.nonce), payload).map(SecretBytes::new).map_err(|_| SealError)
    }

    fn is_outdated(&self, sealed: &[u8]) -> bool {
        let keys = self.snapshot();
        let Some(active) = self.active_seal_key(&keys) else { return false };
        Parts::parse(sealed).is_none_or(|parts| parts.key != active.id.as_str().as_bytes())
    }
}
