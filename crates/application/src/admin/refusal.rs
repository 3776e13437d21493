use std::sync::Arc;

use keystead_domain::audit::AuditEventName;
use keystead_domain::token::AccessClaims;

use crate::context::RequestContext;
use crate::failure::Failure;
use crate::ports::{Clock, Store};
use crate::service::record_with;

/// Writes down who asked for what they may not do. Whoever decides that counts such requests, too: each is a row that stays.
pub struct NoteRefusal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl NoteRefusal {
    /// The use-case with its dependencies.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Runs it. `what` names the request and nothing anybody typed.
    pub async fn note(&self, claims: &AccessClaims, what: String, context: &RequestContext) -> Result<(), Failure> {
        let now = self.clock.now();
        let who = (Some(claims.subject), None);
        let mut tx = self.store.begin().await?;
        let name = AuditEventName::AuthorizationFailed;
        record_with(&mut *tx, name, who, Some(&claims.session()), (context, what), now).await?;
        tx.commit().await?;
        Ok(())
    }
}
