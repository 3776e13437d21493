use std::sync::Arc;

use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{Factor, PreAuthorizedClaims, PreAuthorizedPurpose, TokenId};
use keystead_domain::{Timestamp, limits};
use thiserror::Error;

use super::second_factor::owner;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Store};
use crate::service::{IssuedCode, PreAuthorizedRequest, PreAuthorizedTokens, SignInDesk, address_of, record};

/// Why no code was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendFactorCodeError {
    /// The question offers other answers, or the contact is gone.
    #[error("this factor is not among those offered")]
    NotOffered,
    /// The token was used, replaced, or outlived by a change of credentials.
    #[error("the sign-in is over")]
    Over,
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

fails_with!(SendFactorCodeError);

/// Sends a code to one of the contacts a question offers, and answers with the token that goes with it; the older token
/// dies.
pub struct SendFactorCode {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    desk: SignInDesk,
}

impl SendFactorCode {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, desk: SignInDesk) -> Self {
        Self { store, clock, desk }
    }

    /// Runs it for the owner of a pre-authorized token of purpose `login` or `reset`.
    pub async fn run(
        &self,
        claims: &PreAuthorizedClaims,
        factor: Factor,
        context: &RequestContext,
    ) -> Result<PreAuthorizedTokens, SendFactorCodeError> {
        let now = self.clock.now();
        if self.desk.codes.memory(&claims.token_id, now).await?.is_none() {
            return Err(SendFactorCodeError::Over);
        }
        let desk = &self.desk;
        let code = desk.codes.draw(context.attempt.as_ref());
        let mut tx = self.store.begin().await?;
        let user = owner(&mut *tx, claims).await?.ok_or(SendFactorCodeError::Over)?;
        let address = address_of(&user, factor).filter(|_| claims.tfa_options.contains(&factor));
        let address = address.ok_or(SendFactorCodeError::NotOffered)?;
        let seal = |token: &TokenId| {
            Some(desk.codes.seal(token, claims.purpose, address.as_str(), &IssuedCode::Real(code.clone())))
        };
        let request = PreAuthorizedRequest {
            subject: user.id,
            epoch: claims.epoch,
            purpose: claims.purpose,
            life: match claims.purpose {
                PreAuthorizedPurpose::Reset => claims.expires_at.since(now),
                _ => limits::PRE_AUTHORIZED_LIFE,
            },
            flow: Some(claims.token_id.session()),
            tfa_options: claims.tfa_options.clone(),
            amr: claims.amr.clone(),
        };
        let tokens = desk.issuer.pre_authorized(request, context, now, seal)?;
        if desk.guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            drop(tx);
            desk.codes.open(&tokens.claims, now).await?;
            return Ok(tokens);
        }
        let limits = &desk.settings.limits;
        let tickets = [
            // The gap first: a refusal by it is rolled back and leaves the hour's counts alone.
            desk.guard.account(limits.code_resend_gap, user.id),
            desk.guard.account(limits.code_resend, user.id),
            desk.guard.account(limits.address, user.id),
        ];
        for ticket in tickets {
            if let Err(again_at) = desk.guard.reserve(&mut *tx, &ticket, now).await? {
                return Err(SendFactorCodeError::Limited { again_at });
            }
        }
        if claims.purpose == PreAuthorizedPurpose::Reset
            && !tx.link_tokens().rebind_begun(&claims.token_id, &tokens.claims.token_id, now).await?
        {
            return Err(SendFactorCodeError::Over);
        }
        desk.send(&mut *tx, (&user, &address), (claims.purpose, &code), context, now).await?;
        record(&mut *tx, AuditEventName::CodeSent, (None, Some(user.id)), None, context, now).await?;
        tx.commit().await?;
        desk.codes.open(&tokens.claims, now).await?;
        Ok(tokens)
    }
}
