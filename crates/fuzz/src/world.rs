//! What the targets know and the fuzzer does not: keys, the time, and something genuine of every kind. All of it is the
//! same in every run, so that an input means the same for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_adapters_crypto::{JoseKeyRing, KeyRingConfig, SigningAlgorithm};
use keystead_application::ports::{
    Clock, Entropy, KeyRing as _, KeyUse, SealError, Sealer, StoredKey, TokenKind, TokenSigner as _,
};
use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::token::{
    AccessClaims, Actor, Amr, Factor, Fingerprint, KeyId, PreAuthorizedClaims, PreAuthorizedPurpose, SessionId,
    StepUpClaims, StepUpMethod, TokenId,
};
use keystead_domain::{SecretBytes, Timestamp};
use ring::{hmac, signature};
use serde::Deserialize;

/// The time in every run: 2026-11-22T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_795_334_400);

/// A clock that stands still at [`NOW`].
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// Bytes that look random and are the same in every run (SplitMix64).
#[derive(Default)]
pub(crate) struct Drawn(AtomicU64);

impl Entropy for Drawn {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (mixed ^ (mixed >> 31)).to_le_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
    }
}

/// Seals nothing, so that the private keys of the ring can be read here and used to sign what the fuzzer wrote.
struct Open;

impl Sealer for Open {
    fn seal(&self, _: &[u8], plain: &[u8]) -> Vec<u8> {
        plain.to_vec()
    }

    fn open(&self, _: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        Ok(SecretBytes::new(sealed.to_vec()))
    }

    fn seal_for(&self, _: &[u8], _: &[u8], plain: &[u8]) -> Vec<u8> {
        plain.to_vec()
    }

    fn open_for(&self, _: &[u8], _: &[u8], sealed: &[u8]) -> Result<SecretBytes, SealError> {
        Ok(SecretBytes::new(sealed.to_vec()))
    }
}

/// A ring with one key of every use. Tokens are HS384, step-up proofs EdDSA.
pub(crate) struct World {
    /// Verifies and opens.
    pub(crate) ring: JoseKeyRing,
    keys: Vec<StoredKey>,
}

/// What a stored key holds, as far as it is used to sign.
#[derive(Deserialize)]
struct Private {
    kid: String,
    alg: String,
    k: Option<String>,
    d: Option<String>,
}

/// The only one.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::new);

pub(crate) const KINDS: [TokenKind; 3] = [TokenKind::Access, TokenKind::PreAuthorized, TokenKind::StepUp];

impl World {
    fn new() -> Self {
        let config = KeyRingConfig {
            issuer: "https://id.example".to_owned(),
            access_audience: "https://api.example".to_owned(),
            self_audience: "https://id.example/auth".to_owned(),
            algorithm: SigningAlgorithm::Hs384,
            cache_capacity: 1,
        };
        let ring = JoseKeyRing::new(config, Arc::new(Open), Arc::new(Drawn::default()), Arc::new(StandingClock));
        let born = Timestamp::from_seconds(NOW.as_seconds() - 3600);
        let keys = KeyUse::ALL.map(|key_use| ring.generate(key_use, born, born).expect("a key")).to_vec();
        ring.load(&keys).expect("keys that load");
        Self { ring, keys }
    }

    fn private(&self, kind: TokenKind) -> Private {
        let wanted = match kind {
            TokenKind::Access => KeyUse::SignAccess,
            TokenKind::PreAuthorized => KeyUse::SignPreAuthorized,
            TokenKind::StepUp => KeyUse::SignStepUp,
        };
        let key = self.keys.iter().find(|key| key.key_use == wanted).expect("a key of every use");
        serde_json::from_slice(&key.sealed).expect("a private key as JSON")
    }

    /// The header of genuine tokens.
    pub(crate) fn header(&self, kind: TokenKind) -> String {
        let Private { kid, alg, .. } = self.private(kind);
        let typ = typ(kind);
        format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#)
    }

    /// A token with this header and this payload, whatever they are, under a right signature.
    pub(crate) fn signed(&self, kind: TokenKind, header: &[u8], payload: &[u8]) -> String {
        let private = self.private(kind);
        let input = format!("{}.{}", base64url(header), base64url(payload));
        let decode = |text: Option<String>| URL_SAFE_NO_PAD.decode(text.unwrap_or_default()).unwrap_or_default();
        let signature = if private.alg == "EdDSA" {
            let pair = signature::Ed25519KeyPair::from_seed_unchecked(&decode(private.d)).expect("a seed of 32 bytes");
            pair.sign(input.as_bytes()).as_ref().to_vec()
        } else {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA384, &decode(private.k)), input.as_bytes()).as_ref().to_vec()
        };
        format!("{input}.{}", base64url(&signature))
    }

    /// A token the service itself made.
    pub(crate) fn genuine(&self, kind: TokenKind) -> String {
        let token = match kind {
            TokenKind::Access => self.ring.sign_access(&access_claims()),
            TokenKind::PreAuthorized => self.ring.sign_pre_authorized(&pre_authorized_claims()),
            TokenKind::StepUp => self.ring.sign_step_up(&step_up_claims()),
        };
        token.expect("a signature").expose().to_owned()
    }
}

/// `typ` of a kind of token.
pub(crate) const fn typ(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Access => "at+jwt",
        TokenKind::PreAuthorized => "pre+jwt",
        TokenKind::StepUp => "otp+jwt",
    }
}

/// Base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn subject() -> UserId {
    UserId::from_random([7; 16])
}

fn token_id() -> TokenId {
    TokenId::parse("V1StGXR8_Z5jdHi6B-myT.Uakgb_J5m9g-0JDM").expect("a token's identifier")
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.as_seconds() + seconds)
}

fn access_claims() -> AccessClaims {
    AccessClaims {
        subject: subject(),
        token_id: token_id(),
        issued_at: NOW,
        expires_at: later(1200),
        epoch: Epoch::new(3),
        role: Role::User,
        amr: vec![Amr::Password, Amr::Otp, Amr::MultiFactor],
        auth_time: NOW,
        fingerprint: Fingerprint([9; 32]),
        actor: Some(Actor {
            subject: UserId::from_random([8; 16]),
            session: SessionId::parse("V1StGXR8").expect("a session"),
            epoch: Epoch::new(1),
        }),
    }
}

fn pre_authorized_claims() -> PreAuthorizedClaims {
    PreAuthorizedClaims {
        subject: subject(),
        token_id: token_id(),
        issued_at: NOW,
        expires_at: later(600),
        epoch: Epoch::new(3),
        purpose: PreAuthorizedPurpose::Login,
        amr: vec![Amr::Password],
        fingerprint: Fingerprint([9; 32]),
        otp: Some([5; 32]),
        otp_key: KeyId::parse("key-1"),
        tfa_options: vec![Factor::Device, Factor::Totp],
        default_tfa: Some(Factor::Totp),
    }
}

fn step_up_claims() -> StepUpClaims {
    StepUpClaims {
        subject: subject(),
        token_id: token_id(),
        issued_at: NOW,
        expires_at: later(900),
        epoch: Epoch::new(3),
        method: StepUpMethod::Factor(Factor::Totp),
    }
}
