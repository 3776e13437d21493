use std::sync::Arc;

use keystead_domain::account::User;
use keystead_domain::audit::AuditEventName;
use keystead_domain::srp::SrpCredential;
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, Store};
use crate::service::{
    AuthorizedTokens, Caller, Continuation, Continued, Secrets, Unproved, raise_epoch, record, standing_of,
};
use crate::session::LoginDesk;

/// Why no credential was added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddSrpError {
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The person must prove again who they are first.
    #[error("a fresh sign-in is needed")]
    ReauthRequired,
    /// There is one. It is replaced by a change of password.
    #[error("there is an SRP credential")]
    Exists,
    /// Changed too often.
    #[error("too many changes")]
    Limited {
        /// When another counts.
        again_at: keystead_domain::Timestamp,
    },
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(AddSrpError);

impl From<Unproved> for AddSrpError {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::MfaRequired => Self::MfaRequired,
            Unproved::ReauthRequired => Self::ReauthRequired,
        }
    }
}

/// Adds an SRP credential to an account that has none: the way from a password to one the server never sees. A password stays
/// as it is until it is replaced. Sessions stay; the next refresh carries the new epoch; the owner is told.
pub struct AddSrpCredential {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    secrets: Secrets,
    continuation: Continuation,
    desk: LoginDesk,
}

impl AddSrpCredential {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        secrets: Secrets,
        continuation: Continuation,
        desk: LoginDesk,
    ) -> Self {
        Self { store, clock, secrets, continuation, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        caller: &Caller,
        credential: &SrpCredential,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, AddSrpError> {
        let now = self.clock.now();
        let claims = &caller.claims;
        let mut tx = self.store.begin().await?;
        let user = tx.users().get(claims.subject).await?;
        let user = user.filter(|user| user.is_active() && user.epoch == claims.epoch);
        let user: User = user.ok_or(AddSrpError::SessionOver)?;
        let standing = standing_of(&mut *tx, &user, &self.desk.settings).await?;
        caller.require(&standing, self.desk.settings.factors.second_factor, now)?;
        let ticket = self.desk.guard.account(self.desk.settings.limits.factor_change, user.id);
        if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, now).await? {
            return Err(AddSrpError::Limited { again_at });
        }
        if tx.srp().get(user.id).await?.is_some() {
            return Err(AddSrpError::Exists);
        }
        self.secrets.put(&mut *tx, user.id, credential, now).await?;
        let change = raise_epoch(&mut *tx, user.id, false, now).await?.ok_or(AddSrpError::SessionOver)?;
        let notice = Notice::PasswordChanged { occasion: context.occasion(now) };
        self.desk.postbox.notify(&mut *tx, &user, notice, now).await?;
        let (who, session) = ((Some(user.id), Some(user.id)), claims.session());
        record(&mut *tx, AuditEventName::SrpVerifierSet, who, Some(&session), context, now).await?;
        tx.commit().await?;
        let continued =
            Continued { user: user.id, role: user.role, session, change, ends_others: false, proved: false };
        self.continuation.go_on(continued, now).await?.ok_or(AddSrpError::SessionOver)
    }
}
