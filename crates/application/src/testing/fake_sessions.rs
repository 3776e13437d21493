use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{EndReason, Presented, Session, SessionId};

use super::lock;
use crate::ports::{EphemeralError, Rotation, SessionStore, SessionUpdate};

/// Sessions in memory. Every operation holds one lock from its look to its change.
#[derive(Debug, Default)]
pub struct FakeSessions(Mutex<BTreeMap<SessionId, Session>>);

impl FakeSessions {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with these sessions.
    pub fn with(sessions: impl IntoIterator<Item = Session>) -> Self {
        Self(Mutex::new(sessions.into_iter().map(|session| (session.id.clone(), session)).collect()))
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<SessionId, Session>> {
        lock(&self.0)
    }
}

#[async_trait]
impl SessionStore for FakeSessions {
    async fn insert(&self, session: &Session) -> Result<(), EphemeralError> {
        self.sessions().insert(session.id.clone(), session.clone());
        Ok(())
    }

    async fn find(&self, id: &SessionId, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        Ok(self.sessions().get(id).filter(|session| now < session.expires_at).cloned())
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<Option<(Presented, Session)>, EphemeralError> {
        let mut sessions = self.sessions();
        Ok(sessions.get_mut(&rotation.session).map(|session| (session.present(&rotation.shown), session.clone())))
    }

    async fn end(&self, id: &SessionId, reason: EndReason, now: Timestamp) -> Result<Option<Session>, EphemeralError> {
        let mut sessions = self.sessions();
        let found = sessions.get_mut(id).filter(|session| now < session.expires_at);
        Ok(found.map(|session| {
            session.ended.get_or_insert(reason);
            session.clone()
        }))
    }

    async fn end_all(
        &self,
        user: UserId,
        except: Option<SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, EphemeralError> {
        let mut ended = Vec::new();
        for session in self.sessions().values_mut() {
            let live = session.ended.is_none() && now < session.expires_at;
            if live && session.user_id == user && Some(&session.id) != except.as_ref() {
                session.ended = Some(reason);
                ended.push(session.id.clone());
            }
        }
        Ok(ended)
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, EphemeralError> {
        let sessions = self.sessions();
        let live = sessions.values().filter(|s| s.user_id == user && s.ended.is_none() && now < s.expires_at);
        let mut listed: Vec<Session> = live.cloned().collect();
        listed.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(listed)
    }

    async fn update(&self, id: &SessionId, update: &SessionUpdate) -> Result<bool, EphemeralError> {
        let mut sessions = self.sessions();
        let Some(session) = sessions.get_mut(id).filter(|session| session.ended.is_none()) else {
            return Ok(false);
        };
        if let Some((epoch, role)) = update.epoch {
            (session.epoch, session.role) = (epoch, role);
        }
        if let Some(amr) = &update.amr {
            session.amr.clone_from(amr);
        }
        session.auth_time = update.auth_time.unwrap_or(session.auth_time);
        session.checked_at = update.checked_at.unwrap_or(session.checked_at);
        Ok(true)
    }

    async fn ping(&self) -> Result<(), EphemeralError> {
        Ok(())
    }

    async fn touch(&self, seen: &[(SessionId, Timestamp)]) -> Result<(), EphemeralError> {
        let mut sessions = self.sessions();
        for (id, at) in seen {
            if let Some(session) = sessions.get_mut(id) {
                session.last_seen_at = session.last_seen_at.max(*at);
            }
        }
        Ok(())
    }
}
