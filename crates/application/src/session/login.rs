use std::sync::Arc;

use keystead_domain::account::{LoginName, Password, PasswordHash, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{Amr, DeviceTokenHash};
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use crate::captcha::{CaptchaGate, CaptchaRefusal};
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{CaptchaAction, Clock, PasswordHasher, Store};
use crate::service::{
    Admission, CaptchaRelief, GuessGuard, GuessTicket, LoginCount, Postbox, Proof, SignInDesk, record,
};
use crate::settings::Settings;

/// An attempt to sign in.
#[derive(Clone, Debug)]
pub struct LoginCommand {
    /// What was typed as the name.
    pub identity: String,
    /// What was typed as the password.
    pub password: SecretString,
    /// The token of a browser signed in with before.
    pub device: Option<SecretString>,
    /// A solved captcha; looked at only once the account's budget is spent.
    pub captcha: Option<SecretString>,
}

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// Wrong password, no such account, or an account not proved yet: the caller cannot tell which.
    #[error("wrong name or password")]
    InvalidCredentials,
    /// The right password of a closed account.
    #[error("the account is closed")]
    AccountInactive,
    /// Too many wrong passwords from unknown devices, also for names nobody has.
    #[error("too many failed logins")]
    Limited {
        /// When the next attempt counts.
        again_at: Timestamp,
    },
    /// Too many wrong passwords from unknown devices: the next guess needs a captcha, and the one shown, if any, does not
    /// count.
    #[error(transparent)]
    Captcha(#[from] CaptchaRefusal),
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(LoginError);

/// Signs in with a name and a password: one look-up, one counted guess, one Argon2id, whoever asks. Where a second factor is
/// asked for, the password alone opens nothing.
pub struct Login {
    store: Arc<dyn Store>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
    desk: SignInDesk,
    captcha: Option<Arc<CaptchaGate>>,
}

/// What a login tells and counts.
#[derive(Clone)]
pub struct LoginDesk {
    /// Outbox.
    pub postbox: Arc<Postbox>,
    /// Guess budgets.
    pub guard: GuessGuard,
    /// The deployment.
    pub settings: Arc<Settings>,
}

/// The account a name led to, and the guess that was counted for it.
struct Candidate {
    account: Option<(User, Option<PasswordHash>)>,
    known_device: bool,
    ticket: GuessTicket,
}

impl Login {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        hasher: Arc<dyn PasswordHasher>,
        clock: Arc<dyn Clock>,
        desk: SignInDesk,
    ) -> Self {
        Self { store, hasher, clock, desk, captcha: None }
    }

    /// The same, where a captcha buys guesses once the budget of an account is spent. Without it nothing does.
    #[must_use]
    pub fn with_captcha(self, gate: Arc<CaptchaGate>) -> Self {
        Self { captcha: Some(gate).filter(|gate| gate.guards(CaptchaAction::Login)), ..self }
    }

    /// Runs it.
    pub async fn run(&self, command: LoginCommand, context: &RequestContext) -> Result<Admission, LoginError> {
        let Some(password) = Password::for_verification(command.password.expose()) else {
            return Err(LoginError::InvalidCredentials);
        };
        let device = command.device.as_ref().map(|token| self.desk.guard.device_hash(token.expose()));
        let name = LoginName::parse(&command.identity);
        let candidate = self.count_guess(&name, device, command.captcha.as_ref(), context).await?;
        let compared = match &candidate.account {
            Some((_, Some(hash))) => self.hasher.verify(&password, hash).await,
            _ => self.hasher.verify_dummy(&password).await.map(|()| false),
        };
        let right = match compared {
            Ok(right) => right,
            Err(error) => {
                self.desk.guard.give_back(&*self.store, &candidate.ticket).await?;
                return Err(error.into());
            }
        };
        match candidate.account {
            Some((user, Some(hash))) if right => {
                let upgraded = self.rehash(&password, &hash).await?;
                let known = candidate.known_device.then_some(command.device).flatten();
                self.sign_in(user, (hash, upgraded), &candidate.ticket, known, context).await
            }
            account => self.refuse(account.map(|(user, _)| user), context).await,
        }
    }

    /// Counts a guess, for a solved captcha if need be.
    async fn count_guess(
        &self,
        name: &LoginName,
        device: Option<DeviceTokenHash>,
        solution: Option<&SecretString>,
        context: &RequestContext,
    ) -> Result<Candidate, LoginError> {
        let Some(gate) = &self.captcha else {
            let candidate = self.look_up_and_count(name, device, CaptchaRelief::None, context).await?;
            return Ok(candidate.ok_or(CaptchaRefusal::Required)?);
        };
        if let Some(candidate) = self.look_up_and_count(name, device, CaptchaRelief::Offered, context).await? {
            return Ok(candidate);
        }
        // No transaction is open while somebody else is asked about the captcha.
        gate.require(CaptchaAction::Login, solution, false, context).await?;
        let candidate = self.look_up_and_count(name, device, CaptchaRelief::Solved, context).await?;
        Ok(candidate.ok_or(CaptchaRefusal::Required)?)
    }

    /// Looks the name up and counts a guess, before anything is compared. `None`: it takes a captcha.
    async fn look_up_and_count(
        &self,
        name: &LoginName,
        device: Option<DeviceTokenHash>,
        relief: CaptchaRelief,
        context: &RequestContext,
    ) -> Result<Option<Candidate>, LoginError> {
        let now = self.clock.now();
        let (guard, limits) = (&self.desk.guard, &self.desk.settings.limits);
        let mut tx = self.store.begin().await?;
        let account = tx.users().find_by_login_name(name).await?;
        let subject = account.as_ref().map(|(user, _)| user.id);
        let guesser = guard.guesser(&mut *tx, subject, name, device, now).await?;
        let ticket = match guard.count_login(&mut *tx, &guesser, limits, relief, now).await? {
            LoginCount::Counted { ticket, is_last } => {
                if is_last {
                    record(&mut *tx, AuditEventName::LoginLimited, (None, subject), None, context, now).await?;
                }
                ticket
            }
            LoginCount::CaptchaNeeded => return Ok(None),
            LoginCount::Limited { again_at } => return Err(LoginError::Limited { again_at }),
        };
        tx.commit().await?;
        Ok(Some(Candidate { account, known_device: guesser.is_known_device(), ticket }))
    }

    /// The hash with today's parameters, when the stored one has others.
    async fn rehash(&self, password: &Password, hash: &PasswordHash) -> Result<Option<PasswordHash>, LoginError> {
        if !self.hasher.needs_rehash(hash) {
            return Ok(None);
        }
        Ok(Some(self.hasher.hash(password).await?))
    }

    async fn refuse(&self, user: Option<User>, context: &RequestContext) -> Result<Admission, LoginError> {
        let mut tx = self.store.begin().await?;
        let who = (None, user.map(|user| user.id));
        record(&mut *tx, AuditEventName::LoginFailed, who, None, context, self.clock.now()).await?;
        tx.commit().await?;
        Err(LoginError::InvalidCredentials)
    }

    async fn sign_in(
        &self,
        user: User,
        (hash, upgraded): (PasswordHash, Option<PasswordHash>),
        ticket: &GuessTicket,
        known_device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, LoginError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // The password may have been changed, and the account closed, while the hash was computed.
        let name = user.address().map_or_else(|| LoginName::Unknown(String::new()), LoginName::from);
        let user = match tx.users().find_by_login_name(&name).await? {
            Some((fresh, Some(stored))) if fresh.id == user.id && stored == hash => fresh,
            _ => return Err(LoginError::InvalidCredentials),
        };
        self.desk.guard.release(&mut *tx, ticket).await?;
        if !user.is_active() {
            record(&mut *tx, AuditEventName::LoginRefused, (None, Some(user.id)), None, context, now).await?;
            tx.commit().await?;
            return Err(LoginError::AccountInactive);
        }
        if let Some(new) = &upgraded {
            tx.users().upgrade_password(user.id, &hash, new).await?;
        }
        let proof = Proof { amr: vec![Amr::Password], known_device, ..Proof::default() };
        Ok(self.desk.admit(tx, &user, proof, context, now).await?)
    }
}

#[cfg(test)]
mod tests;
