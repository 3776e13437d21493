use std::sync::Arc;

use keystead_domain::account::{FullName, Locale, User, UserId, Username};
use keystead_domain::audit::AuditEventName;
use thiserror::Error;

use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, Constraint, Store, StoreError};
use crate::service::record;

/// Why a profile was not read or changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The account ended meanwhile.
    #[error("there is no such account")]
    NotFound,
    /// Somebody else holds the username.
    #[error("the username is taken")]
    UsernameTaken,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ProfileError);

/// Shows a person their own account.
pub struct ReadProfile {
    store: Arc<dyn Store>,
}

impl ReadProfile {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Runs it.
    pub async fn run(&self, user: UserId) -> Result<User, ProfileError> {
        self.store.read().await?.users().get(user).await?.ok_or(ProfileError::NotFound)
    }
}

/// A change of profile. `None` leaves a fact alone, `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateProfileCommand {
    /// What they want to be called.
    pub full_name: Option<Option<FullName>>,
    /// Public name.
    pub username: Option<Option<Username>>,
    /// Language of their mails.
    pub locale: Option<Option<Locale>>,
}

/// Changes the facts of an account that its owner may change freely. Nothing here can prove who somebody is.
pub struct UpdateProfile {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl UpdateProfile {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Runs it.
    pub async fn run(
        &self,
        user: UserId,
        command: UpdateProfileCommand,
        context: &RequestContext,
    ) -> Result<User, ProfileError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let mut account = tx.users().get(user).await?.ok_or(ProfileError::NotFound)?;
        let before = account.clone();
        if let Some(full_name) = command.full_name {
            account.full_name = full_name;
        }
        if let Some(username) = command.username {
            account.username = username;
        }
        if let Some(locale) = command.locale {
            account.locale = locale;
        }
        if account == before {
            return Ok(account);
        }
        account.updated_at = now;
        match tx.users().update(&account).await {
            Ok(()) => {}
            Err(StoreError::Conflict(Constraint::UserUsername)) => return Err(ProfileError::UsernameTaken),
            Err(other) => return Err(other.into()),
        }
        record(&mut *tx, AuditEventName::UserUpdated, (Some(user), Some(user)), None, context, now).await?;
        tx.commit().await?;
        Ok(account)
    }
}
