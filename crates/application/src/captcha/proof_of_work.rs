use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_domain::token::KeyId;
use keystead_domain::{SecretString, Timestamp, limits};

use super::difficulty::{LoadGauge, RECENT, bits, has_zero_bits, minute};
use crate::ports::{
    CaptchaAction, CaptchaError, CaptchaVerifier, CeremonyKey, CeremonyKind, CeremonyStore, Clock, Entropy,
    EphemeralError, KeyedHash, MacPurpose, RateHit, RateLimiter,
};

/// The form of challenges. Another form gets another number.
const VERSION: u8 = 1;
const RANDOM: usize = 16;
/// Version, action, difficulty, time of issue, random bytes: what the mac is over.
const HEAD: usize = 3 + 8 + RANDOM;
const MAC: usize = 32;
/// The longest text a client may append; it counts through numbers.
const LONGEST_NONCE: usize = 64;
/// How much longer than it could be accepted a used challenge is remembered: clocks of replicas differ, and step.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A challenge as it is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Base64url; not to be understood by clients.
    pub text: String,
    /// Zero bits the hash of a solution begins with.
    pub difficulty: u8,
    /// When no solution is taken any more.
    pub expires_at: Timestamp,
}

/// What a proof of work needs of the world.
#[derive(Clone)]
pub struct ProofOfWorkTools {
    /// Signs challenges.
    pub hash: Arc<dyn KeyedHash>,
    /// Remembers those that were used.
    pub ceremonies: Arc<dyn CeremonyStore>,
    /// Counts them.
    pub limiter: Arc<dyn RateLimiter>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How much is going on.
    pub load: LoadGauge,
}

/// A captcha that asks a client for some work of its processor, and nobody else for anything: no third party, no cookie, no
/// puzzle, nothing kept before it is solved.
///
/// ```text
/// challenge = base64url(version ‖ action ‖ difficulty ‖ issued at ‖ 16 random bytes ‖ mac ‖ key id)
/// solution  = challenge "." nonce,  where SHA-256(solution) begins with `difficulty` zero bits
/// ```
///
/// Any replica checks a solution, by the mac; it counts for one action, for [`limits::CAPTCHA_LIFE`], and once.
pub struct ProofOfWork {
    tools: ProofOfWorkTools,
    base: u8,
}

impl ProofOfWork {
    /// A captcha of `base` bits where nothing is going on.
    pub fn new(tools: ProofOfWorkTools, base: u8) -> Self {
        Self { tools, base }
    }

    /// A challenge to be solved for `action`.
    pub async fn challenge(&self, action: CaptchaAction) -> Result<Challenge, EphemeralError> {
        let now = self.tools.clock.now();
        let hit = RateHit { key: minute(now), policy: RECENT };
        let counted = self.tools.limiter.hit(&[hit], now).await?;
        let recent = counted.first().map_or(0, |decision| decision.count);
        let difficulty = bits(self.base, (self.tools.load)(), recent);
        let head = self.head(action, difficulty, now);
        let tag = self.tools.hash.mac(MacPurpose::Captcha, &[&head]);
        let text = URL_SAFE_NO_PAD.encode([&head[..], &tag.bytes, tag.key.as_str().as_bytes()].concat());
        Ok(Challenge { text, difficulty, expires_at: now.plus(limits::CAPTCHA_LIFE) })
    }

    fn head(&self, action: CaptchaAction, difficulty: u8, now: Timestamp) -> Vec<u8> {
        let mut random = [0; RANDOM];
        self.tools.entropy.fill(&mut random);
        let mut head = Vec::with_capacity(HEAD);
        head.extend([VERSION, number(action), difficulty]);
        head.extend(now.as_micros().to_be_bytes());
        head.extend(random);
        head
    }

    /// The challenge inside a solution of `action` that is right and still counts.
    fn solved(&self, action: CaptchaAction, solution: &str, now: Timestamp) -> Option<Solved> {
        let (text, nonce) = solution.split_once('.')?;
        let is_nonce = (1..=LONGEST_NONCE).contains(&nonce.len())
            && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        // One text for one challenge: the decoder refuses padding and stray bits.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| is_nonce)?;
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (mac, key) = rest.split_first_chunk::<MAC>()?;
        let key = KeyId::parse(std::str::from_utf8(key).ok()?)?;
        if !self.tools.hash.verify(&key, MacPurpose::Captcha, &[head], mac) {
            return None;
        }
        let (&[version, solved_for, difficulty], rest) = head.split_first_chunk::<3>()?;
        let issued_at = Timestamp::from_micros(i64::from_be_bytes(*rest.first_chunk()?));
        let is_current = issued_at <= now.plus(limits::LEEWAY) && now < issued_at.plus(limits::CAPTCHA_LIFE);
        if version != VERSION || solved_for != number(action) || !is_current {
            return None;
        }
        let proof = self.tools.hash.digest(solution.as_bytes());
        has_zero_bits(&proof, difficulty).then(|| Solved { id: URL_SAFE_NO_PAD.encode(mac), issued_at })
    }
}

/// A challenge that somebody did the work for.
struct Solved {
    /// Its mac, of which no two are the same.
    id: String,
    issued_at: Timestamp,
}

/// What stands for an action in a challenge.
const fn number(action: CaptchaAction) -> u8 {
    match action {
        CaptchaAction::Register => 1,
        CaptchaAction::Forgot => 2,
        CaptchaAction::SrpChallenge => 3,
        CaptchaAction::Login => 4,
    }
}

#[async_trait]
impl CaptchaVerifier for ProofOfWork {
    async fn verify(
        &self,
        action: CaptchaAction,
        solution: &SecretString,
        _: Option<IpAddr>,
    ) -> Result<(), CaptchaError> {
        let now = self.tools.clock.now();
        let solved = self.solved(action, solution.expose(), now).ok_or(CaptchaError::Refused)?;
        // The challenge is used up, not the solution: many nonces solve it.
        let key = CeremonyKey { kind: CeremonyKind::Captcha, id: solved.id };
        let until = solved.issued_at.plus(limits::CAPTCHA_LIFE).plus(REMEMBERED);
        let inserted = self.tools.ceremonies.insert(&key, &[1], now, until).await;
        let is_first = inserted.map_err(|error| CaptchaError::Unavailable(error.to_string()))?;
        if is_first { Ok(()) } else { Err(CaptchaError::Refused) }
    }
}

#[cfg(test)]
mod tests;
