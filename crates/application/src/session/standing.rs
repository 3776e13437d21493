use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, Role};
use keystead_domain::token::Session;

use crate::ports::{Store, StoreError};
use crate::revocation::RevocationView;
use crate::service::TokenIssuer;

/// Whether a session's owner still stands as the session remembers, from the view while that can tell, else from the
/// users table.
#[derive(Clone)]
pub struct Standing {
    view: Arc<RevocationView>,
    store: Arc<dyn Store>,
}

/// What changed since a session was last confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing; the users table was not read.
    None,
    /// The session goes on with this epoch and role, as the users table has them now.
    Confirmed(Epoch, Role),
    /// The session is over: its owner's credentials changed, or the account was closed or deleted.
    Over,
}

impl Standing {
    /// A look at standings.
    pub fn new(view: Arc<RevocationView>, store: Arc<dyn Store>) -> Self {
        Self { view, store }
    }

    /// What changed. Reads the users table when the view is unconfirmed, when the session was not compared for an hour
    /// (the view reaches no further back), and when the view knows of a later epoch.
    pub(crate) async fn of(&self, session: &Session, now: Timestamp) -> Result<Change, StoreError> {
        let floor = self.view.floor(session.user_id);
        let with_everybody = self.view.everybody().is_some_and(|until| session.created_at <= until);
        let put_out = floor.is_some_and(|floor| session.epoch < floor.sessions) || with_everybody;
        if put_out || self.view.is_session_revoked(&session.id) {
            return Ok(Change::Over);
        }
        let moved = floor.is_some_and(|floor| session.epoch < floor.epoch);
        if !moved && self.view.is_confirmed(now) && !TokenIssuer::needs_recheck(session, now) {
            return Ok(Change::None);
        }
        let mut tx = self.store.read().await?;
        let user = tx.users().get(session.user_id).await?;
        // The session store may not have heard of the end that the log knows: a process may die between the two.
        let ended = tx.revocations().is_session_revoked(&session.id, session.created_at).await?;
        Ok(match user {
            Some(user) if !ended && user.is_active() && session.epoch >= user.sessions_epoch => {
                Change::Confirmed(user.epoch, user.role)
            }
            _ => Change::Over,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystead_domain::limits;
    use keystead_domain::token::{Revocation, RevocationTarget};

    use super::*;
    use crate::ports::Clock;
    use crate::test_world::World;
    use crate::testing::a_user;

    #[tokio::test]
    async fn an_end_that_only_the_log_knows_outlives_the_view() {
        let world = World::with(a_user());
        let id = world.sign_in(&a_user()).await.claims.session();
        // The process died after the commit of a logout, before the session store was told.
        let row = Revocation { target: RevocationTarget::Session(id.clone()), at: world.clock.now() };
        world.rows.prepare(|state| state.revocations.0.push(row));
        world.clock.advance(limits::REVOCATION_WINDOW + Duration::from_secs(120));
        world.view.confirm(world.clock.now());
        let session = world.sessions.find(&id, world.clock.now()).await.unwrap().unwrap();
        assert_eq!(session.ended, None);
        assert_eq!(world.standing().of(&session, world.clock.now()).await, Ok(Change::Over));
    }
}
