use std::sync::Arc;

use keystead_domain::account::Password;
use keystead_domain::audit::AuditEventName;
use keystead_domain::srp::SrpProof;
use keystead_domain::token::{AccessClaims, Amr};
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use super::login::LoginDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, PasswordHasher, SessionStore, SessionUpdate, Store};
use crate::service::{
    AuthorizedTokens, GuessTicket, PasskeyCeremonies, Place, SrpExchange, SrpResponse, TokenIssuer, record,
    report_clone,
};

/// Why a person did not prove again who they are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReauthenticateError {
    /// Wrong password, or an SRP proof that is not valid.
    #[error("wrong password")]
    WrongPassword,
    /// The passkey's answer is not valid.
    #[error("the passkey's answer is not valid")]
    PasskeyInvalid,
    /// Too many wrong passwords.
    #[error("too many wrong passwords")]
    Limited {
        /// When the next attempt counts.
        again_at: Timestamp,
    },
    /// The session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ReauthenticateError);

/// What the ways of proving who one is are checked with.
#[derive(Clone)]
pub struct ReauthenticationTools {
    /// Passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Passkeys.
    pub passkeys: Arc<PasskeyCeremonies>,
    /// SRP.
    pub exchange: SrpExchange,
}

/// Lets a signed-in person prove again who they are: the session goes on with a new `auth_time`.
pub struct Reauthenticate {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    tools: ReauthenticationTools,
    desk: LoginDesk,
}

impl Reauthenticate {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        tools: ReauthenticationTools,
        desk: LoginDesk,
    ) -> Self {
        Self { store, sessions, clock, issuer, tools, desk }
    }

    /// Runs it.
    pub async fn run(
        &self,
        claims: &AccessClaims,
        password: &SecretString,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ReauthenticateError> {
        let password = Password::for_verification(password.expose()).ok_or(ReauthenticateError::WrongPassword)?;
        let ticket = self.desk.guard.account(self.desk.settings.limits.reauth, claims.subject);
        let hash = {
            let mut tx = self.store.begin().await?;
            if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, self.clock.now()).await? {
                return Err(ReauthenticateError::Limited { again_at });
            }
            let hash = tx.users().password(claims.subject).await?;
            tx.commit().await?;
            hash
        };
        let compared = match &hash {
            Some(hash) => self.tools.hasher.verify(&password, hash).await,
            None => self.tools.hasher.verify_dummy(&password).await.map(|()| false),
        };
        let right = match compared {
            Ok(right) => right,
            Err(error) => {
                self.desk.guard.give_back(&*self.store, &ticket).await?;
                return Err(error.into());
            }
        };
        self.conclude(claims, right.then_some(&ticket), context).await
    }

    /// Runs it with an answer to an SRP challenge instead. Answers with the server's proof, too.
    pub async fn with_srp(
        &self,
        claims: &AccessClaims,
        response: &SrpResponse,
        context: &RequestContext,
    ) -> Result<(AuthorizedTokens, SrpProof), ReauthenticateError> {
        let now = self.clock.now();
        let ticket = self.desk.guard.account(self.desk.settings.limits.reauth, claims.subject);
        let account = {
            let mut tx = self.store.begin().await?;
            if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, now).await? {
                return Err(ReauthenticateError::Limited { again_at });
            }
            let user = tx.users().get(claims.subject).await?.ok_or(ReauthenticateError::SessionOver)?;
            let account = self.tools.exchange.account_of(&mut *tx, &user).await?;
            tx.commit().await?;
            account
        };
        let proof = match self.tools.exchange.answered(&account, response, now).await {
            Ok(proof) => proof,
            Err(error) => {
                self.desk.guard.give_back(&*self.store, &ticket).await?;
                return Err(ReauthenticateError::Failure(error));
            }
        };
        let tokens = self.conclude(claims, proof.is_some().then_some(&ticket), context).await?;
        proof.map(|proof| (tokens, proof)).ok_or(ReauthenticateError::WrongPassword)
    }

    /// Writes down what became of a proof of the password, and prolongs the session when it was right: then there is a guess to
    /// give back.
    async fn conclude(
        &self,
        claims: &AccessClaims,
        right: Option<&GuessTicket>,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ReauthenticateError> {
        let now = self.clock.now();
        let event =
            if right.is_some() { AuditEventName::Reauthenticated } else { AuditEventName::ReauthenticationFailed };
        let mut tx = self.store.begin().await?;
        let who = (Some(claims.subject), Some(claims.subject));
        record(&mut *tx, event, who, Some(&claims.session()), context, now).await?;
        if let Some(ticket) = right {
            self.desk.guard.release(&mut *tx, ticket).await?;
        }
        tx.commit().await?;
        if right.is_none() {
            return Err(ReauthenticateError::WrongPassword);
        }
        self.renew(claims, vec![Amr::Password], now).await
    }

    /// Runs it with a passkey instead: `answer` is an `AuthenticationResponseJSON` to the options of a step-up.
    pub async fn with_passkey(
        &self,
        claims: &AccessClaims,
        answer: &str,
        context: &RequestContext,
    ) -> Result<AuthorizedTokens, ReauthenticateError> {
        let ticket = self.desk.guard.account(self.desk.settings.limits.reauth, claims.subject);
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if let Err(again_at) = self.desk.guard.reserve(&mut *tx, &ticket, now).await? {
            return Err(ReauthenticateError::Limited { again_at });
        }
        tx.commit().await?;
        let place = Place::Session(claims.session());
        let checked = self.tools.passkeys.check(&*self.store, &place, Some(claims.subject), answer, now).await?;
        let mut tx = self.store.begin().await?;
        let user = tx.users().get(claims.subject).await?.ok_or(ReauthenticateError::SessionOver)?;
        let kept = match &checked {
            Ok(asserted) => self.tools.passkeys.keep(&mut *tx, asserted, now).await?,
            Err(cloned) => {
                if let Some(passkey) = cloned {
                    report_clone(&mut *tx, &self.desk.postbox, &user, passkey, context, now).await?;
                }
                false
            }
        };
        let event = if kept { AuditEventName::Reauthenticated } else { AuditEventName::ReauthenticationFailed };
        let who = (Some(user.id), Some(user.id));
        record(&mut *tx, event, who, Some(&claims.session()), context, now).await?;
        if kept {
            self.desk.guard.release(&mut *tx, &ticket).await?;
        }
        tx.commit().await?;
        match checked {
            Ok(asserted) if kept => self.renew(claims, asserted.amr(), now).await,
            _ => Err(ReauthenticateError::PasskeyInvalid),
        }
    }

    /// The session goes on with a new `auth_time`. What was proved at its beginning stays beside what was proved now.
    async fn renew(
        &self,
        claims: &AccessClaims,
        proved: Vec<Amr>,
        now: Timestamp,
    ) -> Result<AuthorizedTokens, ReauthenticateError> {
        let mut amr = claims.amr.clone();
        amr.extend(proved.into_iter().filter(|method| !claims.amr.contains(method)));
        let id = claims.session();
        let update = SessionUpdate { auth_time: Some(now), amr: Some(amr), ..SessionUpdate::default() };
        if !self.sessions.update(&id, &update).await? {
            return Err(ReauthenticateError::SessionOver);
        }
        let session = self.sessions.find(&id, now).await?.ok_or(ReauthenticateError::SessionOver)?;
        Ok(self.issuer.access(&session, now)?)
    }
}

#[cfg(test)]
mod tests;
