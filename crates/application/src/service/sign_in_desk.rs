use std::sync::Arc;

use keystead_domain::account::{Address, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::Standing;
use keystead_domain::token::{Amr, Factor, OneTimeCode, PreAuthorizedPurpose, StepUpMethod, TokenId};
use keystead_domain::{SecretString, Timestamp, limits};

use super::{
    AuthorizedTokens, GuessGuard, IssuedCode, OneTimeCodes, Postbox, PreAuthorizedRequest, PreAuthorizedTokens,
    SessionOpener, TokenIssuer, record, record_sign_in, to_address,
};
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::message::Notice;
use crate::ports::{StoreError, Tx};
use crate::settings::Settings;

/// What a person proved on the way in.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// `amr`.
    pub amr: Vec<Amr>,
    /// The contact whose code was the first factor.
    pub done: Option<Factor>,
    /// The second factor, or what is both.
    pub second: Option<StepUpMethod>,
    /// The token of a browser this user signed in with before.
    pub known_device: Option<SecretString>,
}

/// Where a first factor led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// In.
    Authorized(Box<AuthorizedTokens>),
    /// To the question for a second factor.
    Asked(Box<PreAuthorizedTokens>),
}

impl Admission {
    /// The tokens of somebody who is in.
    pub fn authorized(self) -> Option<AuthorizedTokens> {
        match self {
            Self::Authorized(tokens) => Some(*tokens),
            Self::Asked(_) => None,
        }
    }

    /// The tokens of somebody who is asked for a second factor.
    pub fn asked(self) -> Option<PreAuthorizedTokens> {
        match self {
            Self::Asked(tokens) => Some(*tokens),
            Self::Authorized(_) => None,
        }
    }
}

/// The one door: every way of signing in to an existing account ends here, so that none can pass by the second factor
/// (G11).
///
/// ```text
/// password, code, passkey ──> admit ──┬── nothing more is asked ──────────> authorized: session, history, mail, audit
///                                     └── a second factor is asked ──> pre-authorized (purpose login), code sent
/// ```
#[derive(Clone)]
pub struct SignInDesk {
    /// Sessions.
    pub sessions: SessionOpener,
    /// Tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Codes bound to pre-authorized tokens.
    pub codes: Arc<OneTimeCodes>,
    /// Outbox.
    pub postbox: Arc<Postbox>,
    /// Guess budgets.
    pub guard: GuessGuard,
    /// The deployment.
    pub settings: Arc<Settings>,
}

/// The standing of a user, from the store.
pub(crate) async fn standing_of(tx: &mut dyn Tx, user: &User, settings: &Settings) -> Result<Standing, StoreError> {
    let enrolled = tx.factors().enrolled(user.id).await?;
    Ok(Standing::new(user, enrolled, &settings.factors.usable_channels()))
}

impl SignInDesk {
    /// Lets an active user in, or asks for a second factor. Commits the transaction.
    pub(crate) async fn admit(
        &self,
        mut tx: Box<dyn Tx>,
        user: &User,
        proof: Proof,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Admission, Failure> {
        if proof.second.is_none() {
            let standing = standing_of(&mut *tx, user, &self.settings).await?;
            let asks = standing.asks(self.settings.factors.second_factor, proof.done, false);
            if !asks.is_empty() {
                return self.ask(tx, user, asks, proof, context, now).await;
            }
        }
        let mut sign_in = self.issuer.sign_in(user, proof.amr, context, now)?;
        if let Some(method) = proof.second {
            let owner = (user.id, user.epoch);
            sign_in.tokens.step_up = Some(self.issuer.step_up(owner, &sign_in.session.id, method, now)?);
        }
        if proof.known_device.is_some() {
            sign_in.tokens.device = proof.known_device;
        } else {
            let occasion = context.occasion(now);
            self.postbox.notify(&mut *tx, user, Notice::NewDevice { occasion }, now).await?;
        }
        let event = AuditEventName::LoginSucceeded;
        record_sign_in(&mut *tx, &self.guard, user, &sign_in, event, context, now).await?;
        tx.commit().await?;
        self.sessions.open(&sign_in.session, context, now).await?;
        Ok(Admission::Authorized(Box::new(sign_in.tokens)))
    }

    /// Asks for a second factor. A code is sent at once when the preferred factor is a contact.
    async fn ask(
        &self,
        mut tx: Box<dyn Tx>,
        user: &User,
        asks: Vec<Factor>,
        proof: Proof,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Admission, Failure> {
        let address = asks.first().and_then(|factor| address_of(user, *factor));
        let code = match &address {
            // Somebody who has the password could have messages sent all day.
            Some(address) if self.may_send(&mut *tx, user, now).await? => {
                let code = self.codes.draw(context.attempt.as_ref());
                self.send(&mut *tx, (user, address), (PreAuthorizedPurpose::Login, &code), context, now).await?;
                Some(code)
            }
            _ => None,
        };
        let request = PreAuthorizedRequest {
            subject: user.id,
            epoch: user.epoch,
            purpose: PreAuthorizedPurpose::Login,
            life: limits::PRE_AUTHORIZED_LIFE,
            flow: None,
            tfa_options: asks,
            amr: proof.amr,
        };
        let sealed = address.zip(code).map(|(address, code)| (address, IssuedCode::Real(code)));
        let seal = |token: &TokenId| {
            let (address, code) = sealed.as_ref()?;
            Some(self.codes.seal(token, PreAuthorizedPurpose::Login, address.as_str(), code))
        };
        let tokens = self.issuer.pre_authorized(request, context, now, seal)?;
        record(&mut *tx, AuditEventName::SecondFactorAsked, (None, Some(user.id)), None, context, now).await?;
        tx.commit().await?;
        self.codes.open(&tokens.claims, now).await?;
        Ok(Admission::Asked(Box::new(tokens)))
    }

    /// Counts a message to somebody who proved a first factor; `false` when they had enough for now. Their own count: what
    /// strangers have sent to the address is counted apart, so that they cannot use it up.
    pub(crate) async fn may_send(&self, tx: &mut dyn Tx, user: &User, now: Timestamp) -> Result<bool, StoreError> {
        let ticket = self.guard.account(self.settings.limits.address, user.id);
        Ok(self.guard.reserve(tx, &ticket, now).await?.is_ok())
    }

    /// Posts the code of a second factor.
    pub(crate) async fn send(
        &self,
        tx: &mut dyn Tx,
        (user, address): (&User, &Address),
        (purpose, code): (PreAuthorizedPurpose, &OneTimeCode),
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (code, minutes) = (code.expose().to_owned(), limits::CODE_LIFE.as_secs() / 60);
        let notice = match purpose {
            PreAuthorizedPurpose::Reset => Notice::ResetCode { code, minutes },
            _ => Notice::LoginCode { code, minutes },
        };
        let message = to_address(user, address.clone(), notice).or_in(context.languages.as_deref());
        self.postbox.post(tx, &message, now, limits::CODE_LIFE).await
    }
}

/// Where a user's codes of this factor go; `None` for factors without codes to be sent.
pub(crate) fn address_of(user: &User, factor: Factor) -> Option<Address> {
    user.contacts().find(|contact| contact.address.kind().factor() == factor).map(|contact| contact.address)
}

/// `amr` of a code sent by this factor, or computed.
pub(crate) fn amr_of(factor: Factor) -> Amr {
    if factor == Factor::Phone { Amr::Sms } else { Amr::Otp }
}
