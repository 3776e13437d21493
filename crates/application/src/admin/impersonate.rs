use keystead_domain::account::{Reason, Role, User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::limits;

use super::desk::Act;
use super::{AdminDesk, AdminError};
use crate::context::RequestContext;
use crate::message::Notice;
use crate::ports::LoginRecord;
use crate::service::{AuthorizedTokens, Caller, SignIn};

/// Lets a super-admin act as a user for a quarter of an hour at most.
///
/// The token names both (`act`, RFC 8693 section 4.1) and is bound to the administrator's client and session. There is no
/// refresh token. It ends with the administrator's session, and with every change of role, standing or credentials of either.
/// Its user sees it among their sessions and logins, may end it, and is told.
pub struct Impersonate {
    desk: AdminDesk,
    /// Whether the user is sent a message.
    tells: bool,
}

impl Impersonate {
    /// The use-case with its dependencies.
    pub fn new(desk: AdminDesk, tells: bool) -> Self {
        Self { desk, tells }
    }

    /// Runs it.
    pub async fn run(
        &self,
        caller: &Caller,
        target: UserId,
        reason: &Reason,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, AdminError> {
        if caller.claims.actor.is_some() {
            return Err(AdminError::ImpersonationForbidden);
        }
        AdminDesk::require(caller, Role::SuperAdmin)?;
        let now = self.desk.clock.now();
        let own = self.desk.sessions.find(&caller.claims.session(), now).await?;
        let own = own.filter(|session| session.ended.is_none()).ok_or(AdminError::SessionOver)?;

        let mut act = self.desk.begin(caller, Role::SuperAdmin, context).await?;
        let user = act.tx.users().get(target).await?.ok_or(AdminError::NotFound)?;
        if target == act.admin || !act.role.may_impersonate(user.role) || !user.is_active() {
            act.record_with(AuditEventName::AuthorizationFailed, Some(target), "impersonation".to_owned()).await?;
            act.tx.commit().await?;
            return Err(AdminError::ImpersonationForbidden);
        }
        let begun = self.desk.issuer.impersonate(&user, &caller.claims, own.expires_at, context, now)?;
        self.write_down(&mut act, &user, &begun, reason).await?;
        act.tx.commit().await?;
        self.desk.sessions.insert(&begun.session).await?;
        Ok(begun.tokens)
    }

    async fn write_down(
        &self,
        act: &mut Act<'_>,
        user: &User,
        begun: &SignIn,
        reason: &Reason,
    ) -> Result<(), AdminError> {
        let login = LoginRecord {
            token_id: begun.tokens.claims.token_id.clone(),
            user_id: user.id,
            at: act.now,
            device: begun.session.device.clone(),
            impersonator: Some(act.admin),
        };
        act.tx.login_history().append(&login).await?;
        act.record_with(AuditEventName::ImpersonationStarted, Some(user.id), reason.to_string()).await?;
        if self.tells {
            let minutes = limits::IMPERSONATION_LIFE.as_secs() / 60;
            let notice = Notice::Impersonated { reason: reason.to_string(), minutes, at: act.now.as_seconds() };
            self.desk.postbox.notify(&mut *act.tx, user, notice, act.now).await?;
        }
        Ok(())
    }
}
