use std::collections::BTreeMap;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{
    AccountStatus, Epoch, LinkPurpose, LinkToken, LinkTokenHash, LoginName, PasswordHash, PendingRegistration,
    PhoneNumber, User, UserId,
};
use keystead_domain::token::TokenId;

use crate::ports::{Constraint, LinkTokenRepository, RegistrationRepository, StoreError, UserPage, UserRepository};

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

#[async_trait]
impl UserRepository for Users {
    async fn get(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.get(&id).map(|row| row.user.clone()))
    }

    async fn find_by_login_name(
        &mut self,
        name: &LoginName,
    ) -> Result<Option<(User, Option<PasswordHash>)>, StoreError> {
        let found = self.0.values().find(|row| match name {
            LoginName::Email(email) => row.user.email_address() == Some(email),
            LoginName::Phone(phone) => number(&row.user) == Some(phone),
            LoginName::Username(username) => row.user.username.as_ref() == Some(username),
            LoginName::Unknown(_) => false,
        });
        Ok(found.map(|row| (row.user.clone(), row.password.clone())))
    }

    async fn password(&mut self, id: UserId) -> Result<Option<PasswordHash>, StoreError> {
        Ok(self.0.get(&id).and_then(|row| row.password.clone()))
    }

    async fn insert(&mut self, user: &User, password: Option<PasswordHash>) -> Result<(), StoreError> {
        let clash = if self.0.contains_key(&user.id) { Some(Constraint::UserId) } else { self.taken(user) };
        if let Some(constraint) = clash {
            return Err(StoreError::Conflict(constraint));
        }
        self.0.insert(user.id, UserRow { user: user.clone(), password });
        Ok(())
    }

    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        if let Some(constraint) = self.taken(user) {
            return Err(StoreError::Conflict(constraint));
        }
        if let Some(row) = self.0.get_mut(&user.id) {
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
        if let Some(row) = self.0.get_mut(&id) {
            row.password = None;
        }
        Ok(())
    }

    async fn set_password(&mut self, id: UserId, password: &PasswordHash, now: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.0.get_mut(&id) {
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
        let row = self.0.get_mut(&id).filter(|row| row.password.as_ref() == Some(old));
        Ok(row.map(|row| row.password = Some(new.clone())).is_some())
    }

    async fn bump_epoch(
        &mut self,
        id: UserId,
        end_sessions: bool,
        now: Timestamp,
    ) -> Result<Option<(Epoch, Epoch)>, StoreError> {
        Ok(self.0.get_mut(&id).map(|row| {
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
        let start = page.after.and_then(|id| self.0.get(&id)).map(|row| position(&row.user));
        let mut users: Vec<User> = self.0.values().map(|row| row.user.clone()).collect();
        users.retain(|user| start.is_none_or(|start| position(user) > start));
        users.sort_by_key(position);
        users.truncate(page.size as usize);
        Ok(users)
    }

    async fn count(&mut self, status: AccountStatus) -> Result<u64, StoreError> {
        Ok(self.0.values().filter(|row| row.user.status == status).count() as u64)
    }
}

/// Claims to addresses.
#[derive(Clone, Debug, Default)]
pub struct Registrations(pub Vec<PendingRegistration>);

#[async_trait]
impl RegistrationRepository for Registrations {
    async fn insert(&mut self, registration: &PendingRegistration) -> Result<(), StoreError> {
        self.0.push(registration.clone());
        Ok(())
    }

    async fn get(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        Ok(self.0.iter().find(|claim| claim.id == id && now < claim.expires_at).cloned())
    }

    async fn consume(&mut self, id: UserId, now: Timestamp) -> Result<Option<PendingRegistration>, StoreError> {
        let taken = self.get(id, now).await?;
        if let Some(taken) = &taken {
            self.0.retain(|claim| claim.address != taken.address);
        }
        Ok(taken)
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|claim| now <= claim.expires_at);
        Ok((before - self.0.len()) as u64)
    }
}

/// Mailed single-use tokens.
#[derive(Clone, Debug, Default)]
pub struct LinkTokens(pub Vec<LinkToken>);

impl LinkTokens {
    fn unused(&self, hash: LinkTokenHash, purpose: LinkPurpose, now: Timestamp) -> Option<usize> {
        self.0.iter().position(|token| {
            token.hash == hash && token.purpose == purpose && token.begun_as.is_none() && now < token.expires_at
        })
    }

    fn begun(&self, as_token: &TokenId, now: Timestamp) -> Option<usize> {
        self.0.iter().position(|token| token.begun_as.as_ref() == Some(as_token) && now < token.expires_at)
    }

    fn rebind(&mut self, as_token: &TokenId, next_token: &TokenId, now: Timestamp) -> Option<&mut LinkToken> {
        let index = self.begun(as_token, now)?;
        let token = self.0.get_mut(index)?;
        token.begun_as = Some(next_token.clone());
        Some(token)
    }
}

#[async_trait]
impl LinkTokenRepository for LinkTokens {
    async fn issue(&mut self, token: &LinkToken) -> Result<(), StoreError> {
        let older = |other: &LinkToken| {
            token.user_id.is_some() && other.user_id == token.user_id && other.purpose == token.purpose
        };
        self.0.retain(|other| !older(other));
        self.0.push(token.clone());
        Ok(())
    }

    async fn begin(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        as_token: &TokenId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        let index = self.unused(hash, purpose, now);
        Ok(index.and_then(|index| self.0.get_mut(index)).map(|token| {
            token.begun_as = Some(as_token.clone());
            token.expires_at = expires_at;
            token.clone()
        }))
    }

    async fn find_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.begun(as_token, now).and_then(|index| self.0.get(index)).cloned())
    }

    async fn prove_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.rebind(as_token, next_token, now).map(|token| token.factor_proved = true).is_some())
    }

    async fn rebind_begun(
        &mut self,
        as_token: &TokenId,
        next_token: &TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.rebind(as_token, next_token, now).is_some())
    }

    async fn consume_begun(&mut self, as_token: &TokenId, now: Timestamp) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.begun(as_token, now).map(|index| self.0.remove(index)))
    }

    async fn consume(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.unused(hash, purpose, now).map(|index| self.0.remove(index)))
    }

    async fn find(
        &mut self,
        hash: LinkTokenHash,
        purpose: LinkPurpose,
        now: Timestamp,
    ) -> Result<Option<LinkToken>, StoreError> {
        Ok(self.unused(hash, purpose, now).and_then(|index| self.0.get(index)).cloned())
    }

    async fn delete_for_user(&mut self, user: UserId) -> Result<(), StoreError> {
        self.0.retain(|token| token.user_id != Some(user));
        Ok(())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let before = self.0.len();
        self.0.retain(|token| now <= token.expires_at);
        Ok((before - self.0.len()) as u64)
    }
}
