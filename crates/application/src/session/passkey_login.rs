use std::sync::Arc;

use keystead_domain::account::User;
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{FailureSlot, Passkey};
use keystead_domain::token::{Amr, Factor, PreAuthorizedClaims, StepUpMethod};
use keystead_domain::{SecretString, Timestamp};

use super::second_factor::{SecondFactorError, owner, pass, with_second};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{Clock, Store, UserVerification};
use crate::service::{
    Admission, Asserted, CodeRefusal, FactorGuard, FactorTicket, PasskeyCeremonies, Place, Proof, SignInDesk, Tried,
    record, report_clone,
};

/// Signs in with a passkey: as the second factor of a flow, or, without a name, as both factors at once.
///
/// ```text
/// options ── challenge kept for this flow, or for the sign-in page
/// answer ── take the challenge (one winner) ── check ── keep the counter ── signed in
/// ```
pub struct PasskeyLogin {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    passkeys: Arc<PasskeyCeremonies>,
    guard: FactorGuard,
    desk: SignInDesk,
}

impl PasskeyLogin {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        passkeys: Arc<PasskeyCeremonies>,
        guard: FactorGuard,
        desk: SignInDesk,
    ) -> Self {
        Self { store, clock, passkeys, guard, desk }
    }

    /// Begins: `PublicKeyCredentialRequestOptionsJSON`. Without a pre-authorized token it names no credential, so that it
    /// tells nothing about anybody; the authenticator then must verify its user.
    pub async fn options(&self, claims: Option<&PreAuthorizedClaims>) -> Result<String, SecondFactorError> {
        let now = self.clock.now();
        let verifier = self.passkeys.verifier();
        let Some(claims) = claims else {
            let ceremony = verifier.begin_assertion(&[], UserVerification::Required);
            return Ok(self.passkeys.begin(&Place::SignIn, ceremony, now).await?);
        };
        if !claims.tfa_options.contains(&Factor::Device) {
            return Err(SecondFactorError::NotOffered);
        }
        if self.desk.codes.memory(&claims.token_id, now).await?.is_none() {
            return Err(SecondFactorError::Invalid);
        }
        let passkeys = self.store.read().await?.passkeys().list(claims.subject).await?;
        let ceremony = verifier.begin_assertion(&passkeys, self.desk.settings.factors.user_verification);
        Ok(self.passkeys.begin(&Place::Flow(claims.token_id.session()), ceremony, now).await?)
    }

    /// Answers the question for a second factor. `answer`: `AuthenticationResponseJSON`.
    pub async fn as_second_factor(
        &self,
        claims: &PreAuthorizedClaims,
        answer: &str,
        device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SecondFactorError> {
        let now = self.clock.now();
        if !claims.tfa_options.contains(&Factor::Device) {
            return Err(SecondFactorError::NotOffered);
        }
        let (user, ticket, known) = self.count(claims, device.as_ref(), now).await?;
        let won = self.wins(claims, &user, answer, now).await;
        let asserted = match self.guard.or_give_back(&*self.store, &ticket, won).await? {
            Ok(asserted) => asserted,
            Err(cloned) => return self.refuse(&user, Some(&ticket), cloned.as_ref(), context, now).await,
        };
        let mut tx = self.store.begin().await?;
        let user = owner(&mut *tx, claims).await?.ok_or(SecondFactorError::Over)?;
        if !self.passkeys.keep(&mut *tx, &asserted, now).await? {
            return Err(SecondFactorError::Invalid);
        }
        self.guard.succeed(&mut *tx, &ticket).await?;
        let proof = Proof {
            amr: with_second(&claims.amr, &asserted.amr()),
            done: None,
            second: Some(StepUpMethod::Factor(Factor::Device)),
            known_device: if known { device } else { None },
        };
        pass(&self.desk, tx, claims, &user, proof, context, now).await
    }

    /// The assertion, if it is right and, of parallel right ones, the one that takes the challenge. `Err` inside: refused, by
    /// this passkey if its counter went back.
    async fn wins(
        &self,
        claims: &PreAuthorizedClaims,
        user: &User,
        answer: &str,
        now: Timestamp,
    ) -> Result<Result<Asserted, Option<Passkey>>, SecondFactorError> {
        let alive = match self.desk.codes.guess(claims, now).await {
            Ok(()) => true,
            Err(CodeRefusal::Invalid) => false,
            Err(CodeRefusal::Failure(failure)) => return Err(failure.into()),
        };
        let place = Place::Flow(claims.token_id.session());
        match self.passkeys.check(&*self.store, &place, Some(user.id), answer, now).await? {
            Ok(asserted) if alive && self.desk.codes.take(&claims.token_id, now).await? => Ok(Ok(asserted)),
            Ok(_) => Ok(Err(None)),
            Err(cloned) => Ok(Err(cloned)),
        }
    }

    /// Signs in without a name.
    pub async fn alone(
        &self,
        answer: &str,
        device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SecondFactorError> {
        let now = self.clock.now();
        let asserted = match self.passkeys.check(&*self.store, &Place::SignIn, None, answer, now).await? {
            Ok(asserted) if asserted.found.user_verified => asserted,
            Ok(_) | Err(None) => return self.refuse_stranger(context, now).await,
            Err(Some(cloned)) => {
                let user = self.store.read().await?.users().get(cloned.user_id).await?;
                let user = user.ok_or(SecondFactorError::Invalid)?;
                return self.refuse(&user, None, Some(&cloned), context, now).await;
            }
        };
        let mut tx = self.store.begin().await?;
        let user = tx.users().get(asserted.before.user_id).await?.ok_or(SecondFactorError::Invalid)?;
        if !self.passkeys.keep(&mut *tx, &asserted, now).await? {
            return Err(SecondFactorError::Invalid);
        }
        if !user.is_active() {
            record(&mut *tx, AuditEventName::LoginRefused, (None, Some(user.id)), None, context, now).await?;
            tx.commit().await?;
            return Err(SecondFactorError::Over);
        }
        let token = device.as_ref().map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, user.id, token, now).await?.is_some();
        let proof = Proof {
            amr: with_second(&asserted.amr(), &[Amr::MultiFactor]),
            done: None,
            second: Some(StepUpMethod::Factor(Factor::Device)),
            known_device: if known { device } else { None },
        };
        Ok(self.desk.admit(tx, &user, proof, context, now).await?)
    }

    async fn count(
        &self,
        claims: &PreAuthorizedClaims,
        device: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(User, FactorTicket, bool), SecondFactorError> {
        let mut tx = self.store.begin().await?;
        let user = owner(&mut *tx, claims).await?.ok_or(SecondFactorError::Over)?;
        let device = device.map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, user.id, device, now).await?;
        let tried = Tried::User(user.id, known.as_ref());
        let ticket = match self.guard.count(&mut *tx, tried, FailureSlot::Device, now).await? {
            Ok(ticket) => ticket,
            Err(until) => return Err(SecondFactorError::Blocked { until }),
        };
        tx.commit().await?;
        Ok((user, ticket, known.is_some()))
    }

    async fn refuse(
        &self,
        user: &User,
        ticket: Option<&FactorTicket>,
        cloned: Option<&Passkey>,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Admission, SecondFactorError> {
        let mut tx = self.store.begin().await?;
        if let Some(ticket) = ticket {
            self.guard.fail(&mut *tx, &self.desk.postbox, ticket, Some(user), context, now).await?;
        }
        if let Some(passkey) = cloned {
            report_clone(&mut *tx, &self.desk.postbox, user, passkey, context, now).await?;
        }
        tx.commit().await?;
        Err(SecondFactorError::Invalid)
    }

    async fn refuse_stranger(&self, context: &RequestContext, now: Timestamp) -> Result<Admission, SecondFactorError> {
        let mut tx = self.store.begin().await?;
        record(&mut *tx, AuditEventName::LoginFailed, (None, None), None, context, now).await?;
        tx.commit().await.map_err(Failure::from)?;
        Err(SecondFactorError::Invalid)
    }
}

#[cfg(test)]
mod tests;
