use std::sync::Arc;

use keystead_domain::SecretString;
use keystead_domain::account::{AccountStatus, LinkPurpose, PasswordRefusal, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::Amr;
use thiserror::Error;

use super::reset_password::own_words;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Store};
use crate::service::{
    AuthorizedTokens, NewSecret, Secrets, SessionOpener, TokenIssuer, WaysIn, record, record_sign_in,
};
use crate::session::LoginDesk;

/// The first password of an account that an operator made.
#[derive(Clone, Debug)]
pub struct ActivateAccountCommand {
    /// The token of the mailed link.
    pub token: SecretString,
    /// What they will sign in with.
    pub secret: NewSecret,
}

/// Why the account was not activated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActivateAccountError {
    /// Used, expired, replaced, or never ours.
    #[error("the link is not valid")]
    LinkInvalid,
    /// The password cannot be chosen. The link stays good.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ActivateAccountError);

/// Sets the first password of an account and signs its owner in.
pub struct ActivateAccount {
    store: Arc<dyn Store>,
    sessions: SessionOpener,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    desk: LoginDesk,
}

impl ActivateAccount {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: SessionOpener,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        desk: LoginDesk,
    ) -> Self {
        Self { store, sessions, secrets, clock, issuer, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        command: ActivateAccountCommand,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ActivateAccountError> {
        let token = self.issuer.link_hash(command.token.expose());
        let user = self.owner(token).await?;
        let accepted = Secrets::accept(command.secret, &self.desk.settings.passwords, &own_words(&user))?;
        let secret = self.secrets.prepare(accepted).await?;

        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let link = tx.link_tokens().consume(token, LinkPurpose::Activate, now).await?;
        let user = match link.and_then(|link| link.user_id.map(|id| (id, link.epoch))) {
            Some((id, epoch)) => tx.users().get(id).await?.filter(|user| user.is_active() && user.epoch == epoch),
            None => None,
        };
        let user = user.ok_or(ActivateAccountError::LinkInvalid)?;
        // Who enrolled something meanwhile comes in by it, past its second factor (G11).
        if !WaysIn::of(&mut *tx, &user, &self.desk.settings).await?.are_none() {
            return Err(ActivateAccountError::LinkInvalid);
        }
        self.secrets.replace(&mut *tx, user.id, &secret, now).await?;
        let sign_in = self.issuer.sign_in(&user, vec![Amr::Password], context, now)?;
        if let Some(event) = secret.event() {
            record(&mut *tx, event, (Some(user.id), Some(user.id)), None, context, now).await?;
        }
        let event = AuditEventName::UserActivated;
        record_sign_in(&mut *tx, &self.desk.guard, &user, &sign_in, event, context, now).await?;
        tx.commit().await?;
        self.sessions.open(&sign_in.session, context, now).await?;
        Ok(sign_in.tokens)
    }

    async fn owner(&self, token: keystead_domain::account::LinkTokenHash) -> Result<User, ActivateAccountError> {
        let mut tx = self.store.read().await?;
        let link = tx.link_tokens().find(token, LinkPurpose::Activate, self.clock.now()).await?;
        let user = match link.and_then(|link| link.user_id) {
            Some(id) => tx.users().get(id).await?,
            None => None,
        };
        user.filter(|user| user.status == AccountStatus::Active).ok_or(ActivateAccountError::LinkInvalid)
    }
}

#[cfg(test)]
mod tests;
