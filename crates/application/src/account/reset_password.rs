use std::sync::Arc;

use keystead_domain::account::{LinkPurpose, LinkToken, PasswordRefusal, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::limits;
use keystead_domain::token::{EndReason, Factor, PreAuthorizedClaims, PreAuthorizedPurpose};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, SessionStore, Store, Tx};
use crate::service::{
    NewSecret, PreAuthorizedRequest, PreAuthorizedTokens, Revoker, Secrets, SignInDesk, raise_epoch, record,
    standing_of,
};
use crate::session::LoginDesk;

/// Why a link did not lead to the form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BeginResetError {
    /// Used, expired, replaced by a newer one, or never ours.
    #[error("the link is not valid")]
    LinkInvalid,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(BeginResetError);

/// Consumes a reset link and gives a token that only `/auth/password/reset` takes.
pub struct BeginReset {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    desk: SignInDesk,
}

impl BeginReset {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, desk: SignInDesk) -> Self {
        Self { store, clock, desk }
    }

    /// Runs it.
    pub async fn run(&self, token: &str, context: &RequestContext) -> Result<PreAuthorizedTokens, BeginResetError> {
        let now = self.clock.now();
        let hash = self.desk.issuer.link_hash(token);
        let mut tx = self.store.begin().await?;
        let found = tx.link_tokens().find(hash, LinkPurpose::Reset, now).await?;
        let user = owner(&mut *tx, found.as_ref()).await?.ok_or(BeginResetError::LinkInvalid)?;
        let tfa_options = asked_at_reset(&mut *tx, &user, &self.desk.settings).await?;
        let tokens = self.desk.issuer.pre_authorized(
            PreAuthorizedRequest {
                subject: user.id,
                epoch: user.epoch,
                purpose: PreAuthorizedPurpose::Reset,
                life: limits::RESET_GRANT_LIFE,
                flow: None,
                tfa_options,
                amr: Vec::new(),
            },
            context,
            now,
            |_| None,
        )?;
        let end = now.plus(limits::RESET_GRANT_LIFE);
        let begun = tx.link_tokens().begin(hash, LinkPurpose::Reset, &tokens.claims.token_id, end, now).await?;
        if begun.is_none() {
            return Err(BeginResetError::LinkInvalid);
        }
        record(&mut *tx, AuditEventName::PasswordResetBegun, (None, Some(user.id)), None, context, now).await?;
        tx.commit().await?;
        self.desk.codes.open(&tokens.claims, now).await?;
        Ok(tokens)
    }
}

/// Why the password was not replaced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResetPasswordError {
    /// The grant was used or replaced, or the account changed meanwhile.
    #[error("the link is not valid")]
    LinkInvalid,
    /// A second factor must be proved first. The grant stays good.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The password cannot be chosen. The grant stays good.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ResetPasswordError);

/// Replaces a forgotten password. Every session and artefact of the account ends, nobody is signed in, its owner is told.
pub struct ResetPassword {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    revoker: Arc<Revoker>,
    desk: LoginDesk,
}

impl ResetPassword {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        revoker: Arc<Revoker>,
        desk: LoginDesk,
    ) -> Self {
        Self { store, sessions, secrets, clock, revoker, desk }
    }

    /// Runs it for the owner of a pre-authorized token of purpose `reset`.
    pub async fn run(
        &self,
        claims: &PreAuthorizedClaims,
        new: NewSecret,
        context: &RequestContext,
    ) -> Result<(), ResetPasswordError> {
        let user = {
            let mut tx = self.store.read().await?;
            let begun = tx.link_tokens().find_begun(&claims.token_id, self.clock.now()).await?;
            let user = owner(&mut *tx, begun.as_ref()).await?.ok_or(ResetPasswordError::LinkInvalid)?;
            self.second_factor(&mut *tx, &user, begun.as_ref()).await?;
            user
        };
        let accepted = Secrets::accept(new, &self.desk.settings.passwords, &own_words(&user))?;
        let secret = self.secrets.prepare(accepted).await?;

        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let consumed = tx.link_tokens().consume_begun(&claims.token_id, now).await?;
        let user = owner(&mut *tx, consumed.as_ref()).await?.ok_or(ResetPasswordError::LinkInvalid)?;
        self.second_factor(&mut *tx, &user, consumed.as_ref()).await?;
        self.secrets.replace(&mut *tx, user.id, &secret, now).await?;
        tx.devices().forget_all(user.id).await?;
        let change = raise_epoch(&mut *tx, user.id, true, now).await?.ok_or(ResetPasswordError::LinkInvalid)?;
        let notice = Notice::PasswordReset { occasion: context.occasion(now) };
        self.desk.postbox.notify(&mut *tx, &user, notice, now).await?;
        for event in [Some(AuditEventName::PasswordReset), secret.event()].into_iter().flatten() {
            record(&mut *tx, event, (None, Some(user.id)), None, context, now).await?;
        }
        tx.commit().await?;
        self.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(user.id, None, EndReason::EpochEnded, now).await);
        Ok(())
    }

    /// Refuses who was to prove a second factor and did not.
    async fn second_factor(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        begun: Option<&LinkToken>,
    ) -> Result<(), ResetPasswordError> {
        let asked = asked_at_reset(tx, user, &self.desk.settings).await?;
        if asked.is_empty() || begun.is_some_and(|link| link.factor_proved) {
            return Ok(());
        }
        Err(ResetPasswordError::MfaRequired)
    }
}

/// The factors that a reset asks for: all but codes to where the link was sent, which its opening proved.
async fn asked_at_reset(
    tx: &mut dyn Tx,
    user: &User,
    settings: &crate::settings::Settings,
) -> Result<Vec<Factor>, crate::ports::StoreError> {
    let standing = standing_of(tx, user, settings).await?;
    let link = user.address().map(|address| address.kind().factor());
    Ok(standing.asks(settings.factors.second_factor, link, false))
}

/// The active owner of a link, provided nothing of their credentials changed since it was made.
async fn owner(tx: &mut dyn Tx, link: Option<&LinkToken>) -> Result<Option<User>, crate::ports::StoreError> {
    let Some((id, epoch)) = link.and_then(|link| link.user_id.map(|id| (id, link.epoch))) else {
        return Ok(None);
    };
    Ok(tx.users().get(id).await?.filter(|user| user.is_active() && user.epoch == epoch))
}

/// Words a person's password must not be.
pub(crate) fn own_words(user: &User) -> Vec<&str> {
    let username = user.username.as_ref().map(keystead_domain::account::Username::as_str);
    let full_name = user.full_name.as_ref().map(keystead_domain::account::FullName::as_str);
    let email = user.email_address().map(keystead_domain::account::EmailAddress::as_str);
    let phone = user.phone.as_ref().map(|contact| contact.address.as_str());
    [email, phone, username, full_name].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
