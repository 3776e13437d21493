use std::sync::Arc;
use std::time::Duration;

use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::{OneTimeCode, PreAuthorizedClaims, PreAuthorizedPurpose, TokenId};
use keystead_domain::{SecretBytes, Timestamp};
use thiserror::Error;

use super::attempt::{Attempt, Drawn};
use crate::failure::{Failure, fails_with};
use crate::ports::{
    BudgetDecision, BudgetKey, CeremonyKey, CeremonyKind, CeremonyStore, Entropy, KeyedHash, MacPurpose, MacTag, Store,
};
use crate::random;

/// Tries per code. None comes back while the pre-authorized token they belong to lives.
const TRIES: RatePolicy = RatePolicy { name: "code", limit: limits::CODE_TRIES, window: TRIES_WINDOW, per: "code" };

/// What tries at one code are counted over: the first comes back once every token that carries a code is over.
pub(super) const TRIES_WINDOW: Duration = limits::RESET_GRANT_LIFE.saturating_mul(limits::CODE_TRIES);

const _: () = assert!(limits::PRE_AUTHORIZED_LIFE.as_secs() <= limits::RESET_GRANT_LIFE.as_secs());
const _: () = assert!(limits::PENDING_CONTACT_LIFE.as_secs() <= limits::RESET_GRANT_LIFE.as_secs());

/// A code, or something of its shape that no code matches.
#[derive(Debug)]
pub enum IssuedCode {
    /// A code to be sent.
    Real(OneTimeCode),
    /// For an account that must look as if a code was sent: 256 random bits, which six digits never equal.
    Decoy([u8; 32]),
}

impl IssuedCode {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Real(code) => code.expose().as_bytes(),
            Self::Decoy(bytes) => bytes,
        }
    }
}

/// A code was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeRefusal {
    /// Wrong, or dead: used, expired, replaced by a newer one, or guessed at too often. The caller cannot tell which.
    #[error("the code is not valid")]
    Invalid,
    /// It could not be checked.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(CodeRefusal);

/// One-time codes, bound to the pre-authorized token they were issued with.
///
/// The token carries a keyed hash of the code (a bare hash of six digits is searched in milliseconds). The server keeps
/// whether the challenge is alive in the [`CeremonyStore`] and how often it was guessed at in the database, counted
/// before each comparison: 200 parallel guesses make at most five comparisons (G09).
///
/// ```text
/// open ── right code ──> closed          open ── 5th guess, 5 minutes, newer token ──> dead
/// ```
pub struct OneTimeCodes {
    ceremonies: Arc<dyn CeremonyStore>,
    store: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
}

impl OneTimeCodes {
    /// The service.
    pub fn new(
        ceremonies: Arc<dyn CeremonyStore>,
        store: Arc<dyn Store>,
        hash: Arc<dyn KeyedHash>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { ceremonies, store, hash, entropy }
    }

    /// Draws a code; the same one for every attempt at a request.
    pub fn draw(&self, attempt: Option<&Attempt>) -> OneTimeCode {
        random::code(&Drawn::of(attempt, b"code", &*self.hash, &*self.entropy))
    }

    /// Draws a decoy.
    pub fn draw_decoy(&self) -> IssuedCode {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        IssuedCode::Decoy(bytes)
    }

    /// The `otp` claim: HMAC-SHA-256 over token, purpose, address and code.
    pub fn seal(&self, token: &TokenId, purpose: PreAuthorizedPurpose, address: &str, code: &IssuedCode) -> MacTag {
        self.hash.mac(MacPurpose::OneTimeCode, &parts(token, purpose, address, code.bytes()))
    }

    /// Opens the challenge of a token just issued, for as long as the token lives. Tokens issued again for one flow keep
    /// its `sid`, and the challenge names the newest of them: older ones are dead from here on, and their codes.
    pub async fn open(&self, claims: &PreAuthorizedClaims, now: Timestamp) -> Result<(), Failure> {
        self.open_for(claims, &[], now).await
    }

    /// Like [`Self::open`], with something to be remembered that the token must not tell.
    pub async fn open_for(&self, claims: &PreAuthorizedClaims, memory: &[u8], now: Timestamp) -> Result<(), Failure> {
        let token = &claims.token_id;
        let state = [token.as_str().as_bytes(), b"\n", memory].concat();
        let (key, end) = (ceremony(token), claims.expires_at);
        if !self.ceremonies.insert(&key, &state, now, end).await? {
            self.ceremonies.overwrite(&key, &state, now, end).await?;
        }
        Ok(())
    }

    /// What was remembered when the challenge of this token was opened; `None` when it is dead, or a newer token's.
    pub async fn memory(&self, token: &TokenId, now: Timestamp) -> Result<Option<SecretBytes>, Failure> {
        Ok(self.ceremonies.find(&ceremony(token), now).await?.and_then(|state| memory_of(token, &state)))
    }

    /// Takes the challenge of a token. `true` for exactly one caller, and for nobody once a newer token was issued.
    pub async fn take(&self, token: &TokenId, now: Timestamp) -> Result<bool, Failure> {
        let state = self.ceremonies.take(&ceremony(token), now).await?;
        Ok(state.is_some_and(|state| memory_of(token, &state).is_some()))
    }

    /// Compares a code. On success the challenge stays open until [`Self::close`]: what the code leads to is consumed in
    /// the caller's transaction, and that decides between parallel right answers.
    pub async fn check(
        &self,
        claims: &PreAuthorizedClaims,
        address: &str,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<(), CodeRefusal> {
        let count = self.count_guess(&claims.token_id, now).await?;
        let alive = self.memory(&claims.token_id, now).await?.is_some();
        let fresh = now < claims.issued_at.plus(limits::CODE_LIFE);
        let parts = parts(&claims.token_id, claims.purpose, address, code.expose().as_bytes());
        let right = match (&claims.otp_key, &claims.otp) {
            (Some(key), Some(otp)) => self.hash.verify(key, MacPurpose::OneTimeCode, &parts, otp),
            _ => false,
        };
        if alive && fresh && right {
            return Ok(());
        }
        if alive && count >= TRIES.limit {
            self.close(&claims.token_id, now).await?;
        }
        Err(CodeRefusal::Invalid)
    }

    /// Counts a guess at something else that answers the challenge of this token: a computed code, a recovery code. `Ok`:
    /// the challenge is alive, compare.
    pub async fn guess(&self, claims: &PreAuthorizedClaims, now: Timestamp) -> Result<(), CodeRefusal> {
        self.count_guess(&claims.token_id, now).await?;
        match self.memory(&claims.token_id, now).await? {
            Some(_) => Ok(()),
            None => Err(CodeRefusal::Invalid),
        }
    }

    /// Counts a guess at whatever answers the challenge of this token, before it is compared. Returns how many there were.
    pub async fn count_guess(&self, token: &TokenId, now: Timestamp) -> Result<u32, CodeRefusal> {
        let mut tx = self.store.begin().await?;
        let decision = tx.guess_budgets().reserve(&budget(token), &TRIES, now).await?;
        tx.commit().await?;
        match decision {
            BudgetDecision::Reserved { count } => Ok(count),
            BudgetDecision::Exhausted { .. } => Err(CodeRefusal::Invalid),
        }
    }

    /// The code was right but the request failed for another reason: the guess does not count.
    pub async fn give_back(&self, token: &TokenId) -> Result<(), Failure> {
        let mut tx = self.store.begin().await?;
        tx.guess_budgets().release(&budget(token), &TRIES).await?;
        Ok(tx.commit().await?)
    }

    /// Ends the challenge.
    pub async fn close(&self, token: &TokenId, now: Timestamp) -> Result<(), Failure> {
        self.ceremonies.take(&ceremony(token), now).await?;
        Ok(())
    }
}

/// What follows the token in the state of a challenge, if it is this token's.
fn memory_of(token: &TokenId, state: &SecretBytes) -> Option<SecretBytes> {
    let rest = state.expose().strip_prefix(token.as_str().as_bytes())?.strip_prefix(b"\n")?;
    Some(SecretBytes::new(rest.to_vec()))
}

fn parts<'a>(token: &'a TokenId, purpose: PreAuthorizedPurpose, address: &'a str, code: &'a [u8]) -> [&'a [u8]; 4] {
    [token.as_str().as_bytes(), purpose.as_str().as_bytes(), address.as_bytes(), code]
}

fn ceremony(token: &TokenId) -> CeremonyKey {
    CeremonyKey { kind: CeremonyKind::Code, id: token.session_str().to_owned() }
}

fn budget(token: &TokenId) -> BudgetKey {
    BudgetKey(format!("code:{token}"))
}

#[cfg(test)]
mod tests;
