use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{RefreshPolicy, Session, TokenId};

use crate::failure::Failure;
use crate::ports::{Clock, LoginRecord, SessionStore, Store};

/// Where a page of the login history ended.
pub type HistoryCursor = (Timestamp, TokenId);

/// Shows a person their own sessions and logins.
pub struct SessionOverview {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    policy: RefreshPolicy,
}

impl SessionOverview {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        policy: RefreshPolicy,
    ) -> Self {
        Self { store, sessions, clock, policy }
    }

    /// Living sessions, newest first.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>, Failure> {
        let now = self.clock.now();
        let mut sessions = self.sessions.list(user, now).await?;
        sessions.retain(|session| session.is_live(now, &self.policy));
        Ok(sessions)
    }

    /// Logins, newest first.
    pub async fn logins(
        &self,
        user: UserId,
        after: Option<HistoryCursor>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, Failure> {
        Ok(self.store.read().await?.login_history().list(user, after, size).await?)
    }
}
