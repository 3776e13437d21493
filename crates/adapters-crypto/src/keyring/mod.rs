//! Signing keys, tokens and keyed hashes: josekit signs and publishes, strict parsers of our own verify.

mod cache;
mod claims;
mod compact;
mod jwk;
mod mac_key;
mod seal_key;
mod snapshot;
#[cfg(test)]
mod tests;
mod token_key;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use keystead_application::ports::{
    Clock, Entropy, KeyRing, KeyUse, KeyedHash, MacPurpose, MacTag, SealError, Sealer, StoredKey, TokenError,
    TokenKind, TokenSigner, TokenVerifier, VerifiedAccess,
};
use keystead_domain::token::{AccessClaims, KeyId, PreAuthorizedClaims, StepUpClaims};
use keystead_domain::{SecretString, Timestamp};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use cache::{SignatureCache, signature_cache};
use claims::Parties;
use compact::Parts;
use jwk::PrivateJwk;
use mac_key::MacKey;
use snapshot::{Snapshot, active};
use token_key::TokenKey;

/// How tokens are signed: one algorithm per deployment and use, no negotiation (RFC 8725 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDsa,
    /// HMAC with SHA-384 (RFC 7518 section 3.2): other services cannot verify by themselves.
    Hs384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 section 3.4).
    Es512,
}

impl SigningAlgorithm {
    /// `alg`, as registered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs384 => "HS384",
            Self::Es512 => "ES512",
        }
    }

    /// The algorithm of a use, where this is the configured one: step-up proofs are read by nobody but this service and
    /// are always EdDSA.
    pub(crate) const fn of(self, key_use: KeyUse) -> Self {
        match key_use {
            KeyUse::SignStepUp => Self::EdDsa,
            KeyUse::SignAccess | KeyUse::SignPreAuthorized | KeyUse::Mac | KeyUse::Seal | KeyUse::Audit => self,
        }
    }

    /// Reads `alg`, exactly as registered.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::EdDsa, Self::Hs384, Self::Es512].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// Who signs, for whom, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingConfig {
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of access tokens.
    pub access_audience: String,
    /// `aud` of pre-authorized tokens and step-up proofs: this service itself.
    pub self_audience: String,
    /// The only algorithm made and accepted, but for step-up proofs.
    pub algorithm: SigningAlgorithm,
    /// Verified access tokens that are remembered; about 700 bytes each.
    pub cache_capacity: u64,
}

/// The keys of this process and what is done with them. Without a key loaded it signs nothing and verifies nothing.
pub struct JoseKeyRing {
    config: KeyRingConfig,
    sealer: Arc<dyn Sealer>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    keys: RwLock<Arc<Snapshot>>,
    cache: SignatureCache,
    /// Stands in while no root is loaded, because a keyed hash cannot fail. Nothing made with it verifies anywhere.
    no_mac_key: MacKey,
}

impl fmt::Debug for JoseKeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoseKeyRing").field("config", &self.config).finish_non_exhaustive()
    }
}

impl JoseKeyRing {
    /// A ring without keys; [`KeyRing::load`] fills it.
    pub fn new(
        config: KeyRingConfig,
        sealer: Arc<dyn Sealer>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let no_mac_key = unloaded_mac_key(&*entropy);
        let keys = RwLock::new(Arc::new(Snapshot::empty()));
        let cache = signature_cache(config.cache_capacity);
        Self { config, sealer, entropy, clock, keys, cache, no_mac_key }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn parties(&self, kind: TokenKind) -> Parties<'_> {
        let audience = match kind {
            TokenKind::Access => &self.config.access_audience,
            TokenKind::PreAuthorized | TokenKind::StepUp => &self.config.self_audience,
        };
        Parties { issuer: &self.config.issuer, audience }
    }

    fn sign(&self, kind: TokenKind, payload: Option<Vec<u8>>) -> Result<SecretString, TokenError> {
        let (keys, now) = (self.snapshot(), self.clock.now());
        let Some(key) = active(keys.of(kind), now, |key: &TokenKey| (key.active_from, key.is_live(now))) else {
            tracing::error!(?kind, "no key to sign with");
            return Err(TokenError);
        };
        let token = payload.and_then(|payload| key.sign(&payload)).ok_or(TokenError)?;
        Ok(SecretString::new(token))
    }

    /// Checks form, header, key and signature, in this order, then lets `read` look at the claims.
    fn opened<T>(
        &self,
        kind: TokenKind,
        token: &str,
        read: impl FnOnce(&[u8], &Parties<'_>, &KeyId) -> Option<T>,
    ) -> Option<T> {
        let parts = Parts::parse(token)?;
        if !parts.header.is(self.config.algorithm.of(key_use(kind)), kind) {
            return None;
        }
        let (keys, now) = (self.snapshot(), self.clock.now());
        let key = keys.of(kind).iter().find(|key| key.id.as_str() == parts.header.kid() && key.is_live(now))?;
        if !key.verifies(parts.signing_input.as_bytes(), &parts.signature) {
            return None;
        }
        read(&parts.payload, &self.parties(kind), &key.id)
    }
}

/// The use of the keys that sign a kind of token.
const fn key_use(kind: TokenKind) -> KeyUse {
    match kind {
        TokenKind::Access => KeyUse::SignAccess,
        TokenKind::PreAuthorized => KeyUse::SignPreAuthorized,
        TokenKind::StepUp => KeyUse::SignStepUp,
    }
}

fn unloaded_mac_key(entropy: &dyn Entropy) -> MacKey {
    let (mut id, mut root) = ([0; 16], Zeroizing::new([0; 32]));
    entropy.fill(&mut id);
    entropy.fill(root.as_mut_slice());
    let Some(id) = KeyId::parse(&crate::encoding::base64url(&id)) else {
        // base64url is the alphabet of key identifiers.
        std::process::abort();
    };
    MacKey::new(id, &root, Timestamp::default(), None)
}

impl KeyRing for JoseKeyRing {
    fn generate(&self, key_use: KeyUse, now: Timestamp, active_from: Timestamp) -> Result<StoredKey, SealError> {
        let key = PrivateJwk::generate(key_use, self.config.algorithm, &*self.entropy).map_err(|error| {
            tracing::error!(%error, "no key could be generated");
            SealError
        })?;
        let id = KeyId::parse(&key.kid).ok_or(SealError)?;
        let sealed = self.sealer.seal(&snapshot::context(&id), &key.to_json().map_err(|_| SealError)?);
        Ok(StoredKey {
            id,
            key_use,
            algorithm: key.alg.clone(),
            sealed,
            created_at: now,
            active_from,
            retires_at: None,
        })
    }

    fn serves(&self, key_use: KeyUse) -> bool {
        let (keys, now) = (self.snapshot(), self.clock.now());
        match key_use {
            KeyUse::SignAccess => keys.access.iter().any(|key| key.is_live(now)),
            KeyUse::SignPreAuthorized => keys.pre_authorized.iter().any(|key| key.is_live(now)),
            KeyUse::SignStepUp => keys.step_up.iter().any(|key| key.is_live(now)),
            KeyUse::Mac => keys.mac.iter().any(|key| key.is_live(now)),
            KeyUse::Seal => keys.seal.iter().any(|key| key.is_live(now)),
            KeyUse::Audit => keys.audit.iter().any(|key| key.is_live(now)),
        }
    }

    fn load(&self, keys: &[StoredKey]) -> Result<(), SealError> {
        if self.snapshot().stored == keys {
            return Ok(());
        }
        let fresh = Arc::new(Snapshot::build(keys, self.config.algorithm, &*self.sealer)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl TokenSigner for JoseKeyRing {
    fn sign_access(&self, claims: &AccessClaims) -> Result<SecretString, TokenError> {
        self.sign(TokenKind::Access, claims::write_access(claims, &self.parties(TokenKind::Access)))
    }

    fn sign_pre_authorized(&self, claims: &PreAuthorizedClaims) -> Result<SecretString, TokenError> {
        let parties = self.parties(TokenKind::PreAuthorized);
        self.sign(TokenKind::PreAuthorized, claims::write_pre_authorized(claims, &parties))
    }

    fn sign_step_up(&self, claims: &StepUpClaims) -> Result<SecretString, TokenError> {
        self.sign(TokenKind::StepUp, claims::write_step_up(claims, &self.parties(TokenKind::StepUp)))
    }

    fn jwks(&self) -> String {
        self.snapshot().jwks.clone()
    }
}

impl TokenVerifier for JoseKeyRing {
    fn verify_access(&self, token: &str) -> Result<Arc<VerifiedAccess>, TokenError> {
        if !compact::is_short(token) {
            return Err(TokenError);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.cache.get(&digest) {
            return Ok(known);
        }
        let verified = Arc::new(self.opened(TokenKind::Access, token, claims::read_access).ok_or(TokenError)?);
        self.cache.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    fn verify_pre_authorized(&self, token: &str) -> Result<PreAuthorizedClaims, TokenError> {
        let read = |payload: &[u8], parties: &Parties<'_>, _: &KeyId| claims::read_pre_authorized(payload, parties);
        self.opened(TokenKind::PreAuthorized, token, read).ok_or(TokenError)
    }

    fn verify_step_up(&self, token: &str) -> Result<StepUpClaims, TokenError> {
        let read = |payload: &[u8], parties: &Parties<'_>, _: &KeyId| claims::read_step_up(payload, parties);
        self.opened(TokenKind::StepUp, token, read).ok_or(TokenError)
    }

    fn is_published(&self, key: &KeyId, now: Timestamp) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.access.iter().any(|loaded| loaded.id == *key && loaded.is_live(now))
    }
}

impl KeyedHash for JoseKeyRing {
    fn digest(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }

    fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> MacTag {
        let (keys, now) = (self.snapshot(), self.clock.now());
        let key =
            active(keys.roots(purpose), now, |key: &MacKey| (key.active_from, key.is_live(now))).unwrap_or_else(|| {
                tracing::error!("no root key of the keyed hashes is loaded");
                &self.no_mac_key
            });
        MacTag { key: key.id.clone(), bytes: key.tag(purpose, parts) }
    }

    fn mac_with(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        let (keys, now) = (self.snapshot(), self.clock.now());
        let key = keys.roots(purpose).iter().find(|loaded| loaded.id == *key && loaded.is_live(now))?;
        Some(key.tag(purpose, parts))
    }

    fn verify(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        let (keys, now) = (self.snapshot(), self.clock.now());
        let key = keys.roots(purpose).iter().find(|loaded| loaded.id == *key && loaded.is_live(now));
        key.is_some_and(|key| key.verifies(purpose, parts, tag))
    }
}
