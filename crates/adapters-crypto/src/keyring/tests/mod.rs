//! What a ring makes, and what it refuses. `J..` names the attacks of RFC 8725 as the forgery tests number them.

mod actor;
mod forgery;
mod lifecycle;
mod vault;

use std::sync::atomic::{AtomicI64, Ordering};

use josekit::jwk::Jwk;
use josekit::jws::{ES512, EdDSA, HS384, JwsSigner};
use keystead_domain::SecretBytes;
use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::token::{Amr, Factor, Fingerprint, PreAuthorizedPurpose, StepUpMethod, TokenId};
use serde_json::{Value, json};

use super::*;
use crate::encoding::base64url;
use crate::{MasterKeySealer, OsEntropy};

const ALGORITHMS: [SigningAlgorithm; 3] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs384, SigningAlgorithm::Es512];
/// Tests name stored keys by their place here.
const USES: [KeyUse; 6] =
    [KeyUse::SignAccess, KeyUse::SignPreAuthorized, KeyUse::Mac, KeyUse::SignStepUp, KeyUse::Seal, KeyUse::Audit];

struct FixedClock(AtomicI64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// A ring with one key of each use, made at 1,000; it is 1,000 now.
struct Fixture {
    ring: JoseKeyRing,
    clock: Arc<FixedClock>,
    stored: Vec<StoredKey>,
}

fn sealer() -> Arc<dyn Sealer> {
    Arc::new(MasterKeySealer::try_new(&SecretBytes::new(vec![9; 32]), Arc::new(OsEntropy)).unwrap())
}

fn config(algorithm: SigningAlgorithm) -> KeyRingConfig {
    KeyRingConfig {
        issuer: "https://id.example".to_owned(),
        access_audience: "https://api.example".to_owned(),
        self_audience: "https://id.example/auth".to_owned(),
        algorithm,
        cache_capacity: 100,
    }
}

fn empty_ring(config: KeyRingConfig) -> Fixture {
    let clock = Arc::new(FixedClock(AtomicI64::new(1_000)));
    let ring = JoseKeyRing::new(config, sealer(), Arc::new(OsEntropy), Arc::clone(&clock) as Arc<dyn Clock>);
    Fixture { ring, clock, stored: Vec::new() }
}

fn fixture(algorithm: SigningAlgorithm) -> Fixture {
    let mut fixture = empty_ring(config(algorithm));
    fixture.stored = USES.map(|key_use| fixture.ring.generate(key_use, at(1_000), at(1_000)).unwrap()).to_vec();
    fixture.ring.load(&fixture.stored).unwrap();
    fixture
}

impl Fixture {
    /// The sealed JSON of a stored key.
    fn private(&self, key_use: KeyUse) -> Value {
        let key = self.stored.iter().find(|key| key.key_use == key_use).unwrap();
        let json = sealer().open(&snapshot::context(&key.id), &key.sealed).unwrap();
        serde_json::from_slice(json.expose()).unwrap()
    }

    /// A josekit signer for a stored key, past every check of the ring.
    fn signer(&self, key_use: KeyUse) -> Box<dyn JwsSigner> {
        let mut json = self.private(key_use);
        json.as_object_mut().unwrap().remove("keystead_use");
        let jwk = Jwk::from_bytes(serde_json::to_vec(&json).unwrap()).unwrap();
        match self.ring.config.algorithm.of(key_use) {
            SigningAlgorithm::EdDsa => Box::new(EdDSA.signer_from_jwk(&jwk).unwrap()),
            SigningAlgorithm::Hs384 => Box::new(HS384.signer_from_jwk(&jwk).unwrap()),
            SigningAlgorithm::Es512 => Box::new(ES512.signer_from_jwk(&jwk).unwrap()),
        }
    }

    /// Header and payload as given, with a right signature of a loaded key.
    fn signed(&self, key_use: KeyUse, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
        let signature = self.signer(key_use).sign(input.as_bytes()).unwrap();
        format!("{input}.{}", base64url(&signature))
    }

    fn header(&self, key_use: KeyUse, typ: &str) -> Value {
        json!({ "alg": self.ring.config.algorithm.of(key_use).as_str(), "kid": self.private(key_use)["kid"], "typ": typ })
    }

    fn access_header(&self) -> Value {
        self.header(KeyUse::SignAccess, "at+jwt")
    }

    fn access(&self) -> String {
        self.ring.sign_access(&access_claims()).unwrap().expose().to_owned()
    }

    fn pre_authorized(&self) -> String {
        self.ring.sign_pre_authorized(&pre_authorized_claims()).unwrap().expose().to_owned()
    }

    fn step_up(&self) -> String {
        self.ring.sign_step_up(&step_up_claims()).unwrap().expose().to_owned()
    }

    #[track_caller]
    fn refuses(&self, token: &str) {
        assert_eq!(self.ring.verify_access(token), Err(TokenError), "as access: {token}");
        assert_eq!(self.ring.verify_pre_authorized(token), Err(TokenError), "as pre-authorized: {token}");
        assert_eq!(self.ring.verify_step_up(token), Err(TokenError), "as step-up proof: {token}");
    }
}

fn access_claims() -> AccessClaims {
    AccessClaims {
        subject: UserId::from_random([7; 16]),
        token_id: TokenId::parse("session_1.token-1").unwrap(),
        issued_at: at(1_000),
        expires_at: at(2_200),
        epoch: Epoch::new(3),
        role: Role::SuperAdmin,
        amr: vec![Amr::Password, Amr::Otp, Amr::MultiFactor],
        auth_time: at(900),
        fingerprint: Fingerprint([0xab; 32]),
        actor: None,
    }
}

fn pre_authorized_claims() -> PreAuthorizedClaims {
    PreAuthorizedClaims {
        subject: UserId::from_random([7; 16]),
        token_id: TokenId::parse("session_2.token-2").unwrap(),
        issued_at: at(1_000),
        expires_at: at(1_600),
        epoch: Epoch::new(3),
        purpose: PreAuthorizedPurpose::Login,
        amr: vec![Amr::Password],
        fingerprint: Fingerprint([0xcd; 32]),
        otp: Some([5; 32]),
        otp_key: KeyId::parse("mac-key"),
        tfa_options: vec![Factor::Totp, Factor::Email],
        default_tfa: Some(Factor::Totp),
    }
}

fn step_up_claims() -> StepUpClaims {
    StepUpClaims {
        subject: UserId::from_random([7; 16]),
        token_id: TokenId::parse("session_1.token-3").unwrap(),
        issued_at: at(1_000),
        expires_at: at(1_900),
        epoch: Epoch::new(3),
        method: StepUpMethod::Factor(Factor::Totp),
    }
}

/// A part of a token, as JSON.
fn decoded(token: &str, part: usize) -> Value {
    let bytes = crate::encoding::from_base64url(token.split('.').nth(part).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn tokens_come_back_as_they_were_signed() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let token = f.access();
        for _miss_then_hit in 0..2 {
            let verified = f.ring.verify_access(&token).unwrap();
            assert_eq!(verified.claims, access_claims());
            assert_eq!(verified.key.as_str(), f.private(KeyUse::SignAccess)["kid"]);
        }
        assert_eq!(f.ring.verify_pre_authorized(&f.pre_authorized()).unwrap(), pre_authorized_claims());
        let bare = PreAuthorizedClaims {
            amr: Vec::new(),
            otp: None,
            otp_key: None,
            tfa_options: Vec::new(),
            default_tfa: None,
            ..pre_authorized_claims()
        };
        let token = f.ring.sign_pre_authorized(&bare).unwrap();
        assert_eq!(f.ring.verify_pre_authorized(token.expose()).unwrap(), bare);
        for method in [StepUpMethod::Factor(Factor::Device), StepUpMethod::Recovery] {
            let claims = StepUpClaims { method, ..step_up_claims() };
            let token = f.ring.sign_step_up(&claims).unwrap();
            assert_eq!(f.ring.verify_step_up(token.expose()).unwrap(), claims);
        }
    }
}

#[test]
fn the_claims_on_the_wire_are_the_documented_ones() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let token = f.access();
    assert_eq!(decoded(&token, 0), f.access_header());
    let access = json!({
        "iss": "https://id.example", "aud": "https://api.example", "sub": "07070707-0707-4707-8707-070707070707",
        "iat": 1000, "nbf": 1000, "exp": 2200, "jti": "session_1.token-1", "sid": "session_1", "epoch": 3,
        "role": "super-admin", "state": "authorized", "amr": ["pwd", "otp", "mfa"], "auth_time": 900,
        "fgp": base64url(&[0xab; 32]),
    });
    assert_eq!(decoded(&token, 1), access);
    let token = f.pre_authorized();
    assert_eq!(decoded(&token, 0), f.header(KeyUse::SignPreAuthorized, "pre+jwt"));
    let pre_authorized = json!({
        "iss": "https://id.example", "aud": "https://id.example/auth", "sub": "07070707-0707-4707-8707-070707070707",
        "iat": 1000, "nbf": 1000, "exp": 1600, "jti": "session_2.token-2", "sid": "session_2", "epoch": 3,
        "purpose": "login", "state": "pre_authorized", "amr": ["pwd"], "fgp": base64url(&[0xcd; 32]), "otp": base64url(&[5; 32]),
        "otp_kid": "mac-key", "tfaOptions": ["totp", "email"], "defaultTfa": "totp",
    });
    assert_eq!(decoded(&token, 1), pre_authorized);
    let token = f.step_up();
    assert_eq!(decoded(&token, 0), f.header(KeyUse::SignStepUp, "otp+jwt"));
    let step_up = json!({
        "iss": "https://id.example", "aud": "https://id.example/auth", "sub": "07070707-0707-4707-8707-070707070707",
        "iat": 1000, "nbf": 1000, "exp": 1900, "jti": "session_1.token-3", "sid": "session_1", "epoch": 3,
        "method": "totp",
    });
    assert_eq!(decoded(&token, 1), step_up);
}

#[test]
fn a_step_up_proof_is_eddsa_whatever_the_others_are() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        assert_eq!(decoded(&f.step_up(), 0)["alg"], "EdDSA");
        assert_eq!(f.ring.verify_step_up(&f.step_up()), Ok(step_up_claims()));
    }
}

#[test]
fn times_are_whole_seconds_and_expired_tokens_are_left_to_the_caller() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let claims = AccessClaims { issued_at: Timestamp::from_micros(1_999_999), expires_at: at(3), ..access_claims() };
    let token = f.ring.sign_access(&claims).unwrap();
    let read = f.ring.verify_access(token.expose()).unwrap();
    assert_eq!((read.claims.issued_at, read.claims.expires_at), (at(1), at(3)));
}

#[test]
fn issuers_that_need_escapes_in_json_work() {
    let mut f =
        empty_ring(KeyRingConfig { issuer: "a \"quoted\" \u{1}ssuer".to_owned(), ..config(SigningAlgorithm::EdDsa) });
    f.stored = USES.map(|key_use| f.ring.generate(key_use, at(1_000), at(1_000)).unwrap()).to_vec();
    f.ring.load(&f.stored).unwrap();
    assert_eq!(f.ring.verify_access(&f.access()).unwrap().claims, access_claims());
}

#[test]
fn josekit_and_dalek_agree_on_every_signature() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let set: Value = serde_json::from_str(&f.ring.jwks()).unwrap();
    let public = Jwk::from_bytes(serde_json::to_vec(&set["keys"][0]).unwrap()).unwrap();
    let josekit = EdDSA.verifier_from_jwk(&public).unwrap();
    for i in 0..64 {
        let claims = AccessClaims { epoch: Epoch::new(i), ..access_claims() };
        let token = f.ring.sign_access(&claims).unwrap().expose().to_owned();
        let parts = Parts::parse(&token).unwrap();
        let keys = f.ring.snapshot();
        let agree = |signature: &[u8]| {
            use josekit::jws::JwsVerifier as _;
            let ours = keys.access[0].verifies(parts.signing_input.as_bytes(), signature);
            assert_eq!(ours, josekit.verify(parts.signing_input.as_bytes(), signature).is_ok());
            ours
        };
        assert!(agree(&parts.signature));
        let mut changed = parts.signature.clone();
        changed[usize::try_from(i).unwrap()] ^= 0x10;
        assert!(!agree(&changed));
        assert!(!agree(&parts.signature[..63]));
    }
}
