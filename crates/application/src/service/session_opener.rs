use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{EndReason, Session};

use super::{Revoker, record_with, revoke_session};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{SessionStore, Store};
use crate::settings::Settings;

/// Most sessions that one sign-in ends. An account has more of them to lose only where the limit was lowered; its next
/// sign-ins end the rest.
const END_AT_ONCE: usize = 50;

/// Begins the session of every sign-in. Of an account with more than [`Settings::max_sessions`], those seen least recently
/// end (OWASP ASVS 5.0, 7.1.2). Impersonations neither count nor end.
#[derive(Clone)]
pub struct SessionOpener {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    revoker: Arc<Revoker>,
    settings: Arc<Settings>,
}

impl SessionOpener {
    /// An opener.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        revoker: Arc<Revoker>,
        settings: Arc<Settings>,
    ) -> Self {
        Self { store, sessions, revoker, settings }
    }

    /// Keeps a session whose sign-in was just committed, and ends those there are too many of by it; never itself. It looks
    /// after it kept its own, so that the last of several parallel sign-ins sees the sessions of all.
    ///
    /// # Errors
    /// A store does not answer. The next sign-in ends what is then too much.
    pub(crate) async fn open(
        &self,
        session: &Session,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.sessions.insert(session).await?;
        let mut others = self.sessions.list(session.user_id, now).await?;
        let policy = &self.settings.lifetimes.refresh;
        others.retain(|other| other.id != session.id && other.impersonator.is_none() && other.is_live(now, policy));
        others.sort_by(|one, other| recency(one).cmp(&recency(other)));
        let stay = usize::try_from(self.settings.max_sessions).unwrap_or(usize::MAX).saturating_sub(1);
        others.truncate(others.len().saturating_sub(stay).min(END_AT_ONCE));
        if others.is_empty() { Ok(()) } else { self.end(&others, context, now).await }
    }

    async fn end(&self, over: &[Session], context: &RequestContext, now: Timestamp) -> Result<(), Failure> {
        let mut tx = self.store.begin().await?;
        let mut revocations = Vec::new();
        for session in over {
            // It ended with everybody's, and the session store does not know.
            if tx.revocations().is_session_revoked(&session.id, session.created_at).await? {
                continue;
            }
            let (first, revocation) = revoke_session(&mut *tx, &session.id, now).await?;
            // A parallel sign-in may have been faster.
            if first {
                let (event, who) = (AuditEventName::SessionDisplaced, (None, Some(session.user_id)));
                let detail = format!("more than {} sessions", self.settings.max_sessions);
                record_with(&mut *tx, event, who, Some(&session.id), (context, detail), now).await?;
            }
            revocations.push(revocation);
        }
        tx.commit().await?;
        self.revoker.announce(&revocations).await;
        for session in over {
            Revoker::told(self.sessions.end(&session.id, EndReason::LoggedOut, now).await);
        }
        Ok(())
    }
}

/// Orders sessions by when they were seen; the identifier decides between equals, the same way for everybody.
fn recency(session: &Session) -> (Timestamp, Timestamp, &str) {
    (session.last_seen_at, session.created_at, session.id.as_str())
}

#[cfg(test)]
mod tests;
