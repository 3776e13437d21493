use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::token::{RefreshPolicy, Session, TokenId};

use crate::failure::Failure;
use crate::ports::{Clock, LoginRecord, SessionStore, Store};

/// Where a page of the login history ended.
pub type HistoryCursor = (Timestamp, TokenId);

/// Shows a person their own sessions and logins.
pub struct SessionOverview {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    policy: RefreshPolicy,
}

impl SessionOverview {
    /// The use-case with its dependencies.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        policy: RefreshPolicy,
    ) -> Self {
        Self { store, sessions, clock, policy }
    }

    /// Living sessions, newest first.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>, Failure> {
        let now = self.clock.now();
        let mut sessions = self.sessions.list(user, now).await?;
        let everybody = self.store.read().await?.revocations().everybody_ended_at().await?;
        let is_over = |session: &Session| everybody.is_some_and(|until| session.created_at <= until);
        sessions.retain(|session| session.is_live(now, &self.policy) && !is_over(session));
        Ok(sessions)
    }

    /// Logins, newest first.
    pub async fn logins(
        &self,
        user: UserId,
        after: Option<HistoryCursor>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, Failure> {
        Ok(self.store.read().await?.login_history().list(user, after, size).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ports::Clock;
    use crate::test_world::World;
    use crate::testing::{a_login, a_user, after, token_id, user_id, user_number};

    fn overview(world: &World) -> SessionOverview {
        let policy = RefreshPolicy { idle: Duration::from_secs(60), ..world.settings.lifetimes.refresh };
        SessionOverview::new(world.store.clone(), world.sessions.clone(), world.clock.clone(), policy)
    }

    #[tokio::test]
    async fn living_sessions_of_this_user_are_listed_newest_first() {
        let world = World::with(a_user());
        world.add(user_number(2));
        world.sign_in(&a_user()).await;
        world.clock.advance(Duration::from_secs(60));
        let older = world.sign_in(&a_user()).await;
        world.clock.advance(Duration::from_secs(1));
        let newer = world.sign_in(&a_user()).await;
        world.sign_in(&user_number(2)).await;
        let ended = world.sign_in(&a_user()).await;
        let reason = keystead_domain::token::EndReason::LoggedOut;
        world.sessions.end(&ended.claims.session(), reason, world.clock.now()).await.unwrap();
        let listed = overview(&world).sessions(a_user().id).await.unwrap();
        let ids: Vec<_> = listed.into_iter().map(|session| session.id).collect();
        assert_eq!(ids, [newer.claims.session(), older.claims.session()], "one idle, one ended, one another's");
    }

    #[tokio::test]
    async fn logins_come_in_pages() {
        let world = World::default();
        let login = |n: u64| LoginRecord { token_id: token_id(&format!("s.{n}")), at: after(n), ..a_login() };
        world.rows.prepare(|state| state.login_history.0 = (0..5).map(login).collect());
        let first = overview(&world).logins(user_id(1), None, 3).await.unwrap();
        assert_eq!(first, [login(4), login(3), login(2)]);
        let cursor = (first[2].at, first[2].token_id.clone());
        assert_eq!(overview(&world).logins(user_id(1), Some(cursor), 3).await.unwrap(), [login(1), login(0)]);
        assert_eq!(overview(&world).logins(user_id(2), None, 3).await.unwrap(), []);
    }
}
