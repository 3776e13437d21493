use std::sync::Arc;

use keystead_domain::account::{AccountStatus, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::EndReason;
use thiserror::Error;

use super::change_password::ChangeDesk;
use crate::admin::is_last_administrator;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, SessionStore, Store};
use crate::service::{Caller, Revoker, Unproved, raise_epoch, record, standing_of};

/// Why an account was not closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeactivateAccountError {
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The person must prove again who they are first.
    #[error("a fresh sign-in is needed")]
    ReauthenticationRequired,
    /// Nobody of the person's role would be left.
    #[error("the account is the last of its role")]
    LastAdministrator,
    /// The account ended meanwhile.
    #[error("there is no such account")]
    NotFound,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(DeactivateAccountError);

impl From<Unproved> for DeactivateAccountError {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::MfaRequired => Self::MfaRequired,
            Unproved::ReauthRequired => Self::ReauthenticationRequired,
        }
    }
}

/// Closes a person's own account: every session ends, it is purged after the configured time, the owner is told.
pub struct DeactivateAccount {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    desk: ChangeDesk,
}

impl DeactivateAccount {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        desk: ChangeDesk,
    ) -> Self {
        Self { store, sessions, clock, desk }
    }

    /// Runs it.
    pub async fn run(&self, caller: &Caller, context: &RequestContext) -> Result<(), DeactivateAccountError> {
        let now = self.clock.now();
        let claims = &caller.claims;
        let id = claims.subject;
        let mut tx = self.store.begin().await?;
        // Closed by an operator meanwhile: its owner's wish must not turn a ban into something milder.
        let user = tx.users().get(id).await?.filter(User::is_active);
        let mut user = user.ok_or(DeactivateAccountError::NotFound)?;
        let settings = &self.desk.login.settings;
        let standing = standing_of(&mut *tx, &user, settings).await?;
        caller.require(&standing, settings.factors.second_factor, now)?;
        if is_last_administrator(&mut *tx, &user).await? {
            return Err(DeactivateAccountError::LastAdministrator);
        }
        user.status = AccountStatus::Deactivated;
        user.updated_at = now;
        tx.users().update(&user).await?;
        tx.devices().forget_all(id).await?;
        let change = raise_epoch(&mut *tx, id, true, now).await?.ok_or(DeactivateAccountError::NotFound)?;
        let notice = Notice::AccountDeactivated { occasion: context.occasion(now) };
        self.desk.login.postbox.notify(&mut *tx, &user, notice, now).await?;
        let session = claims.session();
        record(&mut *tx, AuditEventName::UserDeactivated, (Some(id), Some(id)), Some(&session), context, now).await?;
        tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(id, None, EndReason::EpochEnded, now).await);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
