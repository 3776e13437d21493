use std::sync::Arc;

use keystead_domain::account::{Address, ContactKind, Epoch, LoginName, User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{OneTimeCode, PreAuthorizedClaims, PreAuthorizedPurpose, TokenId};
use keystead_domain::{SecretString, Timestamp, limits};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::second_factor::SecondFactorError;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::{Message, Notice};
use crate::ports::{Clock, Store, Tx};
use crate::service::{
    Admission, CodeRefusal, FactorGuard, FactorTicket, IssuedCode, PreAuthorizedRequest, PreAuthorizedTokens, Proof,
    SignInDesk, Tried, amr_of, record, slot_of_contact, to_address,
};

/// Why a login without a password did not begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartPasswordlessError {
    /// The operator did not turn it on.
    #[error("logins without a password are turned off")]
    TurnedOff,
    /// Asked for too often, whether the account exists or not.
    #[error("too many codes were asked for")]
    Limited {
        /// When another can be asked for.
        again_at: Timestamp,
    },
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(StartPasswordlessError);

/// What the server remembers of a flow, and the token must not tell: whether there is an account behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Memory {
    /// The name as typed, canonical.
    name: String,
    /// The account; `None` for a decoy.
    user: Option<String>,
    /// Its epoch when the code was sent.
    epoch: i64,
    /// Where the code was sent.
    kind: String,
    address: String,
}

/// Signing in with a code to a contact. Whoever asks gets a pre-authorized token of the same shape, in the same time, with
/// the same writes; the code is sent only where there is an account (G01).
pub struct Passwordless {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    guard: FactorGuard,
    desk: SignInDesk,
}

impl Passwordless {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, guard: FactorGuard, desk: SignInDesk) -> Self {
        Self { store, clock, guard, desk }
    }

    /// Sends the code, and a link that carries it in its fragment. `device`: the token of a browser signed in with before;
    /// the owner's has budgets of its own, which strangers cannot use up (G10).
    pub async fn start(
        &self,
        identity: &str,
        device: Option<&SecretString>,
        context: &RequestContext,
    ) -> Result<PreAuthorizedTokens, StartPasswordlessError> {
        let desk = &self.desk;
        if !desk.settings.factors.passwordless {
            return Err(StartPasswordlessError::TurnedOff);
        }
        let now = self.clock.now();
        let name = LoginName::parse(identity);
        let (code, decoy) = (desk.codes.draw(context.attempt.as_ref()), desk.codes.draw_decoy());
        let mut tx = self.store.begin().await?;
        let user = tx.users().find_by_login_name(&name).await?.map(|(user, _)| user).filter(User::is_active);
        let target = user.as_ref().and_then(|user| self.target(user, &name));
        let issued = if target.is_some() { IssuedCode::Real(code.clone()) } else { decoy };
        let memory = Memory {
            name: name.canonical().to_owned(),
            user: user.as_ref().filter(|_| target.is_some()).map(|user| user.id.to_string()),
            epoch: user.as_ref().map_or(0, |user| user.epoch.number()),
            kind: target.as_ref().map_or(ContactKind::Email, Address::kind).as_str().to_owned(),
            address: target.as_ref().map_or(name.canonical(), Address::as_str).to_owned(),
        };
        let tokens = self.tokens(&memory, &issued, context, now)?;
        if desk.guard.was_carried_out(&mut *tx, context.attempt.as_ref(), now).await? {
            drop(tx);
        } else {
            let target = user.as_ref().zip(target.as_ref());
            self.count_start(&mut *tx, target, &name, device, now).await?;
            self.send(&mut *tx, target, &code, context, now).await?;
            let subject = user.map(|user| user.id);
            record(&mut *tx, AuditEventName::PasswordlessStarted, (None, subject), None, context, now).await?;
            tx.commit().await?;
        }
        let memory = serde_json::to_vec(&memory).map_err(|error| Failure::Internal(error.to_string()))?;
        desk.codes.open_for(&tokens.claims, &memory, now).await?;
        Ok(tokens)
    }

    /// Signs in, or asks for the second factor.
    pub async fn verify(
        &self,
        claims: &PreAuthorizedClaims,
        code: &OneTimeCode,
        device: Option<SecretString>,
        context: &RequestContext,
    ) -> Result<Admission, SecondFactorError> {
        let now = self.clock.now();
        let memory = self.desk.codes.memory(&claims.token_id, now).await?;
        let memory: Option<Memory> = memory.and_then(|memory| serde_json::from_slice(memory.expose()).ok());
        let memory = memory.ok_or(SecondFactorError::Invalid)?;
        let kind = ContactKind::parse(&memory.kind).unwrap_or(ContactKind::Email);
        let user = memory.user.as_deref().and_then(UserId::parse);
        let (ticket, known) = self.count(claims, &memory, user, kind, device.as_ref(), now).await?;
        let won = self.wins(claims, &memory, code, now).await;
        let right = self.guard.or_give_back(&*self.store, &ticket, won).await?;
        let mut tx = self.store.begin().await?;
        let user = tx.users().get(user.unwrap_or(claims.subject)).await?;
        if !right {
            self.guard.fail(&mut *tx, &self.desk.postbox, &ticket, user.as_ref(), context, now).await?;
            tx.commit().await?;
            return Err(SecondFactorError::Invalid);
        }
        let user = user.filter(|user| user.is_active() && user.epoch == Epoch::new(memory.epoch));
        let user = user.ok_or(SecondFactorError::Over)?;
        self.guard.succeed(&mut *tx, &ticket).await?;
        let factor = kind.factor();
        let known_device = if known { device } else { None };
        let proof = Proof { amr: vec![amr_of(factor)], done: Some(factor), second: None, known_device };
        Ok(self.desk.admit(tx, &user, proof, context, now).await?)
    }

    /// Whether the code is right and, of parallel right ones, the one that takes the challenge.
    async fn wins(
        &self,
        claims: &PreAuthorizedClaims,
        memory: &Memory,
        code: &OneTimeCode,
        now: Timestamp,
    ) -> Result<bool, SecondFactorError> {
        match self.desk.codes.check(claims, &memory.address, code, now).await {
            Ok(()) => Ok(self.desk.codes.take(&claims.token_id, now).await?),
            Err(CodeRefusal::Invalid) => Ok(false),
            Err(CodeRefusal::Failure(failure)) => Err(failure.into()),
        }
    }

    /// Where the code of this person goes: to the contact that was typed, else to the one they are told things at.
    fn target(&self, user: &User, name: &LoginName) -> Option<Address> {
        let address = match name {
            LoginName::Phone(number) => Address::Phone(number.clone()),
            LoginName::Email(email) => Address::Email(email.clone()),
            LoginName::Username(_) | LoginName::Unknown(_) => user.address()?,
        };
        self.desk.settings.factors.reaches(address.kind()).then_some(address)
    }

    fn tokens(
        &self,
        memory: &Memory,
        issued: &IssuedCode,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<PreAuthorizedTokens, StartPasswordlessError> {
        let purpose = PreAuthorizedPurpose::Passwordless;
        let request = PreAuthorizedRequest {
            // Random, whoever asks: the account is remembered on the server.
            subject: self.desk.issuer.new_user_id(context.attempt.as_ref()),
            epoch: Epoch::default(),
            purpose,
            life: limits::PRE_AUTHORIZED_LIFE,
            flow: None,
            tfa_options: Vec::new(),
            amr: Vec::new(),
        };
        let seal = |token: &TokenId| Some(self.desk.codes.seal(token, purpose, &memory.address, issued));
        Ok(self.desk.issuer.pre_authorized(request, context, now, seal)?)
    }

    /// Counts a message to an account and to its address: from a device the account knows apart from everybody else's.
    async fn count_start(
        &self,
        tx: &mut dyn Tx,
        target: Option<(&User, &Address)>,
        name: &LoginName,
        device: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(), StartPasswordlessError> {
        let (guard, policies) = (&self.desk.guard, &self.desk.settings.limits);
        let device = device.map(|token| guard.device_hash(token.expose()));
        let asker = guard.guesser(tx, target.map(|(user, _)| user.id), name, device, now).await?;
        let address = match target {
            Some((_, address)) if !asker.is_known_device() => guard.name(policies.address, &address.clone().into()),
            _ => guard.ticket(policies.address, &asker),
        };
        for ticket in [guard.ticket(policies.passwordless, &asker), address] {
            if let Err(again_at) = guard.reserve(tx, &ticket, now).await? {
                return Err(StartPasswordlessError::Limited { again_at });
            }
        }
        Ok(())
    }

    /// Posts the code or a decoy.
    async fn send(
        &self,
        tx: &mut dyn Tx,
        target: Option<(&User, &Address)>,
        code: &OneTimeCode,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), StartPasswordlessError> {
        let desk = &self.desk;
        let message = target.map_or_else(Message::decoy, |(user, address)| {
            let code = code.expose().to_owned();
            let link = format!("{}/sign-in/code#code={code}", desk.settings.public_url);
            let minutes = limits::CODE_LIFE.as_secs() / 60;
            let message = to_address(user, address.clone(), Notice::PasswordlessCode { code, link, minutes });
            message.or_in(context.languages.as_deref())
        });
        Ok(desk.postbox.post(tx, &message, now, limits::CODE_LIFE).await?)
    }

    async fn count(
        &self,
        claims: &PreAuthorizedClaims,
        memory: &Memory,
        user: Option<UserId>,
        kind: ContactKind,
        device: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(FactorTicket, bool), SecondFactorError> {
        let mut tx = self.store.begin().await?;
        let name = LoginName::parse(&memory.name);
        // Holds the user before their failures, as every other path does. For a decoy nobody is looked up just as well.
        let id = user.unwrap_or(claims.subject);
        tx.users().get(id).await?;
        let device = device.map(SecretString::expose);
        let known = FactorGuard::known(&self.desk.guard, &mut *tx, id, device, now).await?;
        let tried = match user {
            Some(user) => Tried::User(user, known.as_ref()),
            None => Tried::Nobody(&name),
        };
        let ticket = match self.guard.count(&mut *tx, tried, slot_of_contact(kind), now).await? {
            Ok(ticket) => ticket,
            Err(until) => return Err(SecondFactorError::Blocked { until }),
        };
        tx.commit().await?;
        Ok((ticket, known.is_some()))
    }
}

#[cfg(test)]
mod tests;
