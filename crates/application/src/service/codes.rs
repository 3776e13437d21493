use std::sync::Arc;
use std::time::Duration;

use keystead_domain::Timestamp;
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::{OneTimeCode, PreAuthorizedClaims, PreAuthorizedPurpose, TokenId};
use thiserror::Error;

use super::attempt::{Attempt, Drawn};
use crate::failure::{Failure, fails_with};
use crate::ports::{
    BudgetDecision, BudgetKey, CeremonyKey, CeremonyKind, CeremonyStore, Entropy, KeyedHash, MacPurpose, MacTag, Store,
};
use crate::random;

/// Tries per code. The counter outlives the pre-authorized token it belongs to.
const TRIES: RatePolicy =
    RatePolicy { name: "code", limit: limits::CODE_TRIES, window: Duration::from_secs(3600), per: "code" };

/// A code, or something of its shape that no code matches.
#[derive(Debug)]
pub enum IssuedCode {
    /// A code to be sent.
    Real(OneTimeCode),
    /// For an account that must look as if a code was sent: 256 random bits, which six digits never equal.
    Decoy([u8; 32]),
}

impl IssuedCode {
    fn bytes(&self) -> &[u8] {
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

    /// Opens the challenge of a token just issued. Tokens issued again for one flow keep its `sid`, and the challenge
    /// names the newest of them: the code of an older one is dead from here on.
    pub async fn open(&self, token: &TokenId, now: Timestamp) -> Result<(), Failure> {
        let (key, state, end) = (ceremony(token), token.as_str().as_bytes(), now.plus(limits::CODE_LIFE));
        if !self.ceremonies.insert(&key, state, now, end).await? {
            self.ceremonies.overwrite(&key, state, now, end).await?;
        }
        Ok(())
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
        let newest = self.ceremonies.find(&ceremony(&claims.token_id), now).await?;
        let alive = newest.is_some_and(|token| token.expose() == claims.token_id.as_str().as_bytes());
        let parts = parts(&claims.token_id, claims.purpose, address, code.expose().as_bytes());
        let right = match (&claims.otp_key, &claims.otp) {
            (Some(key), Some(otp)) => self.hash.verify(key, MacPurpose::OneTimeCode, &parts, otp),
            _ => false,
        };
        if alive && right {
            return Ok(());
        }
        if alive && count >= TRIES.limit {
            self.close(&claims.token_id, now).await?;
        }
        Err(CodeRefusal::Invalid)
    }

    async fn count_guess(&self, token: &TokenId, now: Timestamp) -> Result<u32, CodeRefusal> {
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
