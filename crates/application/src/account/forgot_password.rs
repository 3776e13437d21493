use std::sync::Arc;

use keystead_domain::account::{Epoch, LinkPurpose, LinkToken, LoginName, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::{SecretString, Timestamp, limits};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::{Message, Notice};
use crate::ports::{Clock, Store};
use crate::service::{TokenIssuer, record, to_user};
use crate::session::LoginDesk;

/// Why no link was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgotPasswordError {
    /// Asked for too often, whether the account exists or not.
    #[error("too many links were asked for")]
    Limited {
        /// When another can be asked for.
        again_at: Timestamp,
    },
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ForgotPasswordError);

/// Mails a link that leads to a new password. For a name nobody has, the same rows are written and nothing is sent.
pub struct ForgotPassword {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    desk: LoginDesk,
}

impl ForgotPassword {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, issuer: Arc<TokenIssuer>, desk: LoginDesk) -> Self {
        Self { store, clock, issuer, desk }
    }

    /// Runs it. `Ok` says nothing about the account. `device`: the token of a browser signed in with before; the owner's has
    /// a budget of its own, which strangers cannot use up (G10).
    pub async fn run(
        &self,
        identity: &str,
        device: Option<&SecretString>,
        context: &RequestContext,
    ) -> Result<(), ForgotPasswordError> {
        let now = self.clock.now();
        let name = LoginName::parse(identity);
        let (secret, hash) = self.issuer.link_token();
        let (guard, policy) = (&self.desk.guard, self.desk.settings.limits.forgot);
        let device = device.map(|token| guard.device_hash(token.expose()));

        let mut tx = self.store.begin().await?;
        if guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            return Ok(());
        }
        let user = tx.users().find_by_login_name(&name).await?.map(|(user, _)| user);
        let asker = guard.guesser(&mut *tx, user.as_ref().map(|user| user.id), &name, device, now).await?;
        if let Err(again_at) = guard.reserve(&mut *tx, &guard.ticket(policy, &asker), now).await? {
            return Err(ForgotPasswordError::Limited { again_at });
        }
        // A closed account gets no link: a reset must not reopen it.
        let owner = user.filter(User::is_active);
        let token = LinkToken {
            hash,
            purpose: LinkPurpose::Reset,
            user_id: owner.as_ref().map(|user| user.id),
            epoch: owner.as_ref().map_or_else(Epoch::default, |user| user.epoch),
            begun_as: None,
            factor_proved: false,
            created_at: now,
            expires_at: now.plus(limits::RESET_LINK_LIFE),
        };
        tx.link_tokens().issue(&token).await?;
        let message = self.message(owner.as_ref(), secret.expose()).or_in(context.languages.as_deref());
        self.desk.postbox.post(&mut *tx, &message, now, limits::RESET_LINK_LIFE).await?;
        let subject = owner.map(|user| user.id);
        record(&mut *tx, AuditEventName::PasswordResetRequested, (None, subject), None, context, now).await?;
        tx.commit().await?;
        Ok(())
    }

    fn message(&self, owner: Option<&User>, secret: &str) -> Message {
        match owner {
            Some(user) => {
                let link = format!("{}/reset-password#token={secret}", self.desk.settings.public_url);
                to_user(user, Notice::ResetPassword { link, minutes: limits::RESET_LINK_LIFE.as_secs() / 60 })
            }
            None => Message::decoy(),
        }
    }
}

#[cfg(test)]
mod tests;
