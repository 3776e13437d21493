use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{AccountStatus, Epoch, Role, User, UserId};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::{AccessClaims, SessionId};

use super::AdminError;
use crate::context::RequestContext;
use crate::message::Notice;
use crate::ports::{Clock, SessionStore, Store, StoreError, Tx};
use crate::service::{Caller, Postbox, Revoker, TokenIssuer, WaysIn, record, record_with, send_activation};
use crate::settings::Settings;

/// What the use-cases of administrators share.
#[derive(Clone)]
pub struct AdminDesk {
    /// Everything that is kept.
    pub store: Arc<dyn Store>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Outbox.
    pub postbox: Arc<Postbox>,
    /// Announces what ended.
    pub revoker: Arc<Revoker>,
    /// The deployment.
    pub settings: Arc<Settings>,
}

/// An administrator's act in its transaction.
pub(super) struct Act<'a> {
    pub tx: Box<dyn Tx>,
    pub admin: UserId,
    pub role: Role,
    claims: &'a AccessClaims,
    context: &'a RequestContext,
    pub now: Timestamp,
}

impl AdminDesk {
    /// Refuses whoever has not the role, acts as somebody else, or shows no proof of a second factor.
    pub(crate) fn require(caller: &Caller, role: Role) -> Result<(), AdminError> {
        if caller.claims.actor.is_some() || caller.claims.role < role {
            return Err(AdminError::Forbidden);
        }
        caller.require_factor().map_err(|_| AdminError::MfaRequired)
    }

    /// Opens the transaction of an act.
    pub(super) async fn begin<'a>(
        &self,
        caller: &'a Caller,
        role: Role,
        context: &'a RequestContext,
    ) -> Result<Act<'a>, AdminError> {
        Self::require(caller, role)?;
        let claims = &caller.claims;
        // Looked up by itself: in the transaction of the act the first account that is looked at is the one it is about.
        let admin = self.store.read().await?.users().get(claims.subject).await?;
        let is_who_they_say =
            |admin: &User| admin.is_active() && admin.role == claims.role && admin.epoch == claims.epoch;
        if !admin.as_ref().is_some_and(is_who_they_say) {
            return Err(AdminError::SessionOver);
        }
        let mut tx = self.store.begin().await?;
        // The view of this replica may be a moment behind: whoever was just put out does nothing more.
        if tx.revocations().is_revoked(claims).await? {
            return Err(AdminError::SessionOver);
        }
        Ok(Act { tx, admin: claims.subject, role: claims.role, claims, context, now: self.clock.now() })
    }
}

impl Act<'_> {
    /// The account it is about, which is not above the caller. The first that is looked at stays as seen until the end.
    pub async fn target(&mut self, id: UserId) -> Result<User, AdminError> {
        let user = self.tx.users().get(id).await?.ok_or(AdminError::NotFound)?;
        if self.role.may_manage(user.role) { Ok(user) } else { Err(AdminError::Forbidden) }
    }

    /// Before an account loses its role or is closed: somebody has to be left.
    pub async fn leaves_somebody(&mut self, before: &User) -> Result<(), AdminError> {
        if is_last_administrator(&mut *self.tx, before).await? {
            return Err(AdminError::LastAdministrator);
        }
        // It may have waited for somebody who put the caller out.
        if self.tx.revocations().is_revoked(self.claims).await? { Err(AdminError::SessionOver) } else { Ok(()) }
    }

    /// Writes the event of the act.
    pub async fn record(
        &mut self,
        name: AuditEventName,
        subject: Option<UserId>,
        session: Option<&SessionId>,
    ) -> Result<(), StoreError> {
        let own = self.claims.session();
        let session = session.unwrap_or(&own);
        record(&mut *self.tx, name, (Some(self.admin), subject), Some(session), self.context, self.now).await
    }

    /// Writes the event of the act with what the name alone does not say.
    pub async fn record_with(
        &mut self,
        name: AuditEventName,
        subject: Option<UserId>,
        detail: String,
    ) -> Result<(), StoreError> {
        let who = (Some(self.admin), subject);
        let session = self.claims.session();
        record_with(&mut *self.tx, name, who, Some(&session), (self.context, detail), self.now).await
    }

    /// A change of epoch voids the link of who was not there yet: sends another.
    pub async fn invite_again(&mut self, desk: &AdminDesk, user: &User, epoch: Epoch) -> Result<(), StoreError> {
        if !user.is_active() || !WaysIn::of(&mut *self.tx, user, &desk.settings).await?.are_none() {
            return Ok(());
        }
        let user = User { epoch, ..user.clone() };
        send_activation(&mut *self.tx, &user, &desk.issuer, &desk.postbox, &desk.settings, self.now).await.map(drop)
    }

    /// Tells the owner of an account what was done to it.
    pub async fn tell(&mut self, postbox: &Postbox, user: &User, act: &str) -> Result<(), StoreError> {
        let role = (act == "role").then(|| user.role.to_string());
        let notice = Notice::Administered { act: act.to_owned(), role, at: self.now.as_seconds() };
        postbox.notify(&mut *self.tx, user, notice, self.now).await
    }
}

/// Whether nobody of an account's role would be left without it. Asking holds others back who ask.
pub(crate) async fn is_last_administrator(tx: &mut dyn Tx, user: &User) -> Result<bool, StoreError> {
    if user.role < Role::Admin || user.status != AccountStatus::Active {
        return Ok(false);
    }
    Ok(!tx.users().has_other_administrator(user.id, user.role).await?)
}
