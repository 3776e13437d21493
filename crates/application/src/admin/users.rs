use keystead_domain::account::{
    AccountStatus, Address, Contact, Epoch, FullName, Locale, Role, User, UserId, Username,
};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::EndReason;

use super::desk::Act;
use super::{AdminDesk, AdminError};
use crate::account::UpdateProfileCommand;
use crate::context::RequestContext;
use crate::ports::{Constraint, StoreError, UserPage};
use crate::service::{Caller, Revoker, raise_epoch, send_activation};

/// An account to make. Its owner chooses the password by the link they are sent; who makes it never sees the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateUserCommand {
    /// Where the link is sent. The administrator vouches for it, opening the link proves it.
    pub address: Address,
    /// Public name.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// Language of their mails.
    pub locale: Option<Locale>,
    /// What they may do.
    pub role: Role,
}

/// A change of an account. `None` leaves a fact alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateUserCommand {
    /// What they may do.
    pub role: Option<Role>,
    /// Whether the account can be used.
    pub active: Option<bool>,
    /// Names and language.
    pub profile: UpdateProfileCommand,
}

/// Shows, makes, changes and deletes accounts.
pub struct ManageUsers {
    desk: AdminDesk,
}

impl ManageUsers {
    /// The use-case with its dependencies.
    pub fn new(desk: AdminDesk) -> Self {
        Self { desk }
    }

    /// A page of accounts.
    pub async fn list(&self, caller: &Caller, page: &UserPage) -> Result<Vec<User>, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        Ok(self.desk.store.read().await?.users().list(page).await?)
    }

    /// One account.
    pub async fn get(&self, caller: &Caller, id: UserId) -> Result<User, AdminError> {
        AdminDesk::require(caller, Role::Admin)?;
        self.desk.store.read().await?.users().get(id).await?.ok_or(AdminError::NotFound)
    }

    /// Makes an account and sends its owner the activation link.
    pub async fn create(
        &self,
        caller: &Caller,
        command: CreateUserCommand,
        context: &RequestContext,
    ) -> Result<User, AdminError> {
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        if !act.role.may_manage(command.role) {
            return Err(AdminError::Forbidden);
        }
        if !self.desk.settings.factors.reaches(command.address.kind()) {
            return Err(AdminError::ContactNotAccepted);
        }
        // Repeats of one request make one account.
        let id = self.desk.issuer.new_user_id(context.attempt.as_ref());
        let mut user = User {
            id,
            email: None,
            phone: None,
            username: command.username,
            full_name: command.full_name,
            locale: command.locale,
            role: command.role,
            status: AccountStatus::Active,
            epoch: Epoch::default(),
            sessions_epoch: Epoch::default(),
            created_at: act.now,
            updated_at: act.now,
        };
        user.set_contact(Contact { id: id.into(), address: command.address, otp_enabled: false });
        if let Err(error) = act.tx.users().insert(&user, None).await {
            // The same request once more: its answer was lost after it was carried out.
            let made = act.tx.users().get(id).await?.filter(|_| context.attempt.is_some());
            return made.ok_or_else(|| taken(error));
        }
        let (issuer, postbox, settings) = (&self.desk.issuer, &self.desk.postbox, &self.desk.settings);
        send_activation(&mut *act.tx, &user, issuer, postbox, settings, act.now).await?;
        act.record_with(AuditEventName::UserCreatedByAdmin, Some(id), user.role.to_string()).await?;
        act.tx.commit().await?;
        Ok(user)
    }

    /// Changes an account. A change of role or standing holds from the next request on, on every replica.
    pub async fn update(
        &self,
        caller: &Caller,
        id: UserId,
        command: UpdateUserCommand,
        context: &RequestContext,
    ) -> Result<User, AdminError> {
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        let before = act.target(id).await?;
        let mut user = before.clone();
        command.profile.apply(&mut user);
        user.role = command.role.unwrap_or(user.role);
        match command.active {
            Some(true) => user.status = AccountStatus::Active,
            // Closed by its owner is closed already, and stays its owner's wish.
            Some(false) if user.is_active() => user.status = AccountStatus::Banned,
            _ => {}
        }
        if user == before {
            return Ok(before);
        }
        let (new_role, new_status) = (user.role != before.role, user.status != before.status);
        if (new_role || new_status) && id == act.admin {
            return Err(AdminError::OwnAccount);
        }
        if !act.role.may_manage(user.role) {
            return Err(AdminError::Forbidden);
        }
        if user.role < before.role || !user.is_active() {
            act.leaves_somebody(&before).await?;
        }
        user.updated_at = act.now;
        act.tx.users().update(&user).await.map_err(taken)?;
        self.write_down(&mut act, &before, &user).await?;
        if !new_role && !new_status {
            act.tx.commit().await?;
            return Ok(user);
        }
        if new_status {
            act.tx.devices().forget_all(id).await?;
        }
        let change = raise_epoch(&mut *act.tx, id, new_status, act.now).await?.ok_or(AdminError::NotFound)?;
        user.epoch = change.epoch;
        act.invite_again(&self.desk, &user, change.epoch).await?;
        let now = act.now;
        act.tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        if new_status {
            Revoker::told(self.desk.sessions.end_all(id, None, EndReason::EpochEnded, now).await);
        }
        Ok(user)
    }

    /// One event, and one message to the owner, for each kind of change.
    async fn write_down(&self, act: &mut Act<'_>, before: &User, user: &User) -> Result<(), StoreError> {
        if user.role != before.role {
            let detail = format!("{} -> {}", before.role, user.role);
            act.record_with(AuditEventName::RoleChanged, Some(user.id), detail).await?;
            act.tell(&self.desk.postbox, user, "role").await?;
        }
        if user.status != before.status {
            let (event, told) = match (before.status, user.status) {
                (_, AccountStatus::Banned) => (AuditEventName::UserBanned, "banned"),
                (AccountStatus::Deactivated, _) => (AuditEventName::UserReactivated, "reopened"),
                _ => (AuditEventName::UserUnbanned, "reopened"),
            };
            act.record(event, Some(user.id), None).await?;
            act.tell(&self.desk.postbox, user, told).await?;
        }
        let facts = |user: &User| (user.full_name.clone(), user.username.clone(), user.locale.clone());
        if facts(user) != facts(before) {
            act.record(AuditEventName::UserUpdated, Some(user.id), None).await?;
            act.tell(&self.desk.postbox, user, "profile").await?;
        }
        Ok(())
    }

    /// Deletes an account and everything that is kept for it, but the audit log. It cannot be undone.
    pub async fn delete(&self, caller: &Caller, id: UserId, context: &RequestContext) -> Result<(), AdminError> {
        let mut act = self.desk.begin(caller, Role::Admin, context).await?;
        let user = act.target(id).await?;
        if id == act.admin {
            return Err(AdminError::OwnAccount);
        }
        act.leaves_somebody(&user).await?;
        // Tokens of it are refused by this row; nothing else will be left of the account.
        let change = raise_epoch(&mut *act.tx, id, true, act.now).await?.ok_or(AdminError::NotFound)?;
        act.tell(&self.desk.postbox, &user, "deleted").await?;
        act.record(AuditEventName::UserDeleted, Some(id), None).await?;
        act.tx.users().delete(id).await?;
        let now = act.now;
        act.tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.desk.sessions.end_all(id, None, EndReason::EpochEnded, now).await);
        Ok(())
    }
}

fn taken(error: StoreError) -> AdminError {
    match error {
        StoreError::Conflict(Constraint::UserEmail) => AdminError::EmailTaken,
        StoreError::Conflict(Constraint::UserPhone) => AdminError::PhoneTaken,
        StoreError::Conflict(Constraint::UserUsername) => AdminError::UsernameTaken,
        other => other.into(),
    }
}
