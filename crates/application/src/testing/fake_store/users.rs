use std::collections::BTreeMap;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, Address, Epoch, LoginName, PasswordHash, PhoneNumber, Role, User, UserId,
};

use super::StoreState;
use crate::ports::{Constraint, StoreError, UserFilter, UserPage, UserRepository};

/// An account and its password.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// The account.
    pub user: User,
    /// Its password.
    pub password: Option<PasswordHash>,
}

fn number(user: &User) -> Option<&PhoneNumber> {
    user.phone.as_ref().map(|contact| &contact.address)
}

/// Accounts.
#[derive(Clone, Debug, Default)]
pub struct Users(pub BTreeMap<UserId, UserRow>);

impl Users {
    /// The value of `user` that another account holds.
    fn taken(&self, user: &User) -> Option<Constraint> {
        self.0.values().map(|row| &row.user).filter(|other| other.id != user.id).find_map(|other| {
            if user.email.is_some() && other.email_address() == user.email_address() {
                Some(Constraint::UserEmail)
            } else if user.phone.is_some() && number(other) == number(user) {
                Some(Constraint::UserPhone)
            } else if user.username.is_some() && other.username == user.username {
                Some(Constraint::UserUsername)
            } else {
                None
            }
        })
    }
}

fn passes(filter: &UserFilter, user: &User) -> bool {
    let begins = |prefix: &String| user.email_address().is_some_and(|email| email.as_str().starts_with(prefix));
    filter.status.is_none_or(|status| user.status == status)
        && filter.role.is_none_or(|role| user.role == role)
        && filter.email_prefix.as_ref().is_none_or(begins)
}

// Of the whole state, not of the users alone: a user is deleted with everything that is kept for them.
#[async_trait]
impl UserRepository for StoreState {
    async fn get(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.users.0.get(&id).map(|row| row.user.clone()))
    }

    async fn find_by_login_name(
        &mut self,
        name: &LoginName,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        let found = self.users.0.values().find(|row| match name {
            LoginName::Email(email) => row.user.email_address() == Some(email),
            LoginName::Phone(phone) => number(&row.user) == Some(phone),
            LoginName::Username(username) => row.user.username.as_ref() == Some(username),
            LoginName::Unknown(_) => false,
        });
        Ok(found.map(|row| (row.user.clone(), row.password.clone())))
    }

    async fn password(&mut self, id: UserId) -> Result<Option<PasswordHash>, StoreError> {
        Ok(self.users.0.get(&id).and_then(|row| row.password.clone()))
    }

    async fn insert(&mut self, user: &User, password: Option<PasswordHash>) -> Result<(), StoreError> {
        let clash = if self.users.0.contains_key(&user.id) { Some(Constraint::UserId) } else { self.users.taken(user) };
        if let Some(constraint) = clash {
            return Err(StoreError::Conflict(constraint));
        }
        self.users.0.insert(user.id, UserRow { user: user.clone(), password });
        Ok(())
    }

    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        if let Some(constraint) = self.users.taken(user) {
            return Err(StoreError::Conflict(constraint));
        }
        if let Some(row) = self.users.0.get_mut(&user.id) {
            let kept = &row.user;
            row.user = User {
                epoch: kept.epoch,
                sessions_epoch: kept.sessions_epoch,
                created_at: kept.created_at,
                ..user.clone()
            };
        }
        Ok(())
    }

    async fn delete_password(&mut self, id: UserId) -> Result<(), StoreError> {
        if let Some(row) = self.users.0.get_mut(&id) {
            row.password = None;
        }
        Ok(())
    }

    async fn set_password(&mut self, id: UserId, password: &PasswordHash, now: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.users.0.get_mut(&id) {
            row.password = Some(password.clone());
            row.user.updated_at = now;
        }
        Ok(())
    }

    async fn upgrade_password(
        &mut self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let row = self.users.0.get_mut(&id).filter(|row| row.password.as_ref() == Some(old));
        Ok(row.map(|row| row.password = Some(new.clone())).is_some())
    }

    async fn bump_epoch(
        &mut self,
        id: UserId,
        end_sessions: bool,
        now: Timestamp,
    ) -> Result<Option<(Epoch, Epoch)>, StoreError> {
        Ok(self.users.0.get_mut(&id).map(|row| {
            let user = &mut row.user;
            user.epoch = user.epoch.next();
            if end_sessions {
                user.sessions_epoch = user.epoch;
            }
            user.updated_at = now;
            (user.epoch, user.sessions_epoch)
        }))
    }

    async fn list(&mut self, page: &UserPage) -> Result<Vec<User>, StoreError> {
        let position = |user: &User| (user.created_at, user.id);
        let is_next = |user: &User| match page.after {
            None => true,
            Some(after) if page.newest_first => position(user) < after,
            Some(after) => position(user) > after,
        };
        let all = self.users.0.values().map(|row| &row.user);
        let mut users: Vec<User> = all.filter(|user| is_next(user) && passes(&page.filter, user)).cloned().collect();
        users.sort_by_key(position);
        if page.newest_first {
            users.reverse();
        }
        users.truncate(page.size as usize);
        Ok(users)
    }

    async fn count(&mut self, status: AccountStatus) -> Result<u64, StoreError> {
        Ok(self.users.0.values().filter(|row| row.user.status == status).count() as u64)
    }

    async fn has_other_administrator(&mut self, than: UserId, role: Role) -> Result<bool, StoreError> {
        let has_passkey = |id| self.factors.passkeys.iter().any(|passkey| passkey.user_id == id);
        let is_linked = |id| self.social.0.iter().any(|link| link.user_id == id);
        let can_sign_in = |id| self.srp.0.contains_key(&id) || has_passkey(id) || is_linked(id);
        let mut others = self.users.0.values().filter(|row| row.user.id != than);
        Ok(others.any(|row| {
            let user = &row.user;
            user.is_active() && user.role >= role && (row.password.is_some() || can_sign_in(user.id))
        }))
    }

    async fn delete(&mut self, id: UserId) -> Result<bool, StoreError> {
        let Some(row) = self.users.0.remove(&id) else { return Ok(false) };
        let addresses: Vec<Address> = row.user.contacts().map(|contact| contact.address).collect();
        self.registrations.0.retain(|claim| claim.id != id && !addresses.contains(&claim.address));
        self.link_tokens.0.retain(|token| token.user_id != Some(id));
        self.factors.totp.remove(&id);
        self.factors.recovery_codes.remove(&id);
        self.factors.passkeys.retain(|passkey| passkey.user_id != id);
        self.srp.0.remove(&id);
        self.social.0.retain(|link| link.user_id != id);
        self.attendance.0.retain(|_, row| row.user_id != id);
        self.contacts.pending.retain(|contact| contact.user_id != id);
        self.contacts.undos.retain(|undo| undo.user_id != id);
        self.devices.0.retain(|(owner, _), _| *owner != id);
        self.login_history.0.retain(|login| login.user_id != id);
        Ok(true)
    }

    async fn closed_before(&mut self, before: Timestamp, limit: u32) -> Result<Vec<UserId>, StoreError> {
        let users = self.users.0.values().map(|row| &row.user);
        let closed = users.filter(|user| user.status == AccountStatus::Deactivated && user.updated_at < before);
        let mut closed: Vec<(Timestamp, UserId)> = closed.map(|user| (user.updated_at, user.id)).collect();
        closed.sort_unstable();
        Ok(closed.into_iter().take(limit as usize).map(|(_, id)| id).collect())
    }
}
