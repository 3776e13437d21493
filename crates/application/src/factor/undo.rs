use std::sync::Arc;

use keystead_domain::SecretString;
use keystead_domain::Timestamp;
use keystead_domain::account::{ContactUndo, UndoTokenHash, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::token::EndReason;
use thiserror::Error;

use super::desk::FactorDesk;
use crate::context::RequestContext;
use crate::failure::{Failure, fails_with};
use crate::message::Notice;
use crate::ports::{SessionStore, StoreError, Tx};
use crate::service::{Revoker, raise_epoch, record};

/// Why a change was not undone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UndoContactChangeError {
    /// Used, expired, or never ours; or the address belongs to another account by now.
    #[error("the link is not valid")]
    LinkInvalid,
    /// Not the caller's fault.
    #[error(transparent)]
    Failure(Failure),
}

fails_with!(UndoContactChangeError);

/// Gives a person an address back that was taken from their account, without signing in: the link was sent to that address
/// alone. Whoever changed it is put out: every session ends, the password is void, and so are factors, contacts and links
/// made since. The person then chooses a new password by a reset.
pub struct UndoContactChange {
    desk: FactorDesk,
    sessions: Arc<dyn SessionStore>,
}

impl UndoContactChange {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk) -> Self {
        let sessions = desk.continuation.sessions.clone();
        Self { desk, sessions }
    }

    /// Runs it.
    pub async fn run(&self, token: &SecretString, context: &RequestContext) -> Result<(), UndoContactChangeError> {
        let desk = &self.desk;
        let now = desk.clock.now();
        let hash = UndoTokenHash(desk.continuation.issuer.link_hash(token.expose()).0);
        let owner = {
            let found = desk.store.read().await?.contacts().find_undo(hash, now).await?;
            found.ok_or(UndoContactChangeError::LinkInvalid)?.user_id
        };
        let mut tx = desk.store.begin().await?;
        // The person first, as everywhere, then the link.
        let user = tx.users().get(owner).await?.filter(User::is_active);
        let mut user = user.ok_or(UndoContactChangeError::LinkInvalid)?;
        let undo = tx.contacts().consume_undo(hash, now).await?.ok_or(UndoContactChangeError::LinkInvalid)?;
        user.set_contact(undo.contact.clone());
        // A contact of the other kind that was not there then was added by whoever made the change.
        let since: Vec<_> = user
            .contacts()
            .filter(|contact| contact.address.kind() != undo.contact.address.kind() && Some(contact.id) != undo.other)
            .map(|contact| contact.address.kind())
            .collect();
        for kind in since {
            user.remove_contact(kind);
        }
        user.updated_at = now;
        match tx.users().update(&user).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Err(UndoContactChangeError::LinkInvalid),
            Err(other) => return Err(other.into()),
        }
        remove_factors_since(&mut *tx, &undo).await?;
        tx.contacts().delete_for_user(user.id).await?;
        tx.contacts().delete_undos_since(user.id, undo.created_at).await?;
        // Whoever changed the address had signed in lately, most likely with it.
        tx.users().delete_password(user.id).await?;
        tx.srp().delete(user.id).await?;
        tx.devices().forget_all(user.id).await?;
        let change = raise_epoch(&mut *tx, user.id, true, now).await?.ok_or(UndoContactChangeError::LinkInvalid)?;
        let notice = Notice::ContactRestored { occasion: context.occasion(now) };
        desk.login.postbox.notify_at(&mut *tx, (&user, undo.contact.address), notice, now).await?;
        record(&mut *tx, AuditEventName::ContactChangeUndone, (None, Some(user.id)), None, context, now).await?;
        tx.commit().await?;
        desk.continuation.revoker.announce(&[change.revocation]).await;
        Revoker::told(self.sessions.end_all(user.id, None, EndReason::EpochEnded, now).await);
        Ok(())
    }
}

/// Takes away what was enrolled since the change.
async fn remove_factors_since(tx: &mut dyn Tx, undo: &ContactUndo) -> Result<(), UndoContactChangeError> {
    let (user, since): (_, Timestamp) = (undo.user_id, undo.created_at);
    for passkey in tx.passkeys().list(user).await? {
        if passkey.created_at >= since {
            tx.passkeys().delete(user, passkey.id).await?;
        }
    }
    // All of them: who changes an address may have linked an account of their own before. The owner links theirs again.
    for identity in tx.social().list(user).await? {
        tx.social().delete(user, &identity.provider).await?;
    }
    let totp = tx.factors().totp(user).await?;
    if totp.is_some_and(|totp| totp.confirmed_at.is_none_or(|at| at >= since)) {
        tx.factors().delete_totp(user).await?;
    }
    // Whoever was in could have made new ones.
    tx.factors().replace_recovery_codes(user, &[], undo.created_at).await?;
    Ok(())
}
