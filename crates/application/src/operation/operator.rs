use std::sync::Arc;

use keystead_domain::account::{
    AccountStatus, Contact, EmailAddress, Epoch, FullName, LoginName, PasswordRefusal, Role, User, UserId, Username,
};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::EndReason;
use keystead_domain::{SecretString, Timestamp};
use thiserror::Error;

use crate::account::ChangeDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{Clock, Constraint, PasswordHasher, SessionStore, Store, StoreError, Tx, UserFilter, UserPage};
use crate::service::{Revoker, TokenIssuer, WaysIn, raise_epoch, record, record_with, send_activation};
use crate::session::LoginDesk;

/// An account to add.
#[derive(Clone, Debug)]
pub struct AddUserCommand {
    /// Address; the operator vouches for it, the activation link proves it.
    pub email: EmailAddress,
    /// Public name.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// What they may do.
    pub role: Role,
    /// A first password; without one an activation link is mailed.
    pub password: Option<SecretString>,
}

/// An account that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedUser {
    /// The account.
    pub user: User,
    /// The link that lets its owner choose a password, for the operator to hand over; also mailed.
    pub activation_link: Option<SecretString>,
}

/// Why the operator's command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperatorError {
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// The address has an account.
    #[error("the address has an account")]
    EmailTaken,
    /// The username has an account.
    #[error("the username is taken")]
    UsernameTaken,
    /// The password cannot be chosen.
    #[error(transparent)]
    Password(#[from] PasswordRefusal),
    /// A store did not answer.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(OperatorError);

/// What somebody on the machine may do to accounts: `keystead user …`.
pub struct Operator {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
    issuer: Arc<TokenIssuer>,
    desk: ChangeDesk,
}

impl Operator {
    /// The commands with their dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        hasher: Arc<dyn PasswordHasher>,
        clock: Arc<dyn Clock>,
        issuer: Arc<TokenIssuer>,
        desk: ChangeDesk,
    ) -> Self {
        Self { store, sessions, hasher, clock, issuer, desk }
    }

    /// Adds an account.
    pub async fn add(&self, command: AddUserCommand) -> Result<AddedUser, OperatorError> {
        let settings = &self.desk.login.settings;
        let password = match &command.password {
            Some(text) => {
                let own = [Some(command.email.as_str()), command.username.as_ref().map(Username::as_str)];
                let own: Vec<&str> = own.into_iter().flatten().collect();
                Some(self.hasher.hash(&settings.passwords.accept(text.expose(), &own)?).await?)
            }
            None => None,
        };
        let now = self.clock.now();
        let id = self.issuer.new_user_id(None);
        let user = User {
            id,
            email: Some(Contact { id: id.into(), address: command.email, otp_enabled: false }),
            phone: None,
            username: command.username,
            full_name: command.full_name,
            locale: None,
            role: command.role,
            status: AccountStatus::Active,
            epoch: Epoch::default(),
            sessions_epoch: Epoch::default(),
            created_at: now,
            updated_at: now,
        };
        let needs_link = password.is_none();
        let mut tx = self.store.begin().await?;
        match tx.users().insert(&user, password).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::UserEmail)) => return Err(OperatorError::EmailTaken),
            Err(StoreError::Conflict(Constraint::UserUsername)) => return Err(OperatorError::UsernameTaken),
            Err(other) => return Err(other.into()),
        }
        let activation_link = if needs_link { Some(self.send_activation(&mut *tx, &user, now).await?) } else { None };
        self.audit(&mut *tx, AuditEventName::UserAdded, user.id, now).await?;
        tx.commit().await?;
        Ok(AddedUser { user, activation_link })
    }

    async fn send_activation(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        now: Timestamp,
    ) -> Result<SecretString, OperatorError> {
        let LoginDesk { postbox, settings, .. } = &self.desk.login;
        Ok(send_activation(tx, user, &self.issuer, postbox, settings, now).await?)
    }

    /// Sets a password. Every session and artefact of the account ends.
    pub async fn set_password(&self, who: &str, password: &SecretString) -> Result<User, OperatorError> {
        let user = self.find(who).await?;
        let own = crate::account::own_words(&user);
        let password = self.desk.login.settings.passwords.accept(password.expose(), &own)?;
        let hash = self.hasher.hash(&password).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // Whoever added a credential of their own is put out with it.
        tx.srp().delete(user.id).await?;
        tx.users().set_password(user.id, &hash, now).await?;
        tx.devices().forget_all(user.id).await?;
        let notice = Notice::PasswordReset { occasion: RequestContext::default().occasion(now) };
        self.desk.login.postbox.notify(&mut *tx, &user, notice, now).await?;
        self.audit(&mut *tx, AuditEventName::PasswordReset, user.id, now).await?;
        self.end_everything(tx, user.id, now).await?;
        Ok(user)
    }

    /// Closes or reopens an account. Closing ends every session at once, on every replica; closing twice changes nothing.
    pub async fn set_banned(&self, who: &str, banned: bool) -> Result<User, OperatorError> {
        let status = if banned { AccountStatus::Banned } else { AccountStatus::Active };
        let found = self.find(who).await?;
        if found.status == status {
            return Ok(found);
        }
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        // Read again: what was changed since the look above, a name or a role, must not be undone.
        let mut user = tx.users().get(found.id).await?.ok_or(OperatorError::NotFound)?;
        user.status = status;
        user.updated_at = now;
        tx.users().update(&user).await?;
        tx.devices().forget_all(user.id).await?;
        let event = match (banned, found.status) {
            (true, _) => AuditEventName::UserBanned,
            (false, AccountStatus::Deactivated) => AuditEventName::UserReactivated,
            (false, _) => AuditEventName::UserUnbanned,
        };
        self.audit(&mut *tx, event, user.id, now).await?;
        self.end_everything(tx, user.id, now).await?;
        Ok(user)
    }

    /// Changes what an account may do, from the next request on, on every replica. Its sessions stay.
    pub async fn set_role(&self, who: &str, role: Role) -> Result<User, OperatorError> {
        let found = self.find(who).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut user = tx.users().get(found.id).await?.ok_or(OperatorError::NotFound)?;
        let detail = format!("{} -> {role}", user.role);
        if user.role == role {
            return Ok(user);
        }
        user.role = role;
        user.updated_at = now;
        tx.users().update(&user).await?;
        let change = raise_epoch(&mut *tx, user.id, false, now).await?.ok_or(OperatorError::NotFound)?;
        let notice = Notice::Administered { act: "role".into(), role: Some(role.to_string()), at: now.as_seconds() };
        self.desk.login.postbox.notify(&mut *tx, &user, notice, now).await?;
        let (who, context) = ((None, Some(user.id)), RequestContext::default());
        record_with(&mut *tx, AuditEventName::RoleChanged, who, None, (&context, detail), now).await?;
        tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        Ok(user)
    }

    /// Makes the first administrator, a super-admin without a password, and gives the link that lets whoever holds it choose
    /// one. `None` once an administrator can sign in; until then each call voids the link before.
    pub async fn bootstrap(&self, email: EmailAddress) -> Result<Option<SecretString>, OperatorError> {
        let page = |role| UserPage {
            filter: UserFilter { status: Some(AccountStatus::Active), role: Some(role), email_prefix: None },
            size: 100,
            ..UserPage::default()
        };
        let mut tx = self.store.read().await?;
        for role in [Role::SuperAdmin, Role::Admin] {
            for admin in tx.users().list(&page(role)).await? {
                if !WaysIn::of(&mut *tx, &admin, &self.desk.login.settings).await?.are_none() {
                    return Ok(None);
                }
            }
        }
        drop(tx);
        let (username, full_name, password) = (None, None, None);
        let command = AddUserCommand { email: email.clone(), username, full_name, role: Role::SuperAdmin, password };
        match self.add(command).await {
            Ok(added) => Ok(added.activation_link),
            Err(OperatorError::EmailTaken) => {
                let now = self.clock.now();
                let mut tx = self.store.begin().await?;
                let found = tx.users().find_by_login_name(&LoginName::Email(email)).await?;
                let Some((user, None)) = found.filter(|(user, _)| user.role == Role::SuperAdmin) else {
                    return Ok(None);
                };
                let link = self.send_activation(&mut *tx, &user, now).await?;
                tx.commit().await?;
                Ok(Some(link))
            }
            Err(other) => Err(other),
        }
    }

    /// A page of accounts, oldest first.
    pub async fn list(&self, page: &UserPage) -> Result<Vec<User>, OperatorError> {
        Ok(self.store.read().await?.users().list(page).await?)
    }

    /// The account a name, address or identifier means.
    pub async fn find(&self, who: &str) -> Result<User, OperatorError> {
        let mut tx = self.store.read().await?;
        let found = match UserId::parse(who) {
            Some(id) => tx.users().get(id).await?,
            None => tx.users().find_by_login_name(&LoginName::parse(who)).await?.map(|(user, _)| user),
        };
        found.ok_or(OperatorError::NotFound)
    }

    async fn end_everything(&self, mut tx: Box<dyn Tx>, user: UserId, now: Timestamp) -> Result<(), OperatorError> {
        let change = raise_epoch(&mut *tx, user, true, now).await?.ok_or(OperatorError::NotFound)?;
        tx.commit().await?;
        self.desk.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(user, None, EndReason::EpochEnded, now).await);
        Ok(())
    }

    async fn audit(
        &self,
        tx: &mut dyn Tx,
        name: AuditEventName,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), OperatorError> {
        Ok(record(tx, name, (None, Some(user)), None, &RequestContext::default(), now).await?)
    }
}

#[cfg(test)]
mod tests;
