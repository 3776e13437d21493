use std::sync::Arc;

use keystead_domain::Timestamp;
use keystead_domain::account::{PasswordHash, User, UserId};
use keystead_domain::audit::AuditEventName;

use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{Clock, Store, UserPage};
use crate::service::record_with;

/// Accounts read at once.
const PAGE: u32 = 500;

/// An account, and its password hash when it was asked for and there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedUser {
    /// The account.
    pub user: User,
    /// Its password hash.
    pub password: Option<PasswordHash>,
}

/// Reads all accounts, oldest first, a page at a time: `keystead user export`. Accounts that are made meanwhile are read,
/// too.
pub struct UserExport {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    with_passwords: bool,
    /// The last account that was read.
    last: Option<(Timestamp, UserId)>,
    is_begun: bool,
}

impl UserExport {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, with_passwords: bool) -> Self {
        Self { store, clock, with_passwords, last: None, is_begun: false }
    }

    /// The next page; empty at the end. The first one leaves its mark in the audit log.
    pub async fn next_page(&mut self) -> Result<Vec<ExportedUser>, Failure> {
        if !self.is_begun {
            self.tell_audit().await?;
            self.is_begun = true;
        }
        let mut tx = self.store.read().await?;
        let users = tx.users().list(&UserPage { after: self.last, size: PAGE, ..UserPage::default() }).await?;
        let mut exported = Vec::with_capacity(users.len());
        for user in users {
            let password = if self.with_passwords { tx.users().password(user.id).await? } else { None };
            exported.push(ExportedUser { user, password });
        }
        self.last = exported.last().map(|one| (one.user.created_at, one.user.id)).or(self.last);
        Ok(exported)
    }

    async fn tell_audit(&self) -> Result<(), Failure> {
        let what = if self.with_passwords { "with password hashes" } else { "without password hashes" };
        let (context, now) = (RequestContext::default(), self.clock.now());
        let mut tx = self.store.begin().await?;
        let detail = (&context, what.to_owned());
        record_with(&mut *tx, AuditEventName::UsersExported, (None, None), None, detail, now).await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests;
