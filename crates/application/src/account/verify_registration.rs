use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, ClaimedIdentity, Contact, Epoch, PendingRegistration, Role, User, Username,
};
use keystead_domain::audit::AuditEventName;
use keystead_domain::social::SocialIdentity;
use keystead_domain::token::{Amr, OneTimeCode, PreAuthorizedClaims};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Constraint, Store, StoreError, StoredSrp, Tx};
use crate::service::{
    AuthorizedTokens, CodeRefusal, GuessGuard, OneTimeCodes, SessionOpener, TokenIssuer, amr_of, record,
    record_sign_in, record_with,
};

/// A proof of a registration.
#[derive(Clone, Debug)]
pub struct VerifyRegistrationCommand {
    /// What the pre-authorized token says.
    pub claims: PreAuthorizedClaims,
    /// The code that was mailed.
    pub code: OneTimeCode,
    /// Another username, when the wanted one was taken meanwhile.
    pub username: Option<Username>,
}

/// Why a registration was not proved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyRegistrationError {
    /// The code is wrong or dead, or the claim is.
    #[error("the code is not valid")]
    CodeInvalid,
    /// Somebody else holds the username by now. The code stays good.
    #[error("the username is taken")]
    UsernameTaken,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(VerifyRegistrationError);

impl From<CodeRefusal> for VerifyRegistrationError {
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Invalid => Self::CodeInvalid,
            CodeRefusal::Failure(failure) => Self::Failure(failure),
        }
    }
}

/// Proves a claim: the account comes to be with this claim's password, every other claim to the address ends, and the
/// person is signed in.
pub struct VerifyRegistration {
    store: Arc<dyn Store>,
    sessions: SessionOpener,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    codes: Arc<OneTimeCodes>,
    guard: GuessGuard,
}

impl VerifyRegistration {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: SessionOpener,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        codes: Arc<OneTimeCodes>,
        guard: GuessGuard,
    ) -> Self {
        Self { store, sessions, clock, issuer, codes, guard }
    }

    /// Runs it.
    pub async fn run(
        &self,
        command: VerifyRegistrationCommand,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, VerifyRegistrationError> {
        let now = self.clock.now();
        let claims = &command.claims;
        let pending = self.store.read().await?.registrations().get(claims.subject, now).await?;
        let address = pending.as_ref().map_or("", |claim| claim.address.as_str());
        if let Err(refusal) = self.codes.check(claims, address, &command.code, now).await {
            if refusal == CodeRefusal::Invalid {
                self.record_rejection(claims, context, now).await?;
            }
            return Err(refusal.into());
        }
        let outcome = self.activate(&command, context, now).await;
        match outcome {
            Ok(_) => drop(self.codes.take(&claims.token_id, now).await?),
            Err(VerifyRegistrationError::UsernameTaken) => self.codes.give_back(&claims.token_id).await?,
            Err(_) => {}
        }
        outcome
    }

    async fn activate(
        &self,
        command: &VerifyRegistrationCommand,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<AuthorizedTokens, VerifyRegistrationError> {
        let mut tx = self.store.begin().await?;
        let Some(claim) = tx.registrations().consume(command.claims.subject, now).await? else {
            return Err(VerifyRegistrationError::CodeInvalid);
        };
        let (password, srp, social) = (claim.password.clone(), claim.srp.clone(), claim.social.clone());
        let amr =
            if password.is_some() || srp.is_some() { Amr::Password } else { amr_of(claim.address.kind().factor()) };
        let user = new_user(claim, command.username.clone(), now);
        match tx.users().insert(&user, password).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::UserUsername)) => return Err(VerifyRegistrationError::UsernameTaken),
            Err(StoreError::Conflict(_)) => return Err(VerifyRegistrationError::CodeInvalid),
            Err(other) => return Err(other.into()),
        }
        if let Some(sealed) = srp {
            tx.srp().put(&StoredSrp { user_id: user.id, sealed, created_at: now }).await?;
        }
        if let Some(claimed) = social {
            self.link(&mut *tx, &user, claimed, context, now).await?;
        }
        let sign_in = self.issuer.sign_in(&user, vec![amr], context, now)?;
        let event = AuditEventName::UserCreated;
        record_sign_in(&mut *tx, &self.guard, &user, &sign_in, event, context, now).await?;
        tx.commit().await?;
        self.sessions.open(&sign_in.session, context, now).await?;
        Ok(sign_in.tokens)
    }

    /// Links the account elsewhere that the claim came from. Somebody may have linked it meanwhile: then the claim is dead.
    async fn link(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        claimed: ClaimedIdentity,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), VerifyRegistrationError> {
        let ClaimedIdentity { provider, subject, label } = claimed;
        let id = self.issuer.new_user_id(None).as_uuid();
        let identity =
            SocialIdentity { id, user_id: user.id, provider, subject, label, created_at: now, last_used_at: None };
        let (who, detail) = ((Some(user.id), Some(user.id)), (context, identity.provider.to_string()));
        match tx.social().insert(&identity).await {
            Ok(()) => Ok(record_with(tx, AuditEventName::SocialLinked, who, None, detail, now).await?),
            Err(StoreError::Conflict(_)) => Err(VerifyRegistrationError::CodeInvalid),
            Err(other) => Err(other.into()),
        }
    }

    async fn record_rejection(
        &self,
        claims: &PreAuthorizedClaims,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(), VerifyRegistrationError> {
        let mut tx = self.store.begin().await?;
        record(&mut *tx, AuditEventName::CodeRejected, (None, Some(claims.subject)), None, context, now).await?;
        Ok(tx.commit().await?)
    }
}

fn new_user(claim: PendingRegistration, username: Option<Username>, now: Timestamp) -> User {
    let mut user = User {
        id: claim.id,
        email: None,
        phone: None,
        username: username.or(claim.username),
        full_name: claim.full_name,
        locale: None,
        role: Role::User,
        status: AccountStatus::Active,
        epoch: Epoch::default(),
        sessions_epoch: Epoch::default(),
        created_at: now,
        updated_at: now,
    };
    user.set_contact(Contact { id: claim.id.into(), address: claim.address, otp_enabled: false });
    user
}

#[cfg(test)]
mod tests;
