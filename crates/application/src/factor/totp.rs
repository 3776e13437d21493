use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{FailureSlot, PendingTotp, Totp};
use keystead_domain::token::{Factor, OneTimeCode};
use keystead_domain::{SecretString, limits};

use super::desk::{Change, FactorDesk, FactorError, Made};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::message::Notice;
use crate::service::{AuthorizedTokens, Caller};

/// A secret to be put into an authenticator program. Shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpEnrolment {
    /// `otpauth://totp/…`.
    pub uri: SecretString,
    /// The secret in base 32.
    pub secret: SecretString,
    /// The URI as a QR code, an SVG document.
    pub qr_svg: SecretString,
}

/// Time-based codes (RFC 6238) of a person. A new secret counts once a code of it was shown; until then the old one does.
pub struct TotpFactor {
    desk: FactorDesk,
}

impl TotpFactor {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk) -> Self {
        Self { desk }
    }

    /// Makes a secret that waits to be confirmed, in the place of one that waited.
    pub async fn begin(&self, caller: &Caller) -> Result<TotpEnrolment, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let mut opened = desk.open(caller, now).await?;
        let user = &opened.user;
        let (secret, sealed) = desk.tools.factors.new_secret(user.id)?;
        let mut totp = opened.tx.factors().totp(user.id).await?.unwrap_or_else(|| Totp::new(user.id));
        totp.pending = Some(PendingTotp { sealed, expires_at: now.plus(limits::TOTP_PENDING_LIFE) });
        opened.tx.factors().put_totp(&totp).await?;
        let account = user.label();
        opened.tx.commit().await?;
        let algorithm = desk.tools.factors.algorithm();
        let uri = algorithm.uri(secret.expose(), &desk.login.settings.factors.totp_issuer, &account);
        let qr_svg = algorithm.qr_svg(uri.expose());
        let qr_svg = qr_svg.ok_or_else(|| Failure::Internal("no QR code could be drawn".into()))?;
        Ok(TotpEnrolment { secret: algorithm.text(secret.expose()), uri, qr_svg })
    }

    /// Confirms the secret with a code of it.
    pub async fn confirm(
        &self,
        caller: &Caller,
        code: &OneTimeCode,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let looked = desk.look(caller).await?;
        caller.require(&looked.standing, desk.login.settings.factors.second_factor, now)?;
        let user = looked.user;
        drop(looked.tx);
        let ticket = desk.count(caller, FailureSlot::Totp, now).await?;
        let mut opened = desk.open(caller, now).await?;
        if !desk.tools.factors.confirm_totp(&mut *opened.tx, user.id, code, now).await? {
            drop(opened);
            return desk.refuse(&user, &ticket, context, now).await;
        }
        desk.tools.guard.succeed(&mut *opened.tx, &ticket).await?;
        let factor = Factor::Totp.as_str().to_owned();
        let made = Made {
            change: Change::Added,
            event: AuditEventName::TotpEnabled,
            notice: Some(Notice::FactorAdded { factor, occasion: context.occasion(now) }),
            proved: Some(Factor::Totp),
        };
        desk.close(opened, caller, made, context, now).await
    }

    /// Removes the secret, given a code of it.
    pub async fn remove(
        &self,
        caller: &Caller,
        code: &OneTimeCode,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, FactorError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let policy = desk.login.settings.factors.second_factor;
        let mut looked = desk.look(caller).await?;
        caller.require(&looked.standing, policy, now)?;
        let totp = looked.tx.factors().totp(looked.user.id).await?;
        if totp.is_none_or(|totp| totp.sealed.is_none()) {
            return Err(FactorError::NotFound);
        }
        let user = looked.user;
        drop(looked.tx);
        let ticket = desk.count(caller, FailureSlot::Totp, now).await?;
        let mut opened = desk.open(caller, now).await?;
        if !opened.standing.may_lose(Factor::Totp, policy) {
            drop(opened);
            desk.tools.guard.give_back(&*desk.store, &ticket).await?;
            return Err(FactorError::LastFactor);
        }
        if desk.tools.factors.accept_totp(&mut *opened.tx, user.id, code, now).await?.is_err() {
            drop(opened);
            return desk.refuse(&user, &ticket, context, now).await;
        }
        desk.tools.guard.succeed(&mut *opened.tx, &ticket).await?;
        opened.tx.factors().delete_totp(user.id).await?;
        let factor = Factor::Totp.as_str().to_owned();
        let made = Made {
            change: Change::Removed,
            event: AuditEventName::TotpDisabled,
            notice: Some(Notice::FactorRemoved { factor, occasion: context.occasion(now) }),
            proved: None,
        };
        desk.close(opened, caller, made, context, now).await
    }
}
