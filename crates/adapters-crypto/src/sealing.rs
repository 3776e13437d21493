//! Sealing of what must not be readable in a dump.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use keystead_application::ports::{Entropy, SealError, Sealer};
use keystead_domain::SecretBytes;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::kdf::subkey;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The master key has the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the master key has exactly 32 bytes")]
pub struct MasterKeyError;

/// Seals under a subkey of the master key with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
///
/// ```text
/// 0x01 ‖ nonce (24 random bytes) ‖ ciphertext ‖ tag (16)
/// ```
///
/// The context is the associated data, so bytes copied to another row do not open there. 192-bit nonces are drawn at
/// random: no counter has to survive a restart or be shared between replicas.
pub struct MasterKeySealer {
    cipher: XChaCha20Poly1305,
    /// Root of the keys that also depend on a secret of the caller.
    root: Zeroizing<[u8; 32]>,
    entropy: Arc<dyn Entropy>,
}

impl MasterKeySealer {
    /// Takes `secrets.master_key`: 32 random bytes. It keeps only the derived subkey.
    pub fn try_new(master_key: &SecretBytes, entropy: Arc<dyn Entropy>) -> Result<Self, MasterKeyError> {
        if master_key.expose().len() != 32 {
            return Err(MasterKeyError);
        }
        let key = subkey(master_key.expose(), b"keystead/seal/v1");
        let root = subkey(master_key.expose(), b"keystead/seal-for/v1");
        Ok(Self { cipher: XChaCha20Poly1305::new((&*key).into()), root, entropy })
    }

    /// The cipher of a caller's secret: the root key with the secret's digest as the HKDF info.
    fn cipher_for(&self, secret: &[u8]) -> XChaCha20Poly1305 {
        let key = subkey(self.root.as_slice(), &Sha256::digest(secret));
        XChaCha20Poly1305::new((&*key).into())
    }

    fn seal_with(&self, cipher: &XChaCha20Poly1305, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let Ok(sealed) = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context }) else {
            // Only a plain text beyond 256 GiB fails. Nothing else could be returned that does not lose the data.
            std::process::abort();
        };
        let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }
}

impl fmt::Debug for MasterKeySealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeySealer(…)")
    }
}

fn open_with(cipher: &XChaCha20Poly1305, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
    let (version, rest) = sealed.split_first().ok_or(SealError)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
    if *version != VERSION || ciphertext.len() < TAG_BYTES {
        return Err(SealError);
    }
    let payload = Payload { msg: ciphertext, aad: context };
    cipher.decrypt(&XNonce::from(*nonce), payload).map(SecretBytes::new).map_err(|_| SealError)
}

impl Sealer for MasterKeySealer {
    fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        self.seal_with(&self.cipher, context, plain)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        open_with(&self.cipher, context, sealed)
    }

    fn seal_for(&self, secret: &[u8], context: &[u8], plain: &[u8]) -> Vec<u8> {
        self.seal_with(&self.cipher_for(secret), context, plain)
    }

    fn open_for(&self, secret: &[u8], context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        open_with(&self.cipher_for(secret), context, sealed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::OsEntropy;

    fn sealer(key: u8) -> MasterKeySealer {
        MasterKeySealer::try_new(&SecretBytes::new(vec![key; 32]), Arc::new(OsEntropy)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_only() {
        let sealed = sealer(1).seal(b"users/1/totp", b"seed");
        assert_eq!(sealer(1).open(b"users/1/totp", &sealed).unwrap().expose(), b"seed");
        assert_eq!(sealer(1).open(b"users/2/totp", &sealed), Err(SealError));
        assert_eq!(sealer(1).open(b"", &sealed), Err(SealError));
        assert_eq!(sealer(2).open(b"users/1/totp", &sealed), Err(SealError));
    }

    #[test]
    fn what_was_sealed_for_a_secret_opens_with_it_only() {
        let sealed = sealer(1).seal_for(b"key-1", b"c", b"answer");
        assert_eq!(sealer(1).open_for(b"key-1", b"c", &sealed).unwrap().expose(), b"answer");
        assert_eq!(sealer(1).open_for(b"key-2", b"c", &sealed), Err(SealError));
        assert_eq!(sealer(1).open_for(b"key-1", b"d", &sealed), Err(SealError));
        assert_eq!(sealer(2).open_for(b"key-1", b"c", &sealed), Err(SealError));
        assert_eq!(sealer(1).open(b"c", &sealed), Err(SealError));
    }

    #[test]
    fn any_changed_lost_or_added_byte_is_refused() {
        let sealed = sealer(1).seal(b"c", b"a secret of some length");
        for i in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[i] ^= 1 << bit;
                assert_eq!(sealer(1).open(b"c", &changed), Err(SealError), "byte {i} bit {bit}");
            }
            assert_eq!(sealer(1).open(b"c", &sealed[..i]), Err(SealError), "cut at {i}");
        }
        assert_eq!(sealer(1).open(b"c", &[&sealed[..], &[0]].concat()), Err(SealError));
    }

    #[test]
    fn equal_texts_seal_differently_under_nonces_that_never_repeat() {
        let sealer = sealer(1);
        let nonces: HashSet<Vec<u8>> = (0..10_000).map(|_| sealer.seal(b"c", b"")[1..25].to_vec()).collect();
        assert_eq!(nonces.len(), 10_000);
    }

    #[test]
    fn a_short_or_long_master_key_is_refused_and_nothing_prints_it() {
        for length in [0, 31, 33, 64] {
            let key = SecretBytes::new(vec![0; length]);
            assert_eq!(MasterKeySealer::try_new(&key, Arc::new(OsEntropy)).unwrap_err(), MasterKeyError);
        }
        assert_eq!(format!("{:?}", sealer(1)), "MasterKeySealer(…)");
    }
}
