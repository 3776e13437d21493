use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{AccessClaims, EndReason, Revocation, RevocationTarget, SessionId, TokenId};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, SessionStore, Store};
use crate::service::{Revoker, TokenIssuer, raise_epoch, record, revoke_session};

/// What says that a client may end a session.
#[derive(Clone, Debug)]
pub enum LogoutProof<'a> {
    /// An access token that counts, or counted until it was revoked.
    Access(&'a AccessClaims),
    /// A refresh token of any generation; no fingerprint is asked for.
    Refresh(&'a str),
}

/// Why nothing was ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndSessionsError {
    /// Not a token of ours.
    #[error("the token was refused")]
    Refused,
    /// An administrator who acts as the user asks for the end of the user's other sessions.
    #[error("that is not done in somebody else's name")]
    Impersonating,
    /// No such session or token, or somebody else's.
    #[error("there is no such session")]
    NotFound,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(EndSessionsError);

/// Ends sessions and tokens on their owner's wish. Every way of ending may be repeated and changes nothing more.
pub struct EndSessions {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    revoker: Arc<Revoker>,
}

impl EndSessions {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        revoker: Arc<Revoker>,
    ) -> Self {
        Self { store, sessions, clock, issuer, revoker }
    }

    /// Signs out: ends the session the proof belongs to, or all of its owner's.
    pub async fn log_out(
        &self,
        proof: LogoutProof<'_>,
        all: bool,
        context: &RequestContext,
    ) -> Result<(), EndSessionsError> {
        let now = self.clock.now();
        let (user, session) = match proof {
            // Whoever acts as somebody else ends that, and nothing of theirs.
            LogoutProof::Access(claims) if all && claims.actor.is_some() => {
                return Err(EndSessionsError::Impersonating);
            }
            LogoutProof::Access(claims) => (claims.subject, claims.session()),
            LogoutProof::Refresh(text) => {
                let token = self.issuer.read_refresh(text).ok_or(EndSessionsError::Refused)?;
                match self.sessions.find(&token.session, now).await? {
                    // A session that is over, or lost, is signed out already; a stolen old token must not end others.
                    Some(session) if session.ended.is_none() => (session.user_id, session.id),
                    _ => return Ok(()),
                }
            }
        };
        if all {
            self.end_all(user, &session, context, now).await
        } else {
            self.end(user, &session, context, now).await
        }
    }

    /// Ends one session of the signed-in user by its identifier.
    pub async fn end_one(
        &self,
        claims: &AccessClaims,
        session: &SessionId,
        context: &RequestContext,
    ) -> Result<(), EndSessionsError> {
        let now = self.clock.now();
        if *session != claims.session() {
            match self.sessions.find(session, now).await? {
                Some(found) if found.user_id == claims.subject && found.ended.is_none() => {}
                _ => return Err(EndSessionsError::NotFound),
            }
        }
        self.end(claims.subject, session, context, now).await
    }

    /// Revokes one access token of the signed-in user; its session goes on.
    pub async fn revoke_token(
        &self,
        claims: &AccessClaims,
        token: &TokenId,
        context: &RequestContext,
    ) -> Result<(), EndSessionsError> {
        let now = self.clock.now();
        let session = token.session();
        let mut tx = self.store.begin().await?;
        if session != claims.session() && !tx.login_history().owns_session(claims.subject, &session).await? {
            return Err(EndSessionsError::NotFound);
        }
        let revocation = Revocation { target: RevocationTarget::Token(token.clone()), at: now };
        if tx.revocations().append(&revocation).await? {
            let who = (Some(claims.subject), Some(claims.subject));
            record(&mut *tx, AuditEventName::TokenRevoked, who, Some(&session), context, now).await?;
        }
        tx.commit().await?;
        self.revoker.announce(&[revocation]).await;
        Ok(())
    }

    async fn end(
        &self,
        user: UserId,
        session: &SessionId,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), EndSessionsError> {
        let mut tx = self.store.begin().await?;
        let (first, revocation) = revoke_session(&mut *tx, session, now).await?;
        if first {
            record(&mut *tx, AuditEventName::SessionEnded, (Some(user), Some(user)), Some(session), context, now)
                .await?;
        }
        tx.commit().await?;
        self.revoker.announce(&[revocation]).await;
        Revoker::told(self.sessions.end(session, EndReason::LoggedOut, now).await);
        Ok(())
    }

    async fn end_all(
        &self,
        user: UserId,
        session: &SessionId,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), EndSessionsError> {
        let mut tx = self.store.begin().await?;
        let Some(change) = raise_epoch(&mut *tx, user, true, now).await? else {
            return Ok(());
        };
        let who = (Some(user), Some(user));
        record(&mut *tx, AuditEventName::AllSessionsEnded, who, Some(session), context, now).await?;
        tx.commit().await?;
        self.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(user, None, EndReason::LoggedOut, now).await);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
