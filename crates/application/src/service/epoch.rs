use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{Revocation, RevocationTarget, SessionId};

use crate::ports::{StoreError, Tx};

/// A user's credentials moved to a new epoch, in the open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChange {
    /// The new epoch.
    pub epoch: Epoch,
    /// To be announced after the commit.
    pub revocation: Revocation,
}

/// Raises a user's epoch and writes the revocation that says so. Every artefact of the old epoch ends: access tokens at
/// once, links when they are used. Sessions end too when `end_sessions`; one of them may be confirmed again afterwards.
/// `None` when there is no such user.
pub async fn raise_epoch(
    tx: &mut dyn Tx,
    user: UserId,
    end_sessions: bool,
    now: Timestamp,
) -> Result<Option<EpochChange>, StoreError> {
    let Some((epoch, sessions)) = tx.users().bump_epoch(user, end_sessions, now).await? else {
        return Ok(None);
    };
    let revocation = Revocation { target: RevocationTarget::User { id: user, epoch, sessions }, at: now };
    tx.revocations().append(&revocation).await?;
    tx.link_tokens().delete_for_user(user).await?;
    Ok(Some(EpochChange { epoch, revocation }))
}

/// Writes the revocation of one session. `true` when it is the first.
pub async fn revoke_session(
    tx: &mut dyn Tx,
    session: &SessionId,
    now: Timestamp,
) -> Result<(bool, Revocation), StoreError> {
    let revocation = Revocation { target: RevocationTarget::Session(session.clone()), at: now };
    Ok((tx.revocations().append(&revocation).await?, revocation))
}
