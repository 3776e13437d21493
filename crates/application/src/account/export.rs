use std::sync::Arc;

use keystead_domain::account::User;
use keystead_domain::audit::AuditEvent;
use keystead_domain::token::{AccessClaims, Session};
use thiserror::Error;

use crate::failure::{Failure, fails_with};
use crate::ports::{Clock, LoginRecord, SessionStore, Store};

/// Most rows of each kind in one export.
const MOST: u32 = 10_000;

/// Why nothing was exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExportAccountError {
    /// The account ended meanwhile.
    #[error("there is no such account")]
    NotFound,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(ExportAccountError);

/// Everything kept about a person, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountExport {
    /// The account.
    pub user: User,
    /// Living sessions.
    pub sessions: Vec<Session>,
    /// Logins, newest first.
    pub logins: Vec<LoginRecord>,
    /// Security events, newest first.
    pub events: Vec<AuditEvent>,
}

/// Gives a person a copy of their data. It answers a GET, so it writes nothing.
pub struct ExportAccount {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
}

impl ExportAccount {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, sessions: Arc<dyn SessionStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, sessions, clock }
    }

    /// Runs it.
    pub async fn run(&self, claims: &AccessClaims) -> Result<AccountExport, ExportAccountError> {
        let sessions = self.sessions.list(claims.subject, self.clock.now()).await?;
        let mut tx = self.store.read().await?;
        let user = tx.users().get(claims.subject).await?.ok_or(ExportAccountError::NotFound)?;
        let logins = tx.login_history().list(claims.subject, None, MOST).await?;
        let events = tx.audit().list_for_user(claims.subject, MOST).await?;
        Ok(AccountExport { user, sessions, logins, events })
    }
}
