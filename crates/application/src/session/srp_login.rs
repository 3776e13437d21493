use std::sync::Arc;

use keystead_domain::account::{LoginName, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::srp::SrpProof;
use keystead_domain::token::Amr;
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use crate::captcha::{CaptchaGate, CaptchaRefusal};
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{CaptchaAction, Clock, Store, Tx};
use crate::service::{
    Admission, CaptchaRelief, GuessTicket, LoginCount, OpenedChallenge, Proof, SignInDesk, SrpAccount, SrpExchange,
    SrpResponse, record,
};

/// An answer to a challenge.
#[derive(Clone, Debug)]
pub struct SrpLoginCommand {
    /// What was typed as the name.
    pub identity: String,
    /// A, M1 and the sealed challenge.
    pub response: SrpResponse,
    /// The token of a browser signed in with before.
    pub device: Option<SecretString>,
    /// A solved captcha; looked at only once the account's budget is spent.
    pub captcha: Option<SecretString>,
}

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SrpLoginError {
    /// Wrong proof, no such account, no such credential, or a challenge that is forged, of another account, used, or too old:
    /// the caller cannot tell which.
    #[error("the proof is not valid")]
    Invalid,
    /// The right proof for a closed account.
    #[error("the account is closed")]
    AccountInactive,
    /// Too many wrong guesses from unknown devices, also for names nobody has.
    #[error("too many failed logins")]
    Limited {
        /// When the next attempt counts.
        again_at: Timestamp,
    },
    /// Too many wrong guesses from unknown devices: the next one needs a captcha, and the one shown, if any, does not count.
    #[error(transparent)]
    Captcha(#[from] CaptchaRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(SrpLoginError);

/// Who is in, or asked for a second factor, and the server's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrpAdmitted {
    /// Where the proof led.
    pub admission: Admission,
    /// M2: that the server knows the verifier.
    pub server_proof: SrpProof,
}

/// Ends an SRP login. A challenge is used up by the first answer to it; an answer is a guess like a password, from the same
/// budget; a right one opens what a right password opens, no more.
pub struct SrpLogin {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    exchange: SrpExchange,
    desk: SignInDesk,
    captcha: Option<Arc<CaptchaGate>>,
}

/// The account an answer is about, and the guess that was counted for it.
struct Candidate {
    user: Option<User>,
    account: SrpAccount,
    ticket: GuessTicket,
    known_device: bool,
}

impl SrpLogin {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, exchange: SrpExchange, desk: SignInDesk) -> Self {
        Self { store, clock, exchange, desk, captcha: None }
    }

    /// The same, where a captcha buys guesses once the budget of an account is spent.
    #[must_use]
    pub fn with_captcha(self, gate: Arc<CaptchaGate>) -> Self {
        Self { captcha: Some(gate).filter(|gate| gate.guards(CaptchaAction::Login)), ..self }
    }

    /// Runs it.
    pub async fn run(&self, command: SrpLoginCommand, context: &RequestContext) -> Result<SrpAdmitted, SrpLoginError> {
        let now = self.clock.now();
        let (candidate, challenge) = self.count_guess(&command, context, now).await?;
        match self.exchange.spend(&challenge, now).await {
            Ok(true) => {}
            Ok(false) => {
                self.desk.guard.give_back(&*self.store, &candidate.ticket).await?;
                return self.refuse(candidate.user, AuditEventName::SrpReplayed, context).await;
            }
            Err(error) => return self.give_back(&candidate.ticket, error).await,
        }
        let server_proof = match self.exchange.verify(&candidate.account, challenge, &command.response).await {
            Ok(Some(proof)) => proof,
            Ok(None) => return self.refuse(candidate.user, AuditEventName::LoginFailed, context).await,
            Err(error) => return self.give_back(&candidate.ticket, error).await,
        };
        let device = candidate.known_device.then_some(command.device).flatten();
        let admission = self.sign_in(candidate, device, context).await?;
        Ok(SrpAdmitted { admission, server_proof })
    }

    /// Opens the challenge and counts a guess, for a solved captcha if need be. A challenge that does not open is no guess.
    async fn count_guess(
        &self,
        command: &SrpLoginCommand,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(Candidate, OpenedChallenge), SrpLoginError> {
        let Some(gate) = &self.captcha else {
            let counted = self.look_up_and_count(command, CaptchaRelief::None, context, now).await?;
            return Ok(counted.ok_or(CaptchaRefusal::Required)?);
        };
        if let Some(counted) = self.look_up_and_count(command, CaptchaRelief::Offered, context, now).await? {
            return Ok(counted);
        }
        gate.require(CaptchaAction::Login, command.captcha.as_ref(), false, context).await?;
        let counted = self.look_up_and_count(command, CaptchaRelief::Solved, context, now).await?;
        Ok(counted.ok_or(CaptchaRefusal::Required)?)
    }

    /// Looks the name up, opens the challenge, and counts a guess before anything is compared. `None`: it takes a captcha.
    async fn look_up_and_count(
        &self,
        command: &SrpLoginCommand,
        relief: CaptchaRelief,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Option<(Candidate, OpenedChallenge)>, SrpLoginError> {
        let name = LoginName::parse(&command.identity);
        let (guard, limits) = (&self.desk.guard, &self.desk.settings.limits);
        let device = command.device.as_ref().map(|token| guard.device_hash(token.expose()));
        let mut tx = self.store.begin().await?;
        let user = tx.users().find_by_login_name(&name).await?.map(|(user, _)| user);
        let account = self.exchange.account(&mut *tx, &name, user.as_ref()).await?;
        let Some(challenge) = self.exchange.read(&account, &command.response.sealed, now) else {
            drop(tx);
            return self.refuse(user, AuditEventName::LoginFailed, context).await;
        };
        let subject = user.as_ref().map(|user| user.id);
        let guesser = guard.guesser(&mut *tx, subject, &name, device, now).await?;
        let ticket = match guard.count_login(&mut *tx, &guesser, limits, relief, now).await? {
            LoginCount::Counted { ticket, is_last } => {
                if is_last {
                    record(&mut *tx, AuditEventName::LoginLimited, (None, subject), None, context, now).await?;
                }
                ticket
            }
            LoginCount::CaptchaNeeded => return Ok(None),
            LoginCount::Limited { again_at } => return Err(SrpLoginError::Limited { again_at }),
        };
        tx.commit().await?;
        let known_device = guesser.is_known_device();
        Ok(Some((Candidate { user, account, ticket, known_device }, challenge)))
    }

    async fn refuse<T>(
        &self,
        user: Option<User>,
        event: AuditEventName,
        context: &RequestContext,
    ) -> Result<T, SrpLoginError> {
        let mut tx = self.store.begin().await?;
        let who = (None, user.map(|user| user.id));
        record(&mut *tx, event, who, None, context, self.clock.now()).await?;
        tx.commit().await?;
        Err(SrpLoginError::Invalid)
    }

    /// Nothing was compared: the guess does not count.
    async fn give_back<T>(&self, ticket: &GuessTicket, error: impl Into<SrpLoginError>) -> Result<T, SrpLoginError> {
        self.desk.guard.give_back(&*self.store, ticket).await?;
        Err(error.into())
    }

    async fn sign_in(
        &self,
        candidate: Candidate,
        known_device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SrpLoginError> {
        let Candidate { user, account, ticket, .. } = candidate;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // The credential may have been replaced, and the account closed, while the proof was checked.
        let user = self.unchanged(&mut *tx, user, &account).await?.ok_or(SrpLoginError::Invalid)?;
        self.desk.guard.release(&mut *tx, &ticket).await?;
        if !user.is_active() {
            record(&mut *tx, AuditEventName::LoginRefused, (None, Some(user.id)), None, context, now).await?;
            tx.commit().await?;
            return Err(SrpLoginError::AccountInactive);
        }
        let proof = Proof { amr: vec![Amr::Password], known_device, ..Proof::default() };
        Ok(self.desk.admit(tx, &user, proof, context, now).await?)
    }

    async fn unchanged(
        &self,
        tx: &mut dyn Tx,
        user: Option<User>,
        account: &SrpAccount,
    ) -> Result<Option<User>, SrpLoginError> {
        let Some(user) = user else { return Ok(None) };
        let Some(fresh) = tx.users().get(user.id).await? else { return Ok(None) };
        Ok(self.exchange.is_current(tx, &fresh, account).await?.then_some(fresh))
    }
}

#[cfg(test)]
mod tests;
