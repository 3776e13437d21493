use std::sync::Arc;

use keystead_domain::account::{ContactKind, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::{FailureSlot, Standing};
use keystead_domain::token::{Factor, StepUpMethod};
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, Store, Tx};
use crate::service::{
    AuthorizedTokens, Caller, Continuation, Continued, FactorGuard, FactorTicket, Tried, Unproved, raise_epoch, record,
    standing_of,
};
use crate::session::{LoginDesk, StepUpTools};

/// Why a factor or contact was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FactorError {
    /// A second factor must be proved first.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The person must prove again who they are first.
    #[error("a fresh sign-in is needed")]
    ReauthRequired,
    /// The account or session ended meanwhile.
    #[error("the session is over")]
    SessionOver,
    /// There is no such factor or contact of this person.
    #[error("there is none such")]
    NotFound,
    /// Wrong, used, or expired.
    #[error("the code is not valid")]
    CodeInvalid,
    /// The passkey's answer is not valid.
    #[error("the passkey's answer is not valid")]
    PasskeyInvalid,
    /// This passkey is registered.
    #[error("the passkey is registered")]
    PasskeyExists,
    /// The person has as many as they may have.
    #[error("there are as many as there may be")]
    TooMany {
        /// Most of them.
        most: u32,
    },
    /// A person who must have a second factor keeps the last one.
    #[error("the last factor stays")]
    LastFactor,
    /// A person keeps the last contact.
    #[error("the last contact stays")]
    LastContact,
    /// Messages to this kind of contact cannot be sent, or its codes are no factor, here.
    #[error("this kind of contact cannot be used")]
    Unavailable(ContactKind),
    /// Changed too often.
    #[error("too many changes")]
    Limited {
        /// When another counts.
        again_at: Timestamp,
    },
    /// Too many wrong codes, over all factors and paths.
    #[error("second factors are blocked")]
    Blocked {
        /// When one can be tried again.
        until: Timestamp,
    },
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(FactorError);

impl From<Unproved> for FactorError {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::MfaRequired => Self::MfaRequired,
            Unproved::ReauthRequired => Self::ReauthRequired,
        }
    }
}

/// What every change of a factor or contact needs.
#[derive(Clone)]
pub struct FactorDesk {
    /// Database.
    pub store: Arc<dyn Store>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Codes and passkeys.
    pub tools: StepUpTools,
    /// The session that goes on.
    pub continuation: Continuation,
    /// Mail, budgets, settings.
    pub login: LoginDesk,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A factor or contact was added or replaced: sessions stay, the next refresh carries the new epoch.
    Added,
    /// A factor was taken away: every other session ends, known devices are forgotten.
    Removed,
}

/// A change that was made in an open transaction.
pub(super) struct Made {
    pub change: Change,
    pub event: AuditEventName,
    /// What the owner is told.
    pub notice: Option<Notice>,
    /// The change was itself a proof of this factor.
    pub proved: Option<Factor>,
}

/// An open transaction about a caller who proved what a change takes.
pub(super) struct Opened {
    pub tx: Box<dyn Tx>,
    pub user: User,
    pub standing: Standing,
}

impl FactorDesk {
    /// Opens a transaction for a change, provided the caller proved what it takes: a second factor if they enrolled one, a
    /// fresh sign-in otherwise.
    pub(super) async fn open(&self, caller: &Caller, now: Timestamp) -> Result<Opened, FactorError> {
        let mut opened = self.look(caller).await?;
        caller.require(&opened.standing, self.login.settings.factors.second_factor, now)?;
        let ticket = self.login.guard.account(self.login.settings.limits.factor_change, opened.user.id);
        if let Err(again_at) = self.login.guard.reserve(&mut *opened.tx, &ticket, now).await? {
            return Err(FactorError::Limited { again_at });
        }
        Ok(opened)
    }

    /// Opens a transaction about the caller, who needs to prove nothing more.
    pub(super) async fn look(&self, caller: &Caller) -> Result<Opened, FactorError> {
        let mut tx = self.store.begin().await?;
        let user = tx.users().get(caller.claims.subject).await?;
        let user = user.filter(|user| user.is_active() && user.epoch == caller.claims.epoch);
        let user = user.ok_or(FactorError::SessionOver)?;
        let standing = standing_of(&mut *tx, &user, &self.login.settings).await?;
        Ok(Opened { tx, user, standing })
    }

    /// Commits a change: the epoch moves on, the owner is told, this session goes on with fresh tokens.
    ///
    /// A proof the caller showed goes on too, to its end, unless a factor was taken away.
    pub(super) async fn close(
        &self,
        opened: Opened,
        caller: &Caller,
        made: Made,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<AuthorizedTokens, FactorError> {
        let Opened { mut tx, user, .. } = opened;
        let ends_others = made.change == Change::Removed;
        if ends_others {
            tx.devices().forget_all(user.id).await?;
        }
        let change = raise_epoch(&mut *tx, user.id, ends_others, now).await?.ok_or(FactorError::SessionOver)?;
        if let Some(notice) = made.notice {
            self.login.postbox.notify(&mut *tx, &user, notice, now).await?;
        }
        let session = caller.claims.session();
        let who = (Some(user.id), Some(user.id));
        record(&mut *tx, made.event, who, Some(&session), context, now).await?;
        tx.commit().await?;
        let epoch = change.epoch;
        let issuer = self.continuation.issuer.clone();
        let continued =
            Continued { user: user.id, role: user.role, session: session.clone(), change, ends_others, proved: false };
        let mut tokens = self.continuation.go_on(continued, now).await?.ok_or(FactorError::SessionOver)?;
        tokens.step_up = match (made.proved, &caller.proof) {
            (Some(factor), _) => Some(issuer.step_up((user.id, epoch), &session, StepUpMethod::Factor(factor), now)?),
            (None, Some(proof)) if !ends_others => Some(issuer.step_up_again(proof, epoch, now)?),
            _ => None,
        };
        Ok(tokens)
    }

    /// Counts a try at a code within a session, before it is compared.
    pub(super) async fn count(
        &self,
        caller: &Caller,
        slot: FailureSlot,
        now: Timestamp,
    ) -> Result<FactorTicket, FactorError> {
        let mut tx = self.store.begin().await?;
        let user = caller.claims.subject;
        tx.users().get(user).await?;
        let device = caller.device.as_ref().map(SecretString::expose);
        let known = FactorGuard::known(&self.login.guard, &mut *tx, user, device, now).await?;
        let ticket = match self.tools.guard.count(&mut *tx, Tried::User(user, known.as_ref()), slot, now).await? {
            Ok(ticket) => ticket,
            Err(until) => return Err(FactorError::Blocked { until }),
        };
        tx.commit().await?;
        Ok(ticket)
    }

    /// A wrong code: written down, and the owner told when it began a block.
    pub(super) async fn refuse<T>(
        &self,
        user: &User,
        ticket: &FactorTicket,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<T, FactorError> {
        let mut tx = self.store.begin().await?;
        self.tools.guard.fail(&mut *tx, &self.login.postbox, ticket, Some(user), context, now).await?;
        tx.commit().await?;
        Err(FactorError::CodeInvalid)
    }
}
