use keystead_domain::account::User;
use keystead_domain::audit::AuditEventName;
use keystead_domain::{Timestamp, limits};

use super::{GuessGuard, SignIn, record};
use crate::context::RequestContext;
use crate::ports::{LoginRecord, StoreError, Tx};

/// Writes what every way of signing in leaves behind, in the transaction that allows it: the device is known from now
/// on, the login stands in its owner's history, the event in the audit log.
pub(crate) async fn record_sign_in(
    tx: &mut dyn Tx,
    guard: &GuessGuard,
    user: &User,
    sign_in: &SignIn,
    event: AuditEventName,
    context: &RequestContext,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(device) = &sign_in.tokens.device {
        let device = guard.device_hash(device.expose());
        tx.devices().remember(user.id, device, now, now.plus(limits::DEVICE_LIFE)).await?;
    }
    let token_id = sign_in.tokens.claims.token_id.clone();
    let login = LoginRecord { token_id, user_id: user.id, at: now, device: context.device.clone(), impersonator: None };
    tx.login_history().append(&login).await?;
    record(tx, event, (Some(user.id), Some(user.id)), Some(&sign_in.session.id), context, now).await
}
