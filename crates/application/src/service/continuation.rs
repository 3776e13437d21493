use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{Role, UserId};
use keystead_domain::token::{EndReason, SessionId};

use super::{AuthorizedTokens, EpochChange, Revoker, TokenIssuer};
use crate::failure::Failure;
use crate::ports::{SessionStore, SessionUpdate};

/// Lets the session in which a person changed their credentials go on, after the commit that raised the epoch: the
/// session is confirmed under the new epoch, every replica is told, and the person gets a fresh access token.
#[derive(Clone)]
pub struct Continuation {
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Tells every replica.
    pub revoker: Arc<Revoker>,
}

/// What a change means for sessions.
#[derive(Clone, Debug)]
pub(crate) struct Continued {
    pub user: UserId,
    pub role: Role,
    pub session: SessionId,
    pub change: EpochChange,
    /// Every other session ends.
    pub ends_others: bool,
    /// The change took a proof of who they are.
    pub proved: bool,
}

impl Continuation {
    /// Goes on. `None`: the session ended meanwhile.
    pub(crate) async fn go_on(&self, it: Continued, now: Timestamp) -> Result<Option<AuthorizedTokens>, Failure> {
        let update = SessionUpdate {
            epoch: Some((it.change.epoch, it.role)),
            auth_time: it.proved.then_some(now),
            amr: None,
            checked_at: Some(now),
        };
        // First, so that this session is not over for a moment; and announced even when it fails.
        let kept = self.sessions.update(&it.session, &update).await;
        self.revoker.announce(&[it.change.revocation]).await;
        if it.ends_others {
            let except = Some(it.session.clone());
            Revoker::told(self.sessions.end_all(it.user, except, EndReason::EpochEnded, now).await);
        }
        let current = if kept? { self.sessions.find(&it.session, now).await? } else { None };
        current.map(|session| self.issuer.access(&session, now)).transpose().map_err(Failure::from)
    }
}
