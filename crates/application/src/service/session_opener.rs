use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{EndReason, Revocation, Session};

use super::{Revoker, record_with, revoke_session};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{SessionStore, Store, StoreError, Tx};
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
    /// The session could not be kept. That others could not be ended is no error: the sign-in used its code or link up, and
    /// nobody else would ever hold the tokens of its session. The next sign-in ends what is then too much.
    pub(crate) async fn open(
        &self,
        session: &Session,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.sessions.insert(session).await?;
        if let Err(error) = self.make_room(session, context, now).await {
            tracing::warn!(%error, "an account may have more than its most sessions until its next sign-in");
        }
        Ok(())
    }

    /// Ends what is too much beside a session.
    async fn make_room(&self, session: &Session, context: &RequestContext, now: Timestamp) -> Result<(), Failure> {
        let mut others = self.sessions.list(session.user_id, now).await?;
        let policy = &self.settings.lifetimes.refresh;
        others.retain(|other| other.id != session.id && other.impersonator.is_none() && other.is_live(now, policy));
        let stay = usize::try_from(self.settings.max_sessions).unwrap_or(usize::MAX).saturating_sub(1);
        if others.len() <= stay {
            return Ok(());
        }
        let (mut live, mut dead);
        {
            let mut tx = self.store.begin().await?;
            (live, dead) = self.parted(&mut *tx, session.user_id, others).await?;
            live.sort_by(|one, other| recency(one).cmp(&recency(other)));
            live.truncate(live.len().saturating_sub(stay).min(END_AT_ONCE));
            dead.truncate(END_AT_ONCE);
            if !live.is_empty() {
                let revocations = self.displace(&mut *tx, &mut live, context, now).await?;
                tx.commit().await?;
                self.revoker.announce(&revocations).await;
            }
            // Over either way: where the session store is the same database, its one writer is wanted next.
        }
        for (sessions, reason) in [(live, EndReason::LoggedOut), (dead, EndReason::EpochEnded)] {
            for session in sessions {
                Revoker::told(self.sessions.end(&session.id, reason, now).await);
            }
        }
        Ok(())
    }

    /// Those of a user's sessions that go on, and those that are over while the session store does not know: it did not
    /// answer when their owner's credentials changed, or when everybody's sessions ended.
    async fn parted(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        sessions: Vec<Session>,
    ) -> Result<(Vec<Session>, Vec<Session>), StoreError> {
        // Holds the user, so that parallel sign-ins displace one after the other.
        let valid_from = tx.users().get(user).await?.map(|user| user.sessions_epoch);
        let everybody = tx.revocations().everybody_ended_at().await?;
        Ok(sessions.into_iter().partition(|session| {
            valid_from.is_some_and(|epoch| session.epoch >= epoch)
                && everybody.is_none_or(|at| session.created_at > at)
                && !self.revoker.view().is_session_revoked(&session.id)
        }))
    }

    /// Writes that sessions end, in the order of their identifiers: rows that several transactions write in different orders
    /// would have them wait for each other for ever.
    async fn displace(
        &self,
        tx: &mut dyn Tx,
        over: &mut [Session],
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Vec<Revocation>, StoreError> {
        over.sort_by(|one, other| one.id.cmp(&other.id));
        let mut revocations = Vec::new();
        for session in over {
            let (first, revocation) = revoke_session(tx, &session.id, now).await?;
            // A parallel sign-in, or another end the session store did not hear of, may have been faster.
            if first {
                let (event, who) = (AuditEventName::SessionDisplaced, (None, Some(session.user_id)));
                let detail = format!("more than {} sessions", self.settings.max_sessions);
                record_with(tx, event, who, Some(&session.id), (context, detail), now).await?;
            }
            revocations.push(revocation);
        }
        Ok(revocations)
    }
}

/// Orders sessions by when they were seen; the identifier decides between equals, the same way for everybody.
fn recency(session: &Session) -> (Timestamp, Timestamp, &str) {
    (session.last_seen_at, session.created_at, session.id.as_str())
}

#[cfg(test)]
mod tests;
