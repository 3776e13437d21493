//! The loaded keys, all at once: built aside, then swapped in.

use std::slice;

use keystead_application::ports::{KeyUse, MacPurpose, SealError, Sealer, StoredKey, TokenKind};
use keystead_domain::Timestamp;
use keystead_domain::token::KeyId;
use serde::Serialize;
use zeroize::Zeroizing;

use super::SigningAlgorithm;
use super::jwk::{HMAC, PrivateJwk, PublicJwk, XC20P};
use super::mac_key::MacKey;
use super::seal_key::SealKey;
use super::token_key::TokenKey;
use crate::encoding::from_base64url;

/// An immutable set of keys.
pub(super) struct Snapshot {
    pub(super) access: Vec<TokenKey>,
    pub(super) pre_authorized: Vec<TokenKey>,
    pub(super) step_up: Vec<TokenKey>,
    pub(super) mac: Vec<MacKey>,
    pub(super) audit: Vec<MacKey>,
    /// The place of the oldest in `audit`.
    oldest_audit: Option<usize>,
    pub(super) seal: Vec<SealKey>,
    pub(super) jwks: String,
    /// What it was made of: loading the same again costs nothing.
    pub(super) stored: Vec<StoredKey>,
}

#[derive(Serialize)]
struct JwkSet<'a> {
    keys: Vec<&'a PublicJwk>,
}

/// The context a key is sealed in.
pub(super) fn context(id: &KeyId) -> Vec<u8> {
    [b"key:", id.as_str().as_bytes()].concat()
}

impl Snapshot {
    /// No keys.
    pub(super) fn empty() -> Self {
        Self {
            access: Vec::new(),
            pre_authorized: Vec::new(),
            step_up: Vec::new(),
            mac: Vec::new(),
            audit: Vec::new(),
            oldest_audit: None,
            seal: Vec::new(),
            jwks: jwks(&[]).unwrap_or_default(),
            stored: Vec::new(),
        }
    }

    /// Opens and parses every key. Signing keys of an algorithm that is not the configured one any more are left out:
    /// the verifier knows one algorithm.
    pub(super) fn build(
        stored: &[StoredKey],
        algorithm: SigningAlgorithm,
        sealer: &dyn Sealer,
    ) -> Result<Self, SealError> {
        let mut snapshot = Self::empty();
        for key in stored {
            let opened = open(key, sealer).inspect_err(|_| {
                tracing::error!(kid = %key.id, key_use = key.key_use.as_str(), "a stored key cannot be opened");
            })?;
            let algorithm = algorithm.of(key.key_use);
            match key.key_use {
                KeyUse::Mac => snapshot.mac.push(mac_key(key, &opened).ok_or(SealError)?),
                KeyUse::Audit => snapshot.audit.push(mac_key(key, &opened).ok_or(SealError)?),
                KeyUse::Seal => snapshot.seal.push(seal_key(key, &opened).ok_or(SealError)?),
                _ if key.algorithm != algorithm.as_str() => tracing::warn!(
                    kid = %key.id,
                    algorithm = key.algorithm,
                    "a signing key of another algorithm than the configured one is not used"
                ),
                KeyUse::SignAccess => {
                    snapshot.access.push(token_key(key, &opened, algorithm, TokenKind::Access)?);
                }
                KeyUse::SignPreAuthorized => {
                    snapshot.pre_authorized.push(token_key(key, &opened, algorithm, TokenKind::PreAuthorized)?);
                }
                KeyUse::SignStepUp => {
                    snapshot.step_up.push(token_key(key, &opened, algorithm, TokenKind::StepUp)?);
                }
            }
        }
        let audit = stored.iter().filter(|key| key.key_use == KeyUse::Audit);
        // By what no other key changes, so that every replica finds the same one.
        let oldest = audit.min_by_key(|key| (key.created_at, key.id.as_str()));
        snapshot.oldest_audit = oldest.and_then(|oldest| snapshot.audit.iter().position(|key| key.id == oldest.id));
        snapshot.jwks = jwks(&snapshot.access).ok_or(SealError)?;
        snapshot.stored = stored.to_vec();
        Ok(snapshot)
    }

    /// The roots of the keyed hashes for a purpose.
    pub(super) fn roots(&self, purpose: MacPurpose) -> &[MacKey] {
        match purpose {
            MacPurpose::AuditEvent | MacPurpose::AuditLink | MacPurpose::AuditCheckpoint => &self.audit,
            // Beside the roots of the audit log, because those are kept; always the first, because it is never another.
            MacPurpose::Decoy => self.oldest_audit.and_then(|place| self.audit.get(place)).map_or(&[], slice::from_ref),
            MacPurpose::Refresh
            | MacPurpose::OneTimeCode
            | MacPurpose::StoredCode
            | MacPurpose::Device
            | MacPurpose::LimitKey
            | MacPurpose::Captcha
            | MacPurpose::Idempotency => &self.mac,
        }
    }

    /// The keys of a token kind.
    pub(super) fn of(&self, kind: TokenKind) -> &[TokenKey] {
        match kind {
            TokenKind::Access => &self.access,
            TokenKind::PreAuthorized => &self.pre_authorized,
            TokenKind::StepUp => &self.step_up,
        }
    }
}

fn open(key: &StoredKey, sealer: &dyn Sealer) -> Result<PrivateJwk, SealError> {
    let json = sealer.open(&context(&key.id), &key.sealed)?;
    let opened: PrivateJwk = serde_json::from_slice(json.expose()).map_err(|_| SealError)?;
    let is_itself = opened.has_id(&key.id)
        && opened.alg == key.algorithm
        && opened.keystead_use == key.key_use.as_str()
        && (opened.alg == HMAC) == matches!(key.key_use, KeyUse::Mac | KeyUse::Audit)
        && (opened.alg == XC20P) == (key.key_use == KeyUse::Seal);
    is_itself.then_some(opened).ok_or(SealError)
}

fn token_key(
    stored: &StoredKey,
    opened: &PrivateJwk,
    algorithm: SigningAlgorithm,
    kind: TokenKind,
) -> Result<TokenKey, SealError> {
    TokenKey::try_new(opened, algorithm, kind, stored.active_from, stored.retires_at).map_err(|_| SealError)
}

fn mac_key(stored: &StoredKey, opened: &PrivateJwk) -> Option<MacKey> {
    Some(MacKey::new(stored.id.clone(), &*secret(opened)?, stored.active_from, stored.retires_at))
}

fn seal_key(stored: &StoredKey, opened: &PrivateJwk) -> Option<SealKey> {
    Some(SealKey::new(stored.id.clone(), &*secret(opened)?, stored.active_from, stored.retires_at))
}

/// The 32 bytes of a symmetric key.
fn secret(opened: &PrivateJwk) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(from_base64url(opened.k.as_deref()?)?);
    let mut secret = Zeroizing::new([0; 32]);
    (bytes.len() == secret.len()).then(|| secret.copy_from_slice(&bytes))?;
    Some(secret)
}

/// RFC 7517 section 5. Symmetric keys have no public part, so theirs is an empty set.
fn jwks(keys: &[TokenKey]) -> Option<String> {
    serde_json::to_string(&JwkSet { keys: keys.iter().filter_map(|key| key.public.as_ref()).collect() }).ok()
}

/// The key that signs at `now`: of the live ones the newest whose `active_from` has come. When none has, because the
/// clock stepped back, the one that comes first.
pub(super) fn active<K>(keys: &[K], now: Timestamp, facts: impl Fn(&K) -> (Timestamp, bool)) -> Option<&K> {
    let live = || keys.iter().filter(|key| facts(key).1);
    let begun = live().filter(|key| facts(key).0 <= now).max_by_key(|key| facts(key).0);
    begun.or_else(|| live().min_by_key(|key| facts(key).0))
}
