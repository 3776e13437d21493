use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{EndReason, Fingerprint, Presentation, Presented, Session};
use thiserror::Error;

use super::standing::{Change, Standing};
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, KeyedHash, MacPurpose, Rotation, SessionStore, SessionUpdate, Store};
use crate::service::{AuthorizedTokens, Postbox, Revoker, TokenIssuer, record, revoke_session};

/// Why a refresh was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// Not a refresh token of ours, or of a session that is no more. Nothing changed.
    Invalid,
    /// The session's time is up.
    Expired,
    /// The session is over.
    Ended(EndReason),
    /// The session belongs to another kind of client. Nothing changed.
    OtherClientKind,
    /// Too many rotations. The token stays good.
    Limited {
        /// When the next rotation is possible.
        again_at: Timestamp,
    },
}

/// Why no tokens were handed out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefreshSessionError {
    /// The token was refused.
    #[error("the refresh token was refused: {0:?}")]
    Refused(RefreshRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(RefreshSessionError);

/// Exchanges a refresh token for a fresh pair. The state machine is [`Session::present`], applied by the session store
/// in one atomic step; everything before it changes nothing, everything after it may be repeated.
pub struct RefreshSession {
    sessions: Arc<dyn SessionStore>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    hash: Arc<dyn KeyedHash>,
    desk: RefreshDesk,
}

/// What a refresh decides by, and whom it tells.
#[derive(Clone)]
pub struct RefreshDesk {
    /// Whether the session's owner still stands.
    pub standing: Standing,
    /// Outbox.
    pub postbox: Arc<Postbox>,
    /// Tells every replica of an end.
    pub revoker: Arc<Revoker>,
}

impl RefreshSession {
    /// The use-case with its dependencies.
    pub fn new(
        sessions: Arc<dyn SessionStore>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        hash: Arc<dyn KeyedHash>,
        desk: RefreshDesk,
    ) -> Self {
        Self { sessions, store, clock, issuer, hash, desk }
    }

    /// Runs it. `client_id` is what the client showed.
    pub async fn run(
        &self,
        token: &str,
        client_id: Option<&str>,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, RefreshSessionError> {
        let now = self.clock.now();
        let token = self.issuer.read_refresh(token).ok_or(RefreshSessionError::Refused(RefreshRefusal::Invalid))?;
        let shown = Presentation {
            generation: token.generation,
            client: context.client,
            fingerprint: client_id.map(|id| Fingerprint(self.hash.digest(id.as_bytes()))),
            key: self.hash.mac(MacPurpose::Refresh, &[]).key,
            now,
            policy: self.issuer.lifetimes().refresh,
        };
        let rotation = Rotation { session: token.session, shown };
        let Some((presented, session)) = self.sessions.rotate(&rotation).await? else {
            return Err(RefreshSessionError::Refused(RefreshRefusal::Invalid));
        };
        let refusal = match presented {
            Presented::Rotated | Presented::Repeated => return self.answer(session, now).await,
            Presented::Expired => RefreshRefusal::Expired,
            Presented::OtherClientKind => RefreshRefusal::OtherClientKind,
            Presented::Limited { again_at } => RefreshRefusal::Limited { again_at },
            Presented::Ended(reason) => {
                self.close(&session, reason, context, now).await?;
                RefreshRefusal::Ended(reason)
            }
        };
        Err(RefreshSessionError::Refused(refusal))
    }

    /// Hands out the pair, unless the owner no longer stands.
    async fn answer(&self, mut session: Session, now: Timestamp) -> Result<AuthorizedTokens, RefreshSessionError> {
        match self.desk.standing.of(&session, now).await? {
            Change::None => {}
            Change::Confirmed(epoch, role) => {
                session.epoch = epoch;
                session.role = role;
                let update =
                    SessionUpdate { epoch: Some((epoch, role)), checked_at: Some(now), ..SessionUpdate::default() };
                self.sessions.update(&session.id, &update).await?;
            }
            Change::Over => {
                self.sessions.end(&session.id, EndReason::EpochEnded, now).await?;
                return Err(RefreshSessionError::Refused(RefreshRefusal::Ended(EndReason::EpochEnded)));
            }
        }
        let mut tokens = self.issuer.access(&session, now)?;
        tokens.refresh = Some(self.issuer.refresh(&session)?);
        Ok(tokens)
    }

    /// Makes an end that a stolen or confused token caused known: access tokens die, the owner is told, once. Runs at
    /// every later showing too, so that a crash in between loses nothing.
    async fn close(
        &self,
        session: &Session,
        reason: EndReason,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), RefreshSessionError> {
        let event = match reason {
            EndReason::RefreshReused => AuditEventName::RefreshReused,
            EndReason::FingerprintMismatch => AuditEventName::FingerprintMismatch,
            EndReason::StoreRolledBack => AuditEventName::SessionStateLost,
            EndReason::LoggedOut | EndReason::EpochEnded => return Ok(()),
        };
        let mut tx = self.store.begin().await?;
        let (first, revocation) = revoke_session(&mut *tx, &session.id, now).await?;
        if !first {
            return Ok(());
        }
        record(&mut *tx, event, (None, Some(session.user_id)), Some(&session.id), context, now).await?;
        if reason != EndReason::StoreRolledBack
            && let Some(user) = tx.users().get(session.user_id).await?
        {
            let notice = Notice::RefreshReused { occasion: context.occasion(now) };
            self.desk.postbox.notify(&mut *tx, &user, notice, now).await?;
        }
        tx.commit().await?;
        self.desk.revoker.announce(&[revocation]).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
