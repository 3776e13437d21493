use keystead_domain::account::{Role, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{EndReason, Revocation, RevocationTarget, Session, SessionId};
use keystead_domain::{Timestamp, limits};

use super::{AdminDesk, AdminError};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::LoginRecord;
use crate::service::{Caller, Revoker, raise_epoch, revoke_session};
use crate::session::HistoryCursor;

/// Most logins that are looked through for one page of living sessions.
const LOOKED_THROUGH: u32 = 500;

/// A page of living sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// Newest sign-in first.
    pub sessions: Vec<Session>,
    /// Where the next page begins. There may be one though this one is not full: most sessions of long ago are over.
    pub next: Option<HistoryCursor>,
}

/// Shows and ends sessions of other people. Nobody ends those of who is above them, or whoever is about to be demoted could
/// keep everybody out who would do it.
pub struct ManageSessions {
    desk: AdminDesk,
}

impl ManageSessions {
    /// The use-case with its dependencies.
    pub fn new(desk: AdminDesk) -> Self {
        Self { desk }
    }

    /// Living sessions of everybody, newest sign-in first.
    pub async fn list(
        &self,
        caller: &Caller,
        mut after: Option<HistoryCursor>,
        size: u32,
    ) -> Result<SessionPage, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        let now = self.desk.clock.now();
        let mut sessions = Vec::new();
        let mut looked_through = 0;
        while looked_through < LOOKED_THROUGH {
            let mut tx = self.desk.store.read().await?;
            let everybody = tx.revocations().everybody_ended_at().await?;
            let logins = tx.login_history().list_all(after.clone(), size).await?;
            drop(tx);
            let is_last = logins.len() < size as usize;
            for login in logins {
                looked_through += 1;
                if let Some(session) = self.living(&login, everybody, now).await? {
                    sessions.push(session);
                }
                after = Some((login.at, login.token_id));
                if sessions.len() == size as usize {
                    return Ok(SessionPage { sessions, next: after });
                }
            }
            // Nothing that was signed in to before this can be alive.
            if is_last || after.as_ref().is_some_and(|(at, _)| now.since(*at) > self.desk.settings.lifetimes.session) {
                return Ok(SessionPage { sessions, next: None });
            }
        }
        Ok(SessionPage { sessions, next: after })
    }

    /// Living sessions of one person, newest first.
    pub async fn of_user(&self, caller: &Caller, user: UserId) -> Result<Vec<Session>, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        let now = self.desk.clock.now();
        let everybody = self.desk.store.read().await?.revocations().everybody_ended_at().await?;
        let mut sessions = self.desk.sessions.list(user, now).await?;
        sessions.retain(|session| self.is_alive(session, everybody, now));
        Ok(sessions)
    }

    async fn living(
        &self,
        login: &LoginRecord,
        everybody: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Session>, AdminError> {
        let session = self.desk.sessions.find(&login.token_id.session(), now).await?;
        Ok(session.filter(|session| self.is_alive(session, everybody, now)))
    }

    fn is_alive(&self, session: &Session, everybody: Option<Timestamp>, now: Timestamp) -> bool {
        session.is_live(now, &self.desk.settings.lifetimes.refresh)
            && everybody.is_none_or(|until| session.created_at > until)
    }

    /// Ends one session.
    pub async fn end(&self, caller: &Caller, id: &SessionId, context: &RequestContext) -> Result<(), AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        let now = self.desk.clock.now();
        let session = self.desk.sessions.find(id, now).await?.filter(|session| session.ended.is_none());
        let session = session.ok_or(AdminError::NotFound)?;
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        let user = act.target(session.user_id).await?;
        let (first, revocation) = revoke_session(&mut *act.tx, id, now).await?;
        if first {
            act.record(AuditEventName::SessionEndedByAdmin, Some(user.id), Some(id)).await?;
            act.tell(&self.desk.postbox, &user, "session_ended").await?;
        }
        act.tx.commit().await?;
        self.desk.revoker.announce(&[revocation]).await;
        Revoker::told(self.desk.sessions.end(id, EndReason::LoggedOut, now).await);
        Ok(())
    }

    /// Ends all sessions of a person, and every access token of theirs.
    pub async fn end_all_of(&self, caller: &Caller, user: UserId, context: &RequestContext) -> Result<(), AdminError> {
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        let owner = act.target(user).await?;
        if !owner.is_active() {
            // A closed account has no sessions, and the time of its closing stays what it is.
            return Ok(());
        }
        let change = raise_epoch(&mut *act.tx, user, true, act.now).await?.ok_or(AdminError::NotFound)?;
        act.invite_again(&self.desk, &owner, change.epoch).await?;
        act.record(AuditEventName::AllSessionsEndedByAdmin, Some(user), None).await?;
        act.tell(&self.desk.postbox, &owner, "sessions_ended").await?;
        let now = act.now;
        act.tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.desk.sessions.end_all(user, None, EndReason::LoggedOut, now).await);
        Ok(())
    }

    /// Ends every session and every access token there is, the caller's too: for when it is not known what was stolen. One
    /// row does it, however many sessions there are; nobody is sent a message.
    pub async fn end_everybody(&self, caller: &Caller, context: &RequestContext) -> Result<(), AdminError> {
        let mut act = self.desk.begin(caller, Role::SuperAdmin, context).await?;
        let revocation = Revocation { target: RevocationTarget::Everybody, at: act.now };
        act.tx.revocations().append(&revocation).await?;
        // A row takes the time of the newest before it. One from a clock far ahead would end what is made for as long.
        let until = act.tx.revocations().everybody_ended_at().await?.unwrap_or(act.now);
        if until.since(act.now) > limits::LEEWAY {
            let ahead = until.since(act.now).as_secs();
            return Err(Failure::Unavailable(format!("the clock of another process is {ahead} s ahead")).into());
        }
        let revocation = Revocation { at: until, ..revocation };
        act.record(AuditEventName::EverybodySignedOut, None, None).await?;
        act.tx.commit().await?;
        self.desk.revoker.announce(&[revocation]).await;
        Ok(())
    }
}
