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

impl UpdateProfileCommand {
    /// The account as it is after the change.
    pub(crate) fn apply(self, account: &mut User) {
        if let Some(full_name) = self.full_name {
            account.full_name = full_name;
        }
        if let Some(username) = self.username {
            account.username = username;
        }
        if let Some(locale) = self.locale {
            account.locale = locale;
        }
    }
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
        command.apply(&mut account);
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

#[cfg(test)]
mod tests {
    use keystead_domain::account::Role;

    use super::*;
    use crate::failure::Failure;
    use crate::test_world::{World, browser, down};
    use crate::testing::{MockStore, MockTx, START, a_user, after, user_number, username};

    fn update(world: &World) -> UpdateProfile {
        UpdateProfile::new(world.store.clone(), world.clock.clone())
    }

    #[tokio::test]
    async fn facts_are_set_kept_and_removed_each_by_itself() {
        let world = World::with(a_user());
        world.clock.set(after(60));
        let command = UpdateProfileCommand {
            full_name: Some(None),
            locale: Some(Locale::try_new("de").ok()),
            ..UpdateProfileCommand::default()
        };
        let changed = update(&world).run(a_user().id, command, &browser()).await.unwrap();
        assert_eq!((&changed.full_name, &changed.username), (&None, &a_user().username));
        assert_eq!(changed.locale, Locale::try_new("de").ok());
        assert_eq!((changed.updated_at, changed.epoch, changed.role), (after(60), a_user().epoch, Role::User));
        assert_eq!(ReadProfile::new(world.store.clone()).run(a_user().id).await, Ok(changed));
        assert_eq!(world.events(), [AuditEventName::UserUpdated]);
    }

    #[tokio::test]
    async fn a_change_of_nothing_writes_nothing() {
        let mut tx = MockTx::new();
        tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
        let (store, outcome) = MockStore::with(tx);
        let same = UpdateProfileCommand { username: Some(a_user().username), ..UpdateProfileCommand::default() };
        let clock = Arc::new(crate::testing::FixedClock::at(START));
        let unchanged = UpdateProfile::new(store, clock).run(a_user().id, same, &browser()).await;
        assert_eq!(unchanged, Ok(a_user()));
        assert!(outcome.rolled_back());
    }

    #[tokio::test]
    async fn a_username_somebody_holds_is_refused() {
        let world = World::with(a_user());
        world.add(user_number(2));
        let taken = UpdateProfileCommand { username: Some(Some(username("ada"))), ..UpdateProfileCommand::default() };
        let refused = update(&world).run(user_number(2).id, taken, &browser()).await;
        assert_eq!(refused, Err(ProfileError::UsernameTaken));
        assert_eq!((world.user(&user_number(2)), world.events().len()), (user_number(2), 0));
    }

    #[tokio::test]
    async fn nobody_and_a_store_that_is_down_are_told_apart() {
        let world = World::default();
        let read = ReadProfile::new(world.store.clone());
        assert_eq!(read.run(a_user().id).await, Err(ProfileError::NotFound));
        let command = UpdateProfileCommand { full_name: Some(None), ..UpdateProfileCommand::default() };
        let nobody = update(&world).run(a_user().id, command, &browser()).await;
        assert_eq!(nobody, Err(ProfileError::NotFound));
        world.rows.set_refusal(Some(down()));
        let refused = read.run(a_user().id).await;
        assert!(matches!(refused, Err(ProfileError::Failure(Failure::Unavailable(_)))), "{refused:?}");
    }
}
