//! State with an end: sessions, ceremonies, rate limits. Embedded it lives in the SQLite file, else in Redis.
//!
//! None of it is part of a [`super::Tx`]: never call these while a transaction is open.

use async_trait::async_trait;
use keystead_domain::account::{Epoch, Role, UserId};
use keystead_domain::limits::{Gcra, RatePolicy};
use keystead_domain::token::{Amr, EndReason, Presentation, Presented, Session, SessionId};
use keystead_domain::{SecretBytes, Timestamp};
use thiserror::Error;

/// The store of passing state did not answer. Answer 503; nothing is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the session store is unavailable: {0}")]
pub struct EphemeralError(pub String);

/// A refresh token with a verified mac, on its way to its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The session it names.
    pub session: SessionId,
    /// What was shown.
    pub shown: Presentation,
}

/// Facts of a session that change while it lives. `None` leaves a fact alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionUpdate {
    /// The epoch it is now confirmed under, and the user's role as of it.
    pub epoch: Option<(Epoch, Role)>,
    /// When the person last proved who they are.
    pub auth_time: Option<Timestamp>,
    /// How.
    pub amr: Option<Vec<Amr>>,
    /// When it was last compared with the users table.
    pub checked_at: Option<Timestamp>,
}

/// Signed-in clients.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Adds a session.
    async fn insert(&self, session: &Session) -> Result<(), EphemeralError>;

    /// The session, ended ones too, until `expires_at`.
    async fn find(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, EphemeralError>;

    /// Applies [`Session::present`] and keeps what it changed. MUST be one atomic step per session: of any number of
    /// parallel calls with one generation exactly one is `Rotated`. Returns the session as it is afterwards.
    async fn rotate(&self, rotation: &Rotation) -> Result<Option<(Presented, Session)>, EphemeralError>;

    /// Ends a session unless it ended before. Returns it as it is afterwards.
    async fn end(&self, id: &SessionId, reason: EndReason, now: Timestamp) -> Result<Option<Session>, EphemeralError>;

    /// Ends all sessions of a user, but `except`. Returns those it ended.
    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, EphemeralError>;

    /// The user's sessions that have not ended and whose `expires_at` is after `now`, newest first.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, EphemeralError>;

    /// Changes facts of a session that has not ended. `false` when there is none.
    async fn update(&self, id: &SessionId, update: &SessionUpdate) -> Result<bool, EphemeralError>;

    /// Whether the store of passing state answers. For health checks.
    async fn ping(&self) -> Result<(), EphemeralError>;

    /// Records when sessions were last seen. MUST NOT move a time back. Unknown sessions are passed over.
    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), EphemeralError>;
}

/// What a ceremony is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CeremonyKind {
    /// A sent one-time code.
    Code,
    /// A repeated request.
    Idempotency,
    /// A code to prove a factor within a session.
    StepUp,
    /// A code to prove an address.
    Contact,
    /// A WebAuthn challenge.
    Passkey,
    /// An SRP challenge that was answered.
    Srp,
    /// A captcha that was used.
    Captcha,
    /// A sign-in that is at a provider.
    Social,
}

impl CeremonyKind {
    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Idempotency => "idempotency",
            Self::StepUp => "step_up",
            Self::Contact => "contact",
            Self::Passkey => "passkey",
            Self::Srp => "srp",
            Self::Captcha => "captcha",
            Self::Social => "social",
        }
    }
}

/// Names one ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CeremonyKey {
    /// What it is.
    pub kind: CeremonyKind,
    /// Which.
    pub id: String,
}

/// Take-once state between two requests. A ceremony that is not there is dead: nothing is ever assumed for it.
///
/// Every method is about one key: a store that spreads keys over machines cannot change two in one step. What is issued
/// again therefore keeps its key, and is overwritten.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait CeremonyStore: Send + Sync {
    /// Adds a ceremony. `false`, changing nothing, when one with this key is alive at `now`. MUST be atomic.
    async fn insert(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError>;

    /// The state, while the ceremony is alive.
    async fn find(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError>;

    /// Takes the state. MUST return it to exactly one caller, ever, and to nobody from `expires_at` on.
    async fn take(&self, key: &CeremonyKey, now: Timestamp) -> Result<Option<SecretBytes>, EphemeralError>;

    /// Overwrites the state of a ceremony that is alive, keeping nothing of the old one. `false` when it is not alive.
    async fn overwrite(
        &self,
        key: &CeremonyKey,
        state: &[u8],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, EphemeralError>;
}

/// One count towards a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateHit {
    /// Whose: an address, or a keyed hash. Never a plain name.
    pub key: String,
    /// Which limit. Counters of different policy names never mix.
    pub policy: RatePolicy,
}

/// Where a counter stands after a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateDecision {
    /// The policy that was counted.
    pub policy: RatePolicy,
    /// Whether the hit is within the limit.
    pub allowed: bool,
    /// How many of the limit are taken now, this one included when it is allowed, all of them when it is not. A refused
    /// hit is not added, so refusals never prolong a wait.
    pub count: u32,
    /// When the counter is wholly free again.
    pub resets_at: Timestamp,
}

impl RateDecision {
    /// Where `counter` stands at `now`, after a hit that was allowed or not.
    pub fn of(policy: RatePolicy, allowed: bool, counter: Gcra, now: Timestamp) -> Self {
        let resets_at = counter.free_at().unwrap_or(now);
        Self { policy, allowed, count: counter.taken(&policy, now), resets_at }
    }

    /// Of a policy whose limit is 0: nothing is ever counted.
    pub fn never(policy: RatePolicy, now: Timestamp) -> Self {
        Self { policy, allowed: false, count: 0, resets_at: now.plus(policy.window) }
    }

    /// When one hit more will be free than are now. Of a refused hit that is when trying again succeeds, if nobody else
    /// comes first; a microsecond before it does not.
    pub fn again_at(&self) -> Timestamp {
        let behind = self.policy.interval().saturating_mul(self.count.saturating_sub(1));
        self.resets_at.minus(behind)
    }
}

/// Counts requests by the generic cell rate algorithm ([`Gcra`]): `limit` at once, then one per interval, and no second
/// burst at the edge of a window.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts every hit, in one round trip. MUST decide as [`Gcra::take`] does while time does not go back, and be atomic
    /// per key: of `limit + n` parallel hits at one time exactly `limit` are allowed. Decisions come in the order of the
    /// hits.
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError>;
}
