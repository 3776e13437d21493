use std::sync::Arc;

use keystead_domain::account::{Password, PasswordHash, PasswordRefusal, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::SecondFactorPolicy;
use keystead_domain::token::AccessClaims;
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use super::reset_password::own_words;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, HashError, Store};
use crate::service::{
    AcceptedSecret, AuthorizedTokens, Caller, Continuation, Continued, GuessTicket, KeptSecret, NewSecret, Revoker,
    Secrets, Unproved, raise_epoch, record, standing_of,
};
use crate::session::LoginDesk;

/// A change of password.
#[derive(Clone, Debug)]
pub struct ChangePasswordCommand {
    /// Who asks.
    pub caller: Caller,
    /// The password until now; `None` for an account without one.
    pub current: Option<SecretString>,
    /// What takes the place of the password, and of an SRP credential.
    pub new: NewSecret,
}

/// Why the password was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangePasswordError {
    /// The current password is another, or was left out.
    #[error("the current password is wrong")]
    WrongPassword,
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The account has no password: the person must prove again who they are first.
    #[error("a fresh sign-in is needed")]
    ReauthRequired,
    /// The new password cannot be chosen.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// Tried too often.
    #[error("too many attempts")]
    Limited {
        /// When the next attempt counts.
        again_at: Timestamp,
    },
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ChangePasswordError);

impl From<Unproved> for ChangePasswordError {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::MfaRequired => Self::MfaRequired,
            Unproved::ReauthRequired => Self::ReauthRequired,
        }
    }
}

/// Changes the password of a signed-in person. This session goes on with fresh tokens; every other one ends, known
/// devices are forgotten, the owner is told.
pub struct ChangePassword {
    store: Arc<dyn Store>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    continuation: Continuation,
    desk: LoginDesk,
}

/// What a change tells, counts and ends.
#[derive(Clone)]
pub struct ChangeDesk {
    /// Mail, budgets, settings.
    pub login: LoginDesk,
    /// Tells every replica.
    pub revoker: Arc<Revoker>,
}

impl ChangePassword {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        continuation: Continuation,
        desk: LoginDesk,
    ) -> Self {
        Self { store, secrets, clock, continuation, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        command: ChangePasswordCommand,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ChangePasswordError> {
        let claims = &command.caller.claims;
        let (user, stored) = self.allowed(&command).await?;
        let new = Secrets::accept(command.new, &self.desk.settings.passwords, &own_words(&user))?;
        let ticket = self.count_attempt(claims).await?;
        let prepared = match (&command.current, stored) {
            (_, None) => self.secrets.prepare(new).await.map(|secret| Some((None, secret))),
            (Some(current), Some(stored)) => self.prepare_if_right(current, stored, new).await,
            (None, Some(_)) => Ok(None),
        };
        let (old, new) = match prepared {
            Ok(Some(pair)) => pair,
            Ok(None) => return self.refuse(claims, context).await,
            Err(error) => {
                self.desk.guard.give_back(&*self.store, &ticket).await?;
                return Err(error.into());
            }
        };
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // What ended this session or account while hashes were computed must not be followed by an epoch it does not know.
        let user = tx.users().get(claims.subject).await?;
        let user = user.filter(|user| user.is_active() && user.epoch == claims.epoch);
        // Of two parallel changes with one current password the first wins: the second finds another hash.
        if tx.users().password(claims.subject).await? != old {
            return Err(ChangePasswordError::WrongPassword);
        }
        let user = user.ok_or(ChangePasswordError::SessionOver)?;
        self.secrets.replace(&mut *tx, user.id, &new, now).await?;
        tx.devices().forget_all(user.id).await?;
        let change = raise_epoch(&mut *tx, user.id, true, now).await?.ok_or(ChangePasswordError::SessionOver)?;
        let notice = Notice::PasswordChanged { occasion: context.occasion(now) };
        self.desk.postbox.notify(&mut *tx, &user, notice, now).await?;
        let (who, session) = ((Some(user.id), Some(user.id)), claims.session());
        for event in [Some(AuditEventName::PasswordChanged), new.event()].into_iter().flatten() {
            record(&mut *tx, event, who, Some(&session), context, now).await?;
        }
        tx.commit().await?;
        let continued = Continued { user: user.id, role: user.role, session, change, ends_others: true, proved: true };
        self.continuation.go_on(continued, now).await?.ok_or(ChangePasswordError::SessionOver)
    }

    /// The person and their password hash, provided they proved what a change takes.
    async fn allowed(
        &self,
        command: &ChangePasswordCommand,
    ) -> Result<(User, Option<PasswordHash>), ChangePasswordError> {
        let policy = self.desk.settings.factors.second_factor;
        let mut tx = self.store.read().await?;
        let user = tx.users().get(command.caller.claims.subject).await?.filter(User::is_active);
        let user = user.ok_or(ChangePasswordError::SessionOver)?;
        let standing = standing_of(&mut *tx, &user, &self.desk.settings).await?;
        let hash = tx.users().password(user.id).await?;
        if hash.is_none() || standing.is_enrolled() && policy != SecondFactorPolicy::Never {
            command.caller.require(&standing, policy, self.clock.now())?;
        }
        Ok((user, hash))
    }

    /// The stored hash and the new secret; `None` when the current password is another.
    async fn prepare_if_right(
        &self,
        current: &SecretString,
        stored: PasswordHash,
        new: AcceptedSecret,
    ) -> Result<Option<(Option<PasswordHash>, KeptSecret)>, HashError> {
        let Some(current) = Password::for_verification(current.expose()) else { return Ok(None) };
        if !self.secrets.hasher().verify(&current, &stored).await? {
            return Ok(None);
        }
        Ok(Some((Some(stored), self.secrets.prepare(new).await?)))
    }

    async fn count_attempt(&self, claims: &AccessClaims) -> Result<GuessTicket, ChangePasswordError> {
        let desk = &self.desk;
        let ticket = desk.guard.account(desk.settings.limits.password_change, claims.subject);
        let mut tx = self.store.begin().await?;
        if let Err(again_at) = desk.guard.reserve(&mut *tx, &ticket, self.clock.now()).await? {
            return Err(ChangePasswordError::Limited { again_at });
        }
        tx.commit().await?;
        Ok(ticket)
    }

    async fn refuse(
        &self,
        claims: &AccessClaims,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ChangePasswordError> {
        let mut tx = self.store.begin().await?;
        let who = (Some(claims.subject), Some(claims.subject));
        let session = claims.session();
        record(&mut *tx, AuditEventName::PasswordChangeFailed, who, Some(&session), context, self.clock.now()).await?;
        tx.commit().await?;
        Err(ChangePasswordError::WrongPassword)
    }
}

#[cfg(test)]
mod tests;
