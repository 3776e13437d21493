use std::sync::Arc;

use keystead_domain::SecretString;
use keystead_domain::Timestamp;
use keystead_domain::account::User;
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{FailureSlot, RecoveryCode};
use keystead_domain::token::{Amr, Factor, OneTimeCode, PreAuthorizedClaims, PreAuthorizedPurpose, StepUpMethod};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, Store, Tx};
use crate::service::{
    Admission, CodeRefusal, FactorCodes, FactorGuard, FactorTicket, PreAuthorizedRequest, Proof, SignInDesk, Tried,
    address_of, amr_of, record, slot_of, standing_of,
};

/// What answers the question for a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorAnswer {
    /// A code that was sent, or that an authenticator program computed.
    Code(Factor, OneTimeCode),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl FactorAnswer {
    fn slot(&self) -> FailureSlot {
        match self {
            Self::Code(factor, _) => slot_of(*factor),
            Self::Recovery(_) => FailureSlot::Recovery,
        }
    }

    fn method(&self) -> StepUpMethod {
        match self {
            Self::Code(factor, _) => StepUpMethod::Factor(*factor),
            Self::Recovery(_) => StepUpMethod::Recovery,
        }
    }

    /// What it adds to `amr`.
    fn amr(&self) -> Amr {
        match self {
            Self::Code(factor, _) => amr_of(*factor),
            Self::Recovery(_) => Amr::Otp,
        }
    }
}

/// Why a second factor was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecondFactorError {
    /// Wrong, used, expired, or of a token that was replaced. The caller cannot tell which.
    #[error("the code is not valid")]
    Invalid,
    /// The question offers other answers.
    #[error("this factor is not among those offered")]
    NotOffered,
    /// Too many wrong ones, over all factors and paths.
    #[error("second factors are blocked")]
    Blocked {
        /// When one can be tried again.
        until: Timestamp,
    },
    /// The right answer of an account that was closed meanwhile, or whose credentials changed.
    #[error("the sign-in is over")]
    Over,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(SecondFactorError);

impl From<CodeRefusal> for SecondFactorError {
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Invalid => Self::Invalid,
            CodeRefusal::Failure(failure) => Self::Failure(failure),
        }
    }
}

/// Answers the question for a second factor: at a login the person is signed in, at a reset the way to a new password is
/// free. Everything is counted before it is compared: on the token (five tries) and on the account (the block).
///
/// ```text
/// count on token, count on account ── compare ── take the challenge (one winner) ── consume ── signed in
/// ```
pub struct AnswerSecondFactor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    codes: Arc<FactorCodes>,
    guard: FactorGuard,
    desk: SignInDesk,
}

impl AnswerSecondFactor {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        codes: Arc<FactorCodes>,
        guard: FactorGuard,
        desk: SignInDesk,
    ) -> Self {
        Self { store, clock, codes, guard, desk }
    }

    /// Runs it for the owner of a pre-authorized token of purpose `login` or `reset`. `device`: the token of a browser signed
    /// in with before.
    pub async fn run(
        &self,
        claims: &PreAuthorizedClaims,
        answer: &FactorAnswer,
        device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SecondFactorError> {
        let now = self.clock.now();
        let (user, ticket, known) = self.count(claims, answer, device.as_ref(), now).await?;
        let won = self.wins(claims, &user, answer, now).await;
        if !self.guard.or_give_back(&*self.store, &ticket, won).await? {
            return self.refuse(&user, &ticket, context, now).await;
        }
        let mut tx = self.store.begin().await?;
        let Some(user) = owner(&mut *tx, claims).await? else { return Err(SecondFactorError::Over) };
        if !self.consume(&mut *tx, &user, answer, context, now).await? {
            drop(tx);
            return self.refuse(&user, &ticket, context, now).await;
        }
        self.guard.succeed(&mut *tx, &ticket).await?;
        let proof = Proof {
            amr: with_second(&claims.amr, &[answer.amr()]),
            done: None,
            second: Some(answer.method()),
            known_device: if known { device } else { None },
        };
        pass(&self.desk, tx, claims, &user, proof, context, now).await
    }

    /// Looks the person up and counts the try, on the token and on the account.
    async fn count(
        &self,
        claims: &PreAuthorizedClaims,
        answer: &FactorAnswer,
        device: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(User, FactorTicket, bool), SecondFactorError> {
        let mut tx = self.store.begin().await?;
        let user = owner(&mut *tx, claims).await?.ok_or(SecondFactorError::Over)?;
        let offered = match answer {
            FactorAnswer::Code(factor, _) => claims.tfa_options.contains(factor) && *factor != Factor::Device,
            FactorAnswer::Recovery(_) => standing_of(&mut *tx, &user, &self.desk.settings).await?.is_enrolled(),
        };
        if !offered {
            return Err(SecondFactorError::NotOffered);
        }
        let device = device.map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, user.id, device, now).await?;
        let tried = Tried::User(user.id, known.as_ref());
        let ticket = match self.guard.count(&mut *tx, tried, answer.slot(), now).await? {
            Ok(ticket) => ticket,
            Err(until) => return Err(SecondFactorError::Blocked { until }),
        };
        tx.commit().await?;
        Ok((user, ticket, known.is_some()))
    }

    /// Whether the answer is right and, of parallel right answers, the one that takes the challenge.
    async fn wins(
        &self,
        claims: &PreAuthorizedClaims,
        user: &User,
        answer: &FactorAnswer,
        now: Timestamp,
    ) -> Result<bool, SecondFactorError> {
        Ok(self.is_right(claims, user, answer, now).await? && self.desk.codes.take(&claims.token_id, now).await?)
    }

    /// Whether the answer is right, as far as can be told without using anything up.
    async fn is_right(
        &self,
        claims: &PreAuthorizedClaims,
        user: &User,
        answer: &FactorAnswer,
        now: Timestamp,
    ) -> Result<bool, SecondFactorError> {
        let checked = match answer {
            FactorAnswer::Code(factor @ (Factor::Email | Factor::Phone), code) => {
                let Some(address) = address_of(user, *factor) else { return Ok(false) };
                self.desk.codes.check(claims, address.as_str(), code, now).await
            }
            FactorAnswer::Code(_, code) => match self.desk.codes.guess(claims, now).await {
                Ok(()) => return Ok(self.codes.is_totp(&*self.store, user.id, code, now).await?),
                refused => refused,
            },
            FactorAnswer::Recovery(code) => match self.desk.codes.guess(claims, now).await {
                Ok(()) => return Ok(self.codes.is_recovery_code(&*self.store, user.id, code).await?),
                refused => refused,
            },
        };
        match checked {
            Ok(()) => Ok(true),
            Err(CodeRefusal::Invalid) => Ok(false),
            Err(CodeRefusal::Failure(failure)) => Err(failure.into()),
        }
    }

    /// Uses up what may be used once.
    async fn consume(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        answer: &FactorAnswer,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<bool, SecondFactorError> {
        match answer {
            FactorAnswer::Code(Factor::Totp, code) => Ok(self.codes.accept_totp(tx, user.id, code, now).await?.is_ok()),
            FactorAnswer::Code(..) => Ok(true),
            FactorAnswer::Recovery(code) => {
                if !tx.factors().consume_recovery_code(user.id, code.selector()).await? {
                    return Ok(false);
                }
                let left = tx.factors().enrolled(user.id).await?.recovery_codes;
                let notice = Notice::RecoveryCodeUsed { left, occasion: context.occasion(now) };
                self.desk.postbox.notify(tx, user, notice, now).await?;
                let who = (None, Some(user.id));
                record(tx, AuditEventName::RecoveryCodeUsed, who, None, context, now).await?;
                Ok(true)
            }
        }
    }

    async fn refuse(
        &self,
        user: &User,
        ticket: &FactorTicket,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Admission, SecondFactorError> {
        let mut tx = self.store.begin().await?;
        self.guard.fail(&mut *tx, &self.desk.postbox, ticket, Some(user), context, now).await?;
        tx.commit().await?;
        Err(SecondFactorError::Invalid)
    }
}

/// The active owner of a pre-authorized token, provided nothing of their credentials changed since it was made.
pub(super) async fn owner(
    tx: &mut dyn Tx,
    claims: &PreAuthorizedClaims,
) -> Result<Option<User>, crate::ports::StoreError> {
    Ok(tx.users().get(claims.subject).await?.filter(|user| user.is_active() && user.epoch == claims.epoch))
}

/// `amr` once a second factor joined (RFC 8176: `mfa` beside the methods).
pub(super) fn with_second(first: &[Amr], second: &[Amr]) -> Vec<Amr> {
    let mut amr = first.to_vec();
    for method in second.iter().copied().chain([Amr::MultiFactor]) {
        if !amr.contains(&method) {
            amr.push(method);
        }
    }
    amr
}

/// Where a second factor leads: in, or on to the new password.
pub(super) async fn pass(
    desk: &SignInDesk,
    mut tx: Box<dyn Tx>,
    claims: &PreAuthorizedClaims,
    user: &User,
    proof: Proof,
    context: &RequestContext,
    now: Timestamp,
) -> Result<Admission, SecondFactorError> {
    if claims.purpose != PreAuthorizedPurpose::Reset {
        return Ok(desk.admit(tx, user, proof, context, now).await?);
    }
    let request = PreAuthorizedRequest {
        subject: user.id,
        epoch: user.epoch,
        purpose: PreAuthorizedPurpose::Reset,
        life: claims.expires_at.since(now),
        flow: Some(claims.token_id.session()),
        tfa_options: Vec::new(),
        amr: proof.amr,
    };
    let tokens = desk.issuer.pre_authorized(request, context, now, |_| None)?;
    if !tx.link_tokens().prove_begun(&claims.token_id, &tokens.claims.token_id, now).await? {
        return Err(SecondFactorError::Invalid);
    }
    record(&mut *tx, AuditEventName::SteppedUp, (None, Some(user.id)), None, context, now).await?;
    tx.commit().await?;
    Ok(Admission::Asked(Box::new(tokens)))
}

#[cfg(test)]
mod tests;
