//! Captchas: solutions of the proof of work, and what companies answer.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_adapters_providers::{SiteVerify, SiteVerifyConfig, SiteVerifyTools};
use keystead_application::captcha::{HashingLoad, ProofOfWork, ProofOfWorkTools};
use keystead_application::ports::{
    CaptchaAction, CaptchaError, CaptchaVerifier as _, CeremonyKey, CeremonyStore, EphemeralError, KeyedHash,
    MacPurpose, MacTag, RateDecision, RateHit, RateLimiter,
};
use keystead_domain::limits::Gcra;
use keystead_domain::token::KeyId;
use keystead_domain::{SecretBytes, SecretString, Timestamp};
use ring::digest;
use serde_json::Value;

use super::request::wait;
use crate::input::{edited, text as utf8};
use crate::world::{Drawn, NOW, StandingClock, WORLD, base64url};

/// The keys of [`WORLD`].
struct Keys;

impl KeyedHash for Keys {
    fn digest(&self, data: &[u8]) -> [u8; 32] {
        WORLD.ring.digest(data)
    }

    fn mac(&self, purpose: MacPurpose, parts: &[&[u8]]) -> MacTag {
        WORLD.ring.mac(purpose, parts)
    }

    fn mac_with(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        WORLD.ring.mac_with(key, purpose, parts)
    }

    fn verify(&self, key: &KeyId, purpose: MacPurpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        WORLD.ring.verify(key, purpose, parts, tag)
    }
}

/// Remembers what was used, for one run.
#[derive(Default)]
struct Used(Mutex<BTreeSet<String>>);

#[async_trait]
impl CeremonyStore for Used {
    async fn insert(&self, key: &CeremonyKey, _: &[u8], _: Timestamp, _: Timestamp) -> Result<bool, EphemeralError> {
        Ok(self.0.lock().expect("one thread").insert(key.id.clone()))
    }

    async fn find(&self, _: &CeremonyKey, _: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        Ok(None)
    }

    async fn take(&self, _: &CeremonyKey, _: Timestamp) -> Result<Option<SecretBytes>, EphemeralError> {
        Ok(None)
    }

    async fn overwrite(&self, _: &CeremonyKey, _: &[u8], _: Timestamp, _: Timestamp) -> Result<bool, EphemeralError> {
        Ok(false)
    }
}

/// Nothing is going on.
struct Calm;

#[async_trait]
impl RateLimiter for Calm {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        Ok(hits.iter().map(|hit| RateDecision::of(hit.policy, true, Gcra::default(), now)).collect())
    }
}

/// Zero bits of genuine challenges: few, so that they are solved here.
const BITS: u8 = 4;

fn proof_of_work() -> ProofOfWork {
    let tools = ProofOfWorkTools {
        hash: Arc::new(Keys),
        ceremonies: Arc::new(Used::default()),
        limiter: Arc::new(Calm),
        clock: Arc::new(StandingClock),
        entropy: Arc::new(Drawn::default()),
        load: Arc::new(HashingLoad::default),
    };
    ProofOfWork::new(tools, BITS)
}

/// A solution of a challenge the service gave out for registering.
static GENUINE: LazyLock<String> = LazyLock::new(|| {
    let challenge = wait(proof_of_work().challenge(CaptchaAction::Register)).expect("a challenge");
    solved(&challenge.text, challenge.difficulty)
});

fn solved(challenge: &str, difficulty: u8) -> String {
    let mut solutions = (0..1 << 16).map(|nonce| format!("{challenge}.{nonce}"));
    solutions.find(|text| zero_bits(text) >= u32::from(difficulty)).unwrap_or_else(|| format!("{challenge}.0"))
}

/// Zero bits the SHA-256 of a text begins with.
fn zero_bits(text: &str) -> u32 {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let zeros = hash.as_ref().iter().position(|byte| *byte != 0).unwrap_or(32);
    let first = hash.as_ref().get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros).unwrap_or(u32::MAX) * 8 + first
}

/// `captcha_solution`: a text; or `~` and changes to a genuine one; or `+` and the first 11 bytes of a challenge (version,
/// action, difficulty, microseconds) that gets a right mac, and its nonce, which is looked for when there is none.
pub(super) fn solution(bytes: &[u8]) {
    let solution = match bytes {
        [b'~', edits @ ..] => String::from_utf8(edited(GENUINE.as_bytes(), edits)).ok(),
        [b'+', rest @ ..] => rest.split_first_chunk::<11>().and_then(|(head, nonce)| made(*head, nonce)),
        bytes => utf8(bytes).map(str::to_owned),
    };
    let Some(solution) = solution else { return };
    for action in CaptchaAction::ALL {
        let verifier = proof_of_work();
        let shown = SecretString::new(solution.clone());
        let result = wait(verifier.verify(action, &shown, None));
        let expected = if counts(&solution, action) { Ok(()) } else { Err(CaptchaError::Refused) };
        assert_eq!(result, expected, "{action:?} {solution:?}");
        let again = wait(verifier.verify(action, &shown, None));
        assert_eq!(again, Err(CaptchaError::Refused), "{solution:?} counts twice");
    }
}

fn made(head: [u8; 11], nonce: &[u8]) -> Option<String> {
    let [_, _, difficulty, ..] = head;
    let head = [&head[..], &[7; 16]].concat();
    let tag = WORLD.ring.mac(MacPurpose::Captcha, &[&head]);
    let challenge = base64url(&[&head[..], &tag.bytes, tag.key.as_str().as_bytes()].concat());
    match utf8(nonce)? {
        "" => Some(solved(&challenge, difficulty.min(8))),
        nonce => Some(format!("{challenge}.{nonce}")),
    }
}

/// Whether a solution counts, by another reader of docs/captcha.md.
fn counts(solution: &str, action: CaptchaAction) -> bool {
    let [challenge, nonce] = *solution.split('.').collect::<Vec<_>>() else { return false };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(challenge) else { return false };
    let Some((head, rest)) = bytes.split_first_chunk::<27>() else { return false };
    let Some((tag, key)) = rest.split_at_checked(32) else { return false };
    let key = utf8(key).and_then(KeyId::parse);
    let of_ours = key.and_then(|key| WORLD.ring.mac_with(&key, MacPurpose::Captcha, &[head]));
    let [version, of, difficulty, time @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *head;
    let age = i128::from(NOW.as_micros()) - i128::from(i64::from_be_bytes(time));
    let place = CaptchaAction::ALL.iter().position(|known| *known == action);
    of_ours.is_some_and(|mac| mac == tag)
        && version == 1
        && place == usize::from(of).checked_sub(1)
        && (-5_000_000..300_000_000).contains(&age)
        && (1..=64).contains(&nonce.len())
        && nonce.bytes().all(|byte| (0x21..0x7f).contains(&byte))
        && zero_bits(solution) >= u32::from(difficulty)
}

/// A site that takes captchas of two names, of somebody who is a person rather than not.
static SITE: LazyLock<SiteVerify> = LazyLock::new(|| {
    let config = SiteVerifyConfig {
        url: "http://localhost:9/siteverify".to_owned(),
        secret: SecretString::new("0x-the-secret".to_owned()),
        hostnames: vec!["id.example.com".to_owned(), "www.example.com".to_owned()],
        min_score: Some(0.5),
    };
    let tools =
        SiteVerifyTools { ceremonies: Arc::new(Used::default()), hash: Arc::new(Keys), clock: Arc::new(StandingClock) };
    SiteVerify::new(config, tools).expect("a company that can be asked")
});

/// `siteverify_answer`: the body of a company's answer.
pub(super) fn answer(bytes: &[u8]) {
    for action in CaptchaAction::ALL {
        match SITE.examine(bytes, action, NOW) {
            Ok(true) => is_for_us(bytes, action),
            Ok(false) | Err(CaptchaError::Refused) => {}
            Err(CaptchaError::Unavailable(why)) => {
                // It goes into the log: words of ours only.
                assert!(why.len() <= 200 && why.is_ascii() && !why.contains(['{', '\n', '"']), "{why:?}");
                assert!(!why.contains("0x-the-secret"), "{why:?}");
            }
        }
    }
}

/// Whether an answer that counts says so, by another reader.
fn is_for_us(bytes: &[u8], action: CaptchaAction) {
    // Members that are not needed are passed over, and may hold what is no text.
    let Ok(answer) = serde_json::from_slice::<Value>(bytes) else { return };
    // A list in the order of the members is read, too.
    let Value::Object(members) = &answer else { return };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(members.get("success"), Some(&Value::Bool(true)), "{answer}");
    let hostname = text("hostname").to_ascii_lowercase();
    assert!(["id.example.com", "www.example.com"].contains(&hostname.as_str()), "{answer}");
    let named = [text("action"), text("cdata")].into_iter().find(|named| !named.is_empty());
    assert!(named.is_none_or(|named| named.replace('_', "-") == action.as_str()), "{answer}");
    assert!(members.get("score").and_then(Value::as_f64).is_some_and(|score| score >= 0.5), "{answer}");
    if members.get("challenge_ts").is_some_and(|time| !time.is_null()) {
        // After every time that has four digits of a year.
        let late = Timestamp::from_seconds(260_000_000_000);
        assert_ne!(SITE.examine(bytes, action, late), Ok(true), "{answer} counts for ever");
    }
}
