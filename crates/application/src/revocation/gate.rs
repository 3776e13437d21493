use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::limits;
use keystead_domain::token::{AccessClaims, Fingerprint, PreAuthorizedClaims, PreAuthorizedPurpose};
use thiserror::Error;

use super::{RevocationView, Verdict};
use crate::ports::{Clock, KeyedHash, Store, TokenVerifier, VerifiedAccess};
use crate::session::LastSeen;

/// A token was shown and does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Not one of ours, or not of this kind.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is up.
    #[error("the token has expired")]
    Expired,
    /// It, its session, or its owner's credentials ended.
    #[error("the token was revoked")]
    Revoked,
    /// The client id that belongs to it was not shown.
    #[error("the token belongs to another client")]
    FingerprintMismatch,
    /// Whether it was revoked cannot be told now. Never treated as valid.
    #[error("the token cannot be checked now")]
    Unavailable,
}

/// Somebody whose access token counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated(Arc<VerifiedAccess>);

impl Authenticated {
    /// What the token says.
    pub fn claims(&self) -> &AccessClaims {
        &self.0.claims
    }
}

/// Decides whether a token counts. Used by every authenticated request: no database, no network while the view is
/// confirmed.
pub struct AccessGate {
    verifier: Arc<dyn TokenVerifier>,
    hash: Arc<dyn KeyedHash>,
    clock: Arc<dyn Clock>,
    view: Arc<RevocationView>,
    store: Arc<dyn Store>,
    seen: Arc<LastSeen>,
}

impl AccessGate {
    /// A gate.
    pub fn new(
        verifier: Arc<dyn TokenVerifier>,
        hash: Arc<dyn KeyedHash>,
        clock: Arc<dyn Clock>,
        view: Arc<RevocationView>,
        store: Arc<dyn Store>,
        seen: Arc<LastSeen>,
    ) -> Self {
        Self { verifier, hash, clock, view, store, seen }
    }

    /// Whether an access token, shown with a client id, counts now.
    pub async fn authenticate(&self, token: &str, client_id: Option<&str>) -> Result<Authenticated, AccessError> {
        let now = self.clock.now();
        let (verified, verdict) = self.check(token, client_id, now)?;
        let who = match verdict {
            Verdict::Valid => Authenticated(verified),
            Verdict::Revoked => return Err(AccessError::Revoked),
            Verdict::Unconfirmed => self.ask_store(verified).await?,
        };
        self.seen.note(who.claims(), now);
        Ok(who)
    }

    /// Everything that needs no waiting.
    fn check(
        &self,
        token: &str,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<(Arc<VerifiedAccess>, Verdict), AccessError> {
        let verified = self.verifier.verify_access(token).map_err(|_| AccessError::Invalid)?;
        let claims = &verified.claims;
        if !self.verifier.is_published(&verified.key, now) || now < claims.issued_at.minus(limits::LEEWAY) {
            return Err(AccessError::Invalid);
        }
        if now >= claims.expires_at.plus(limits::LEEWAY) {
            return Err(AccessError::Expired);
        }
        let verdict = self.view.verdict(claims, now);
        if verdict != Verdict::Revoked && self.fingerprint(client_id) != Some(claims.fingerprint) {
            return Err(AccessError::FingerprintMismatch);
        }
        Ok((verified, verdict))
    }

    async fn ask_store(&self, verified: Arc<VerifiedAccess>) -> Result<Authenticated, AccessError> {
        let claims = &verified.claims;
        let mut tx = self.store.read().await.map_err(|_| AccessError::Unavailable)?;
        match tx.revocations().is_revoked(claims).await {
            Ok(false) => Ok(Authenticated(verified)),
            Ok(true) => Err(AccessError::Revoked),
            Err(_) => Err(AccessError::Unavailable),
        }
    }

    /// Whether a pre-authorized token of one of these purposes, shown with a client id, counts now. What it leads to is
    /// single-use state in a store; that state, not this check, decides whether it still works.
    pub fn pre_authorized(
        &self,
        token: &str,
        client_id: Option<&str>,
        purposes: &[PreAuthorizedPurpose],
    ) -> Result<PreAuthorizedClaims, AccessError> {
        let claims = self.verifier.verify_pre_authorized(token).map_err(|_| AccessError::Invalid)?;
        let now = self.clock.now();
        if !purposes.contains(&claims.purpose) || now < claims.issued_at.minus(limits::LEEWAY) {
            return Err(AccessError::Invalid);
        }
        if now >= claims.expires_at.plus(limits::LEEWAY) {
            return Err(AccessError::Expired);
        }
        if self.fingerprint(client_id) != Some(claims.fingerprint) {
            return Err(AccessError::FingerprintMismatch);
        }
        Ok(claims)
    }

    /// The fingerprint of a client id.
    pub fn fingerprint(&self, client_id: Option<&str>) -> Option<Fingerprint> {
        client_id.map(|id| Fingerprint(self.hash.digest(id.as_bytes())))
    }
}

#[cfg(test)]
mod tests;
