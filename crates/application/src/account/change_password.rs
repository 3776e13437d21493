use std::sync::Arc;

use keystead_domain::account::{Password, PasswordHash, PasswordRefusal};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{AccessClaims, Amr, EndReason};
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use super::reset_password::own_words;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, HashError, PasswordHasher, SessionStore, SessionUpdate, Store};
use crate::service::{AuthorizedTokens, GuessTicket, Revoker, TokenIssuer, raise_epoch, record};
use crate::session::LoginDesk;

/// A change of password.
#[derive(Clone, Debug)]
pub struct ChangePasswordCommand {
    /// What the access token says.
    pub claims: AccessClaims,
    /// The password until now.
    pub current: SecretString,
    /// The password from now on.
    pub new: SecretString,
}

/// Why the password was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangePasswordError {
    /// The current password is another.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The new password cannot be chosen.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// Tried too often.
    #[error("too many attempts")]
    Limited {
        /// When the next attempt counts.
        resets_at: Timestamp,
    },
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ChangePasswordError);

/// Changes the password of a signed-in person. This session goes on with fresh tokens; every other one ends, known
/// devices are forgotten, the owner is told.
pub struct ChangePassword {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    desk: ChangeDesk,
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
        sessions: Arc<dyn SessionStore>,
        hasher: Arc<dyn PasswordHasher>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        desk: ChangeDesk,
    ) -> Self {
        Self { store, sessions, hasher, clock, issuer, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        command: ChangePasswordCommand,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ChangePasswordError> {
        let user_id = command.claims.subject;
        let desk = &self.desk.login;
        let current = Password::for_verification(command.current.expose()).ok_or(ChangePasswordError::WrongPassword)?;
        let (user, hash) = {
            let mut tx = self.store.read().await?;
            let user = tx.users().get(user_id).await?.filter(keystead_domain::account::User::is_active);
            let user = user.ok_or(ChangePasswordError::SessionOver)?;
            (user, tx.users().password(user_id).await?)
        };
        let new = desk.settings.passwords.accept(command.new.expose(), &own_words(&user))?;
        let ticket = self.count_attempt(&command.claims).await?;
        let (old, new) = match self.hash_if_right(&current, hash, &new).await {
            Ok(Some(hashes)) => hashes,
            Ok(None) => return self.refuse(&command.claims, context).await,
            Err(error) => {
                desk.guard.give_back(&*self.store, &ticket).await?;
                return Err(error.into());
            }
        };

        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // Of two parallel changes with one current password the first wins: the second finds another hash.
        if !tx.users().upgrade_password(user_id, &old, &new).await? {
            return Err(ChangePasswordError::WrongPassword);
        }
        // What ended this session or account while hashes were computed must not be followed by an epoch it does not know.
        let user = tx.users().get(user_id).await?.filter(|user| user.is_active() && user.epoch == command.claims.epoch);
        let user = user.ok_or(ChangePasswordError::SessionOver)?;
        tx.devices().forget_all(user_id).await?;
        let change = raise_epoch(&mut *tx, user_id, true, now).await?.ok_or(ChangePasswordError::SessionOver)?;
        desk.postbox.notify(&mut *tx, &user, Notice::PasswordChanged { occasion: context.occasion(now) }, now).await?;
        let session = command.claims.session();
        record(&mut *tx, AuditEventName::PasswordChanged, (Some(user_id), Some(user_id)), Some(&session), context, now)
            .await?;
        tx.commit().await?;

        let update = SessionUpdate {
            epoch: Some((change.epoch, user.role)),
            auth_time: Some(now),
            amr: Some(vec![Amr::Password]),
            checked_at: Some(now),
        };
        // First, so that this session is not over for a moment; and announced even when it fails.
        let kept = self.sessions.update(&session, &update).await;
        self.desk.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(user_id, Some(session.clone()), EndReason::EpochEnded, now).await);
        let current = if kept? { self.sessions.find(&session, now).await? } else { None };
        Ok(self.issuer.access(&current.ok_or(ChangePasswordError::SessionOver)?, now)?)
    }

    /// The stored hash and the new one; `None` when the current password is another.
    async fn hash_if_right(
        &self,
        current: &Password,
        stored: Option<PasswordHash>,
        new: &Password,
    ) -> Result<Option<(PasswordHash, PasswordHash)>, HashError> {
        let Some(stored) = stored else {
            self.hasher.verify_dummy(current).await?;
            return Ok(None);
        };
        if !self.hasher.verify(current, &stored).await? {
            return Ok(None);
        }
        Ok(Some((stored, self.hasher.hash(new).await?)))
    }

    async fn count_attempt(&self, claims: &AccessClaims) -> Result<GuessTicket, ChangePasswordError> {
        let desk = &self.desk.login;
        let ticket = desk.guard.account(desk.settings.limits.password_change, claims.subject);
        let mut tx = self.store.begin().await?;
        if let Err(resets_at) = desk.guard.reserve(&mut *tx, &ticket, self.clock.now()).await? {
            return Err(ChangePasswordError::Limited { resets_at });
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
