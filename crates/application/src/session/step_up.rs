use std::sync::Arc;

use keystead_domain::account::{User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{FailureSlot, Passkey, TotpRefusal};
use keystead_domain::token::{AccessClaims, Factor, OneTimeCode, StepUpMethod};
use keystead_domain::{SecretString, Timestamp, limits};
use thiserror::Error;

use super::LoginDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{CeremonyKind, Clock, Entropy, Store, StoreError, Tx};
use crate::service::{
    Compared, FactorCodes, FactorGuard, FactorTicket, IssuedCode, PasskeyCeremonies, Place, StepUpToken, StoredCodes,
    TokenIssuer, Tried, address_of, record, report_clone, slot_of, standing_of, to_address,
};

/// How a step-up code reaches its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// By e-mail.
    Email,
    /// By SMS.
    Sms,
    /// It is computed by an authenticator program.
    Authenticator,
}

impl Medium {
    /// The factor it is.
    pub const fn factor(self) -> Factor {
        match self {
            Self::Email => Factor::Email,
            Self::Sms => Factor::Phone,
            Self::Authenticator => Factor::Totp,
        }
    }

    /// The value of the parameter `media`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Authenticator => "authenticator",
        }
    }

    /// Reads the value of the parameter `media`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms, Self::Authenticator].into_iter().find(|medium| medium.as_str() == text)
    }
}

/// Why a step-up did not go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StepUpError {
    /// The person has no such factor, or enrolled another one.
    #[error("this factor is not available")]
    NotAvailable,
    /// Wrong, expired, or of another person.
    #[error("the code is not valid")]
    Invalid,
    /// It was the right code once.
    #[error("the code was used")]
    Used,
    /// Codes are asked for too often.
    #[error("too many codes were asked for")]
    Limited {
        /// When another can be asked for.
        again_at: Timestamp,
    },
    /// Too many wrong ones, over all factors and paths.
    #[error("second factors are blocked")]
    Blocked {
        /// When one can be tried again.
        until: Timestamp,
    },
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(StepUpError);

/// Proves a second factor within a session: a code is asked for, then shown as RFC 7617 credentials; or a passkey signs.
///
/// ```text
/// POST otp ── medium and code kept for the session ── PUT otp ── count ── compare with that medium alone ── OTPSession
/// ```
pub struct StepUp {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    tools: StepUpTools,
    desk: LoginDesk,
}

/// What proofs are compared with.
#[derive(Clone)]
pub struct StepUpTools {
    /// TOTP and recovery codes.
    pub factors: Arc<FactorCodes>,
    /// Codes kept for a session.
    pub codes: Arc<StoredCodes>,
    /// WebAuthn.
    pub passkeys: Arc<PasskeyCeremonies>,
    /// Failures.
    pub guard: FactorGuard,
    /// Identifiers.
    pub entropy: Arc<dyn Entropy>,
}

impl StepUp {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        tools: StepUpTools,
        desk: LoginDesk,
    ) -> Self {
        Self { store, clock, issuer, tools, desk }
    }

    /// Asks for a code. From now on only this medium's answers count in this session.
    pub async fn request(
        &self,
        claims: &AccessClaims,
        medium: Medium,
        context: &RequestContext,
    ) -> Result<(), StepUpError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let user = caller(&mut *tx, claims).await?;
        let standing = standing_of(&mut *tx, &user, &self.desk.settings).await?;
        if !standing.answers().contains(&medium.factor()) {
            return Err(StepUpError::NotAvailable);
        }
        let address = address_of(&user, medium.factor());
        let limits = &self.desk.settings.limits;
        let sending = address.is_some().then_some(limits.address);
        for policy in [Some(limits.step_up_gap), Some(limits.step_up), sending].into_iter().flatten() {
            let ticket = self.desk.guard.account(policy, user.id);
            if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, now).await? {
                return Err(StepUpError::Limited { again_at });
            }
        }
        let sent = match address {
            Some(address) => {
                let code = self.tools.codes.draw();
                let notice =
                    Notice::StepUpCode { code: code.expose().to_owned(), minutes: limits::CODE_LIFE.as_secs() / 60 };
                let message = to_address(&user, address, notice).or_in(context.languages.as_deref());
                self.desk.postbox.post(&mut *tx, &message, now, limits::CODE_LIFE).await?;
                Some(IssuedCode::Real(code))
            }
            None => None,
        };
        let session = claims.session();
        let who = (Some(user.id), Some(user.id));
        record(&mut *tx, AuditEventName::CodeSent, who, Some(&session), context, now).await?;
        tx.commit().await?;
        // A medium without a code waits as long as a proof would last.
        let life = if sent.is_some() { limits::CODE_LIFE } else { limits::STEP_UP_LIFE };
        let times = (now, now.plus(life));
        let place = session.as_str();
        Ok(self.tools.codes.issue(CeremonyKind::StepUp, place, medium.as_str(), sent.as_ref(), times).await?)
    }

    /// Shows a code. `user` is the name part of the credentials (RFC 7617): whoever's it is, it must be the session's.
    pub async fn verify(
        &self,
        claims: &AccessClaims,
        user: Option<UserId>,
        code: Option<&OneTimeCode>,
        device: Option<&SecretString>,
        context: &RequestContext,
    ) -> Result<StepUpToken, StepUpError> {
        let now = self.clock.now();
        let (kind, session) = (CeremonyKind::StepUp, claims.session());
        let asked = self.tools.codes.find(kind, session.as_str(), now).await?;
        let medium = asked.as_ref().and_then(|asked| Medium::parse(&asked.about));
        let slot = medium.map_or(FailureSlot::Totp, |medium| slot_of(medium.factor()));
        let (owner, ticket) = self.count(claims, slot, device, now).await?;
        if user != Some(claims.subject) {
            return self.refuse(&owner, &ticket, AuditEventName::StepUpMismatch, None, context, now).await;
        }
        let (Some(asked), Some(medium), Some(code)) = (asked, medium, code) else {
            return self.refuse(&owner, &ticket, AuditEventName::CodeRejected, None, context, now).await;
        };
        let compared = match medium {
            // Compared where its step is used up.
            Medium::Authenticator => Ok(Compared::Right),
            Medium::Email | Medium::Sms => self.tools.codes.spend(kind, session.as_str(), &asked, code, now).await,
        };
        match self.guard().or_give_back(&*self.store, &ticket, compared).await? {
            Compared::Wrong => {
                return self.refuse(&owner, &ticket, AuditEventName::CodeRejected, None, context, now).await;
            }
            Compared::Used => {
                self.guard().give_back(&*self.store, &ticket).await?;
                return Err(StepUpError::Used);
            }
            Compared::Right => {}
        }
        let mut tx = self.store.begin().await?;
        let owner = caller(&mut *tx, claims).await?;
        // A factor may have been enrolled since the code was asked for: nothing weaker proves beside it.
        let standing = standing_of(&mut *tx, &owner, &self.desk.settings).await?;
        if !standing.answers().contains(&medium.factor()) {
            drop(tx);
            return self.refuse(&owner, &ticket, AuditEventName::CodeRejected, None, context, now).await;
        }
        if medium == Medium::Authenticator {
            match self.tools.factors.accept_totp(&mut *tx, owner.id, code, now).await? {
                Ok(()) => {}
                Err(TotpRefusal::Used) => {
                    drop(tx);
                    self.guard().give_back(&*self.store, &ticket).await?;
                    return Err(StepUpError::Used);
                }
                Err(TotpRefusal::Wrong) => {
                    drop(tx);
                    return self.refuse(&owner, &ticket, AuditEventName::CodeRejected, None, context, now).await;
                }
            }
        }
        self.finish(tx, claims, &ticket, StepUpMethod::Factor(medium.factor()), context, now).await
    }

    /// Begins a proof by passkey: `PublicKeyCredentialRequestOptionsJSON`.
    pub async fn passkey_options(&self, claims: &AccessClaims) -> Result<String, StepUpError> {
        let now = self.clock.now();
        let passkeys = self.store.read().await?.passkeys().list(claims.subject).await?;
        if passkeys.is_empty() {
            return Err(StepUpError::NotAvailable);
        }
        let verification = self.desk.settings.factors.user_verification;
        let ceremony = self.tools.passkeys.verifier().begin_assertion(&passkeys, verification);
        Ok(self.tools.passkeys.begin(&Place::Session(claims.session()), ceremony, now).await?)
    }

    /// Shows a passkey's signature. `answer`: `AuthenticationResponseJSON`.
    pub async fn verify_passkey(
        &self,
        claims: &AccessClaims,
        answer: &str,
        device: Option<&SecretString>,
        context: &RequestContext,
    ) -> Result<StepUpToken, StepUpError> {
        let now = self.clock.now();
        let (owner, ticket) = self.count(claims, FailureSlot::Device, device, now).await?;
        let place = Place::Session(claims.session());
        let checked = self.tools.passkeys.check(&*self.store, &place, Some(owner.id), answer, now).await;
        let asserted = match self.guard().or_give_back(&*self.store, &ticket, checked).await? {
            Ok(asserted) => asserted,
            Err(cloned) => {
                let event = AuditEventName::SecondFactorFailed;
                return self.refuse(&owner, &ticket, event, cloned.as_ref(), context, now).await;
            }
        };
        let mut tx = self.store.begin().await?;
        caller(&mut *tx, claims).await?;
        if !self.tools.passkeys.keep(&mut *tx, &asserted, now).await? {
            return Err(StepUpError::Invalid);
        }
        self.finish(tx, claims, &ticket, StepUpMethod::Factor(Factor::Device), context, now).await
    }

    fn guard(&self) -> &FactorGuard {
        &self.tools.guard
    }

    async fn count(
        &self,
        claims: &AccessClaims,
        slot: FailureSlot,
        device: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(User, FactorTicket), StepUpError> {
        let mut tx = self.store.begin().await?;
        let user = caller(&mut *tx, claims).await?;
        let device = device.map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, user.id, device, now).await?;
        let ticket = match self.guard().count(&mut *tx, Tried::User(user.id, known.as_ref()), slot, now).await? {
            Ok(ticket) => ticket,
            Err(until) => return Err(StepUpError::Blocked { until }),
        };
        tx.commit().await?;
        Ok((user, ticket))
    }

    async fn finish(
        &self,
        mut tx: Box<dyn Tx>,
        claims: &AccessClaims,
        ticket: &FactorTicket,
        method: StepUpMethod,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<StepUpToken, StepUpError> {
        self.guard().succeed(&mut *tx, ticket).await?;
        let session = claims.session();
        let who = (Some(claims.subject), Some(claims.subject));
        record(&mut *tx, AuditEventName::SteppedUp, who, Some(&session), context, now).await?;
        tx.commit().await?;
        Ok(self.issuer.step_up((claims.subject, claims.epoch), &session, method, now)?)
    }

    async fn refuse(
        &self,
        user: &User,
        ticket: &FactorTicket,
        event: AuditEventName,
        cloned: Option<&Passkey>,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<StepUpToken, StepUpError> {
        let mut tx = self.store.begin().await?;
        if event == AuditEventName::StepUpMismatch {
            let who = (Some(user.id), Some(user.id));
            record(&mut *tx, event, who, None, context, now).await?;
        }
        self.guard().fail(&mut *tx, &self.desk.postbox, ticket, Some(user), context, now).await?;
        if let Some(passkey) = cloned {
            report_clone(&mut *tx, &self.desk.postbox, user, passkey, context, now).await?;
        }
        tx.commit().await?;
        Err(StepUpError::Invalid)
    }
}

/// The person of an access token, provided they are as the token says.
async fn caller(tx: &mut dyn Tx, claims: &AccessClaims) -> Result<User, StepUpError> {
    let user: Result<Option<User>, StoreError> = tx.users().get(claims.subject).await;
    let user = user?.filter(|user| user.is_active() && user.epoch == claims.epoch);
    user.ok_or(StepUpError::SessionOver)
}

#[cfg(test)]
mod tests;
