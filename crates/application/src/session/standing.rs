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
        if floor.is_some_and(|floor| session.epoch < floor.sessions) || self.view.is_session_revoked(&session.id) {
            return Ok(Change::Over);
        }
        let moved = floor.is_some_and(|floor| session.epoch < floor.epoch);
        if !moved && self.view.is_confirmed(now) && !TokenIssuer::needs_recheck(session, now) {
            return Ok(Change::None);
        }
        let user = self.store.read().await?.users().get(session.user_id).await?;
        Ok(match user {
            Some(user) if user.is_active() && session.epoch >= user.sessions_epoch => {
                Change::Confirmed(user.epoch, user.role)
            }
            _ => Change::Over,
        })
    }
}
