use std::sync::Arc;

use keystead_domain::account::{
    Address, ContactKind, FullName, LoginName, PasswordRefusal, PendingRegistration, Username,
};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{OneTimeCode, PreAuthorizedPurpose, TokenId};
use keystead_domain::{Timestamp, limits};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::{Message, Notice};
use crate::ports::{Clock, Store, Tx};
use crate::service::{
    GuessGuard, IssuedCode, KeptSecret, NewSecret, OneTimeCodes, Postbox, PreAuthorizedRequest, PreAuthorizedTokens,
    Secrets, TokenIssuer, record,
};
use crate::settings::Settings;

/// A wish for an account.
#[derive(Clone, Debug)]
pub struct RegisterUserCommand {
    /// The claimed address.
    pub address: Address,
    /// The wanted name.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// What they will sign in with; `None` for an account without a password.
    pub secret: Option<NewSecret>,
}

/// Why a registration was refused. Never because the address is taken: its owner is told by mail instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterUserError {
    /// The operator closed registration.
    #[error("registration is closed")]
    Closed,
    /// Nobody registers with this kind of contact here.
    #[error("nobody registers with this kind of contact here")]
    ContactNotAccepted(ContactKind),
    /// Accounts without a password are not made here.
    #[error("a password is needed")]
    PasswordRequired,
    /// The password cannot be chosen.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// The username is public, so this is told.
    #[error("the username is taken")]
    UsernameTaken,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(RegisterUserError);

/// Begins an account: keeps the claim, sends a code, answers with a token that only `/auth/register/verify` takes.
///
/// A taken address gets a decoy: the same claim row, challenge and token, with a code that nobody has, while its owner
/// gets a mail. Status, body, writes and hashes are the same in both cases (G01).
pub struct RegisterUser {
    store: Arc<dyn Store>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    codes: Arc<OneTimeCodes>,
    desk: RegistrationDesk,
}

/// What registering and resending share: choosing between the code and the decoy, and the mail that goes with it.
#[derive(Clone)]
pub struct RegistrationDesk {
    /// Outbox.
    pub postbox: Arc<Postbox>,
    /// Budgets of mails to owners of taken addresses.
    pub guard: GuessGuard,
    /// The deployment.
    pub settings: Arc<Settings>,
}

impl RegisterUser {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        codes: Arc<OneTimeCodes>,
        desk: RegistrationDesk,
    ) -> Self {
        Self { store, secrets, clock, issuer, codes, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        mut command: RegisterUserCommand,
        context: &RequestContext,
    ) -> Result<PreAuthorizedTokens, RegisterUserError> {
        if !self.desk.settings.registration_open {
            return Err(RegisterUserError::Closed);
        }
        let factors = &self.desk.settings.factors;
        let kind = command.address.kind();
        if !factors.registration.contains(&kind) || !factors.reaches(kind) {
            return Err(RegisterUserError::ContactNotAccepted(kind));
        }
        let secret = self.prepare(&mut command).await?;
        let now = self.clock.now();
        let attempt = context.attempt.as_ref();
        let code = self.codes.draw(attempt);
        let decoy = self.codes.draw_decoy();

        let mut tx = self.store.begin().await?;
        if self.desk.guard.was_carried_out(&mut *tx, attempt, now).await? {
            let issued = self.desk.mailed_before(&mut *tx, &command.address, code, decoy).await?;
            drop(tx);
            return self.answer(self.tokens(&command.address, &issued, context, now)?, now).await;
        }
        if let Some(username) = &command.username
            && self.desk.holds(&mut *tx, username).await?
        {
            return Err(RegisterUserError::UsernameTaken);
        }
        let (issued, message) = self
            .desk
            .code_or_notice(&mut *tx, &command.address, command.full_name.as_ref(), code, decoy, context, now)
            .await?;
        let tokens = self.tokens(&command.address, &issued, context, now)?;
        let id = tokens.claims.subject;
        let (password, srp) = match secret {
            Some(KeptSecret::Password(hash)) => (Some(hash), None),
            Some(KeptSecret::Srp(credential)) => (None, Some(self.secrets.seal(id, &credential)?)),
            None => (None, None),
        };
        let claim = PendingRegistration {
            id,
            address: command.address,
            username: command.username,
            full_name: command.full_name,
            password,
            srp,
            social: None,
            created_at: now,
            expires_at: now.plus(limits::REGISTRATION_LIFE),
        };
        tx.registrations().insert(&claim).await?;
        self.desk.postbox.post(&mut *tx, &message, now, limits::CODE_LIFE).await?;
        let event = match issued {
            IssuedCode::Real(_) => AuditEventName::RegistrationStarted,
            IssuedCode::Decoy(_) => AuditEventName::RegistrationOfTakenAddress,
        };
        record(&mut *tx, event, (None, Some(claim.id)), None, context, now).await?;
        tx.commit().await?;
        self.answer(tokens, now).await
    }

    async fn prepare(&self, command: &mut RegisterUserCommand) -> Result<Option<KeptSecret>, RegisterUserError> {
        let Some(secret) = command.secret.take() else {
            let passwordless = self.desk.settings.factors.passwordless;
            return if passwordless { Ok(None) } else { Err(RegisterUserError::PasswordRequired) };
        };
        let accepted = Secrets::accept(secret, &self.desk.settings.passwords, &own_words(command))?;
        Ok(Some(self.secrets.prepare(accepted).await?))
    }

    fn tokens(
        &self,
        address: &Address,
        issued: &IssuedCode,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, RegisterUserError> {
        let request = PreAuthorizedRequest {
            subject: self.issuer.new_user_id(context.attempt.as_ref()),
            epoch: keystead_domain::account::Epoch::default(),
            purpose: PreAuthorizedPurpose::Register,
            life: limits::PRE_AUTHORIZED_LIFE,
            flow: None,
            tfa_options: Vec::new(),
            amr: Vec::new(),
        };
        let seal =
            |token: &TokenId| Some(self.codes.seal(token, PreAuthorizedPurpose::Register, address.as_str(), issued));
        Ok(self.issuer.pre_authorized(request, context, now, seal)?)
    }

    /// Opens the challenge of the token, which is then handed out.
    async fn answer(
        &self,
        tokens: PreAuthorizedTokens,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, RegisterUserError> {
        self.codes.open(&tokens.claims, now).await?;
        Ok(tokens)
    }
}

fn own_words(command: &RegisterUserCommand) -> Vec<&str> {
    [
        Some(command.address.as_str()),
        command.username.as_ref().map(Username::as_str),
        command.full_name.as_ref().map(FullName::as_str),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl RegistrationDesk {
    /// Whether a verified account holds the name.
    pub(crate) async fn holds(&self, tx: &mut dyn Tx, username: &Username) -> Result<bool, crate::ports::StoreError> {
        let name = LoginName::Username(username.clone());
        Ok(tx.users().find_by_login_name(&name).await?.is_some())
    }

    /// What an earlier attempt mailed: the code, unless the address is taken.
    pub(crate) async fn mailed_before(
        &self,
        tx: &mut dyn Tx,
        address: &Address,
        code: OneTimeCode,
        decoy: IssuedCode,
    ) -> Result<IssuedCode, crate::ports::StoreError> {
        let name = LoginName::from(address.clone());
        let is_taken = tx.users().find_by_login_name(&name).await?.is_some();
        Ok(if is_taken { decoy } else { IssuedCode::Real(code) })
    }

    /// The code and the mail that carries it; or, for a taken address, the decoy and a mail to its owner, which after
    /// the third in an hour is a decoy too.
    #[expect(
        clippy::too_many_arguments,
        reason = "the two outcomes are drawn beforehand so that both cases do the same work"
    )]
    pub(crate) async fn code_or_notice(
        &self,
        tx: &mut dyn Tx,
        address: &Address,
        full_name: Option<&FullName>,
        code: OneTimeCode,
        decoy: IssuedCode,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(IssuedCode, Message), crate::ports::StoreError> {
        let name = LoginName::from(address.clone());
        let owner = tx.users().find_by_login_name(&name).await?.map(|(user, _)| user);
        let minutes = limits::CODE_LIFE.as_secs() / 60;
        // Text messages cost money: one number gets so many, whoever asks, whether it has an account or not.
        if address.kind() == ContactKind::Phone {
            let ticket = self.guard.name(self.settings.limits.address, &name);
            if self.guard.reserve(tx, &ticket, now).await?.is_err() {
                return Ok((decoy, Message::decoy()));
            }
        }
        let Some(owner) = owner else {
            let ticket = self.guard.name(self.settings.limits.account_exists, &name);
            // Counted and ignored: an address without an account costs the same writes as one with.
            let _ = self.guard.reserve(tx, &ticket, now).await?;
            let notice = Notice::VerifyEmail { code: code.expose().to_owned(), minutes };
            let name = full_name.map(ToString::to_string);
            let locale = context.languages.clone();
            return Ok((IssuedCode::Real(code), Message { to: address.clone(), locale, name, notice }));
        };
        let ticket = self.guard.account(self.settings.limits.account_exists, owner.id);
        let notice = match self.guard.reserve(tx, &ticket, now).await? {
            Ok(_) => Notice::AccountExists { occasion: context.occasion(now) },
            Err(_) => Notice::Decoy,
        };
        Ok((decoy, crate::service::to_address(&owner, address.clone(), notice)))
    }
}

#[cfg(test)]
mod tests;
