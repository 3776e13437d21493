use std::sync::Arc;

use keystead_domain::account::PendingRegistration;
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{PreAuthorizedClaims, PreAuthorizedPurpose, TokenId};
use keystead_domain::{Timestamp, limits};
use thiserror::Error;

use super::register::RegistrationDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Store};
use crate::service::{IssuedCode, OneTimeCodes, PreAuthorizedRequest, PreAuthorizedTokens, TokenIssuer, record};

/// Why no other code was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResendCodeError {
    /// The claim lapsed or was proved: register again.
    #[error("there is nothing to send a code for")]
    Dead,
    /// Sent too often.
    #[error("too many codes were sent")]
    Limited {
        /// When another can be sent.
        again_at: Timestamp,
    },
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ResendCodeError);

/// Sends another code for a registration and answers with a new token; the older token's code dies with it.
pub struct ResendCode {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    codes: Arc<OneTimeCodes>,
    desk: RegistrationDesk,
}

impl ResendCode {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        codes: Arc<OneTimeCodes>,
        desk: RegistrationDesk,
    ) -> Self {
        Self { store, clock, issuer, codes, desk }
    }

    /// Runs it for the owner of a pre-authorized token of purpose `register`.
    pub async fn run(
        &self,
        claims: &PreAuthorizedClaims,
        context: &RequestContext,
    ) -> Result<PreAuthorizedTokens, ResendCodeError> {
        let now = self.clock.now();
        let (code, decoy) = (self.codes.draw(context.attempt.as_ref()), self.codes.draw_decoy());
        let mut tx = self.store.begin().await?;
        let Some(claim) = tx.registrations().get(claims.subject, now).await? else {
            return Err(ResendCodeError::Dead);
        };
        if self.desk.guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            let issued = self.desk.mailed_before(&mut *tx, &claim.address, code, decoy).await?;
            drop(tx);
            return self.answer(self.tokens(claims, &claim, &issued, context, now)?, now).await;
        }
        let limits = &self.desk.settings.limits;
        // The gap first: a refusal by it is rolled back and leaves the hour's count alone.
        for policy in [limits.code_resend_gap, limits.code_resend] {
            let ticket = self.desk.guard.account(policy, claim.id);
            if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, now).await? {
                return Err(ResendCodeError::Limited { again_at });
            }
        }
        let (issued, message) = self
            .desk
            .code_or_notice(&mut *tx, &claim.address, claim.full_name.as_ref(), code, decoy, context, now)
            .await?;
        let tokens = self.tokens(claims, &claim, &issued, context, now)?;
        self.desk.postbox.post(&mut *tx, &message, now, limits::CODE_LIFE).await?;
        record(&mut *tx, AuditEventName::RegistrationStarted, (None, Some(claim.id)), None, context, now).await?;
        tx.commit().await?;
        self.answer(tokens, now).await
    }

    fn tokens(
        &self,
        claims: &PreAuthorizedClaims,
        claim: &PendingRegistration,
        issued: &IssuedCode,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, ResendCodeError> {
        let request = PreAuthorizedRequest {
            subject: claim.id,
            epoch: claims.epoch,
            purpose: PreAuthorizedPurpose::Register,
            life: limits::PRE_AUTHORIZED_LIFE,
            flow: Some(claims.token_id.session()),
            tfa_options: Vec::new(),
            amr: Vec::new(),
        };
        let address = claim.address.as_str();
        let seal = |token: &TokenId| Some(self.codes.seal(token, PreAuthorizedPurpose::Register, address, issued));
        Ok(self.issuer.pre_authorized(request, context, now, seal)?)
    }

    /// Opens the challenge of the token, which is then handed out.
    async fn answer(
        &self,
        tokens: PreAuthorizedTokens,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, ResendCodeError> {
        self.codes.open(&tokens.claims, now).await?;
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests;
