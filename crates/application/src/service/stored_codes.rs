use std::sync::Arc;

use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::{KeyId, OneTimeCode};
use keystead_domain::{SecretBytes, Timestamp};
use serde::{Deserialize, Serialize};

use super::IssuedCode;
use super::codes::TRIES_WINDOW;
use crate::failure::Failure;
use crate::ports::{
    BudgetDecision, BudgetKey, CeremonyKey, CeremonyKind, CeremonyStore, Entropy, KeyedHash, MacPurpose, Store,
};
use crate::random;

/// Tries per code.
const TRIES: RatePolicy =
    RatePolicy { name: "stored-code", limit: limits::CODE_TRIES, window: TRIES_WINDOW, per: "code" };

/// What the server keeps of a code that belongs to something it knows: a session, an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCode {
    /// Random; names the code in the count of its tries.
    id: String,
    /// What it is for: the medium, the address, the epoch.
    pub about: String,
    /// The server key of `mac`; empty when there is no code.
    key: String,
    mac: Vec<u8>,
    /// It was accepted; it stays until its end so that a repeat is told apart from a wrong one.
    used: bool,
    expires_at: i64,
}

/// How a code compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is the code.
    Right,
    /// It is not, or was guessed at too often.
    Wrong,
    /// It was the code.
    Used,
}

/// One-time codes whose keyed hash stays on the server, one per place.
///
/// ```text
/// issued ── right code, once ──> used        issued ── 5th guess, 5 minutes, newer code ──> dead
/// ```
pub struct StoredCodes {
    ceremonies: Arc<dyn CeremonyStore>,
    store: Arc<dyn Store>,
    hash: Arc<dyn KeyedHash>,
    entropy: Arc<dyn Entropy>,
}

impl StoredCodes {
    /// The service.
    pub fn new(
        ceremonies: Arc<dyn CeremonyStore>,
        store: Arc<dyn Store>,
        hash: Arc<dyn KeyedHash>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { ceremonies, store, hash, entropy }
    }

    /// Draws a code.
    pub fn draw(&self) -> OneTimeCode {
        random::code(&*self.entropy)
    }

    /// Draws something no code matches.
    pub fn draw_decoy(&self) -> IssuedCode {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        IssuedCode::Decoy(bytes)
    }

    /// Keeps a code for a place until `expires_at`; the one before is dead. `None`: the place is opened without a code.
    pub(crate) async fn issue(
        &self,
        kind: CeremonyKind,
        place: &str,
        about: &str,
        code: Option<&IssuedCode>,
        (now, expires_at): (Timestamp, Timestamp),
    ) -> Result<(), Failure> {
        let id = random::secret(&*self.entropy).expose().to_owned();
        let (key, mac) = match code {
            Some(code) => {
                let tag = self.hash.mac(MacPurpose::StoredCode, &parts(kind, place, &id, about, code.bytes()));
                (tag.key.to_string(), tag.bytes.to_vec())
            }
            None => (String::new(), Vec::new()),
        };
        let code =
            StoredCode { id, about: about.to_owned(), key, mac, used: false, expires_at: expires_at.as_micros() };
        self.put(kind, place, &code, now).await
    }

    /// What is kept for a place.
    pub(crate) async fn find(
        &self,
        kind: CeremonyKind,
        place: &str,
        now: Timestamp,
    ) -> Result<Option<StoredCode>, Failure> {
        let state = self.ceremonies.find(&ceremony(kind, place), now).await?;
        Ok(state.and_then(|state| decode(&state)))
    }

    /// Counts a guess at a code, compares and, when it is right, uses it up: of parallel right ones one is `Right`.
    pub(crate) async fn spend(
        &self,
        kind: CeremonyKind,
        place: &str,
        stored: &StoredCode,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<Compared, Failure> {
        match self.compare(kind, place, stored, code, now).await? {
            Compared::Right if !self.consume(kind, place, stored, now).await? => Ok(Compared::Used),
            compared => Ok(compared),
        }
    }

    async fn compare(
        &self,
        kind: CeremonyKind,
        place: &str,
        stored: &StoredCode,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<Compared, Failure> {
        let mut tx = self.store.begin().await?;
        let key = BudgetKey(format!("code:{}", stored.id));
        let decision = tx.guess_budgets().reserve(&key, &TRIES, now).await?;
        tx.commit().await?;
        let parts = parts(kind, place, &stored.id, &stored.about, code.expose().as_bytes());
        let right = KeyId::parse(&stored.key)
            .is_some_and(|key| self.hash.verify(&key, MacPurpose::StoredCode, &parts, &stored.mac));
        Ok(match (decision, right, stored.used) {
            (BudgetDecision::Exhausted { .. }, ..) | (_, false, _) => Compared::Wrong,
            (_, true, true) => Compared::Used,
            (_, true, false) => Compared::Right,
        })
    }

    /// Uses a code up. `true` for exactly one caller.
    async fn consume(
        &self,
        kind: CeremonyKind,
        place: &str,
        stored: &StoredCode,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let taken = self.ceremonies.take(&ceremony(kind, place), now).await?.and_then(|state| decode(&state));
        let Some(taken) = taken else { return Ok(false) };
        // A newer code was sent, or another request was quicker, between the look and the taking.
        let won = taken.id == stored.id && !taken.used;
        let kept = StoredCode { used: taken.used || won, ..taken };
        // Only where nothing newer was issued meanwhile.
        let (state, end) = (encode(&kept)?, Timestamp::from_micros(kept.expires_at));
        self.ceremonies.insert(&ceremony(kind, place), &state, now, end).await?;
        Ok(won)
    }

    async fn put(&self, kind: CeremonyKind, place: &str, code: &StoredCode, now: Timestamp) -> Result<(), Failure> {
        let state = encode(code)?;
        let (key, end) = (ceremony(kind, place), Timestamp::from_micros(code.expires_at));
        if !self.ceremonies.insert(&key, &state, now, end).await? {
            self.ceremonies.overwrite(&key, &state, now, end).await?;
        }
        Ok(())
    }
}

fn encode(code: &StoredCode) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(code).map_err(|error| Failure::Internal(error.to_string()))
}

fn decode(state: &SecretBytes) -> Option<StoredCode> {
    serde_json::from_slice(state.expose()).ok()
}

fn ceremony(kind: CeremonyKind, place: &str) -> CeremonyKey {
    CeremonyKey { kind, id: place.to_owned() }
}

fn parts<'a>(kind: CeremonyKind, place: &'a str, id: &'a str, about: &'a str, code: &'a [u8]) -> [&'a [u8]; 5] {
    [kind.as_str().as_bytes(), place.as_bytes(), id.as_bytes(), about.as_bytes(), code]
}
