use keystead_domain::SecretString;
use keystead_domain::audit::AuditEventName;
use keystead_domain::factor::RECOVERY_CODES;

use super::desk::{FactorDesk, FactorError};
use crate::context::RequestContext;
use crate::message::Notice;
use crate::service::{Caller, record};

/// Makes new recovery codes; older ones are void. They are shown once.
pub struct MakeRecoveryCodes {
    desk: FactorDesk,
}

impl MakeRecoveryCodes {
    /// The use-case with its dependencies.
    pub fn new(desk: FactorDesk) -> Self {
        Self { desk }
    }

    /// Runs it. Takes a second factor, always.
    pub async fn run(&self, caller: &Caller, context: &RequestContext) -> Result<Vec<SecretString>, FactorError> {
        caller.require_factor()?;
        let desk = &self.desk;
        let now = desk.clock.now();
        // Counted and committed first: ten hashes are made for whoever gets this far.
        desk.open(caller, now).await?.tx.commit().await?;
        let (mut shown, mut kept) = (Vec::new(), Vec::new());
        for _ in 0..RECOVERY_CODES {
            let (code, hash) = desk.tools.factors.new_recovery_code(&kept).await?;
            shown.push(code.shown());
            kept.push(hash);
        }
        let now = desk.clock.now();
        let mut looked = desk.look(caller).await?;
        let user = &looked.user;
        looked.tx.factors().replace_recovery_codes(user.id, &kept, now).await?;
        let notice = Notice::RecoveryCodesMade { occasion: context.occasion(now) };
        desk.login.postbox.notify(&mut *looked.tx, user, notice, now).await?;
        let (who, session) = ((Some(user.id), Some(user.id)), caller.claims.session());
        record(&mut *looked.tx, AuditEventName::RecoveryCodesMade, who, Some(&session), context, now).await?;
        looked.tx.commit().await?;
        Ok(shown)
    }
}
