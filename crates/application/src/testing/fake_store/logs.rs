use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::audit::AuditEvent;
use keystead_domain::token::{Revocation, RevocationTarget, SessionId, TokenId};

use crate::ports::{AuditLog, LoginHistory, LoginRecord, RevocationLog, StoreError};

/// Security events, in the order they were written.
#[derive(Clone, Debug, Default)]
pub struct Audit(pub Vec<AuditEvent>);

#[async_trait]
impl AuditLog for Audit {
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        self.0.push(event.clone());
        Ok(())
    }

    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        // The later written of two events of one microsecond counts as the newer: reversed, then sorted stably.
        let mut events: Vec<AuditEvent> =
            self.0.iter().rev().filter(|event| event.subject == Some(user)).cloned().collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(limit as usize);
        Ok(events)
    }
}

/// The revocation log, in the order it was written.
#[derive(Clone, Debug, Default)]
pub struct Revocations(pub Vec<Revocation>);

fn is_same(one: &RevocationTarget, other: &RevocationTarget) -> bool {
    match (one, other) {
        (RevocationTarget::User { id, epoch, .. }, RevocationTarget::User { id: other, epoch: at, .. }) => {
            (id, epoch) == (other, at)
        }
        _ => one == other,
    }
}

#[async_trait]
impl RevocationLog for Revocations {
    async fn append(&mut self, revocation: &Revocation) -> Result<bool, StoreError> {
        let first = !self.0.iter().any(|row| is_same(&row.target, &revocation.target));
        let at = self.0.iter().map(|row| row.at).fold(revocation.at, Timestamp::max);
        self.0.push(Revocation { at, ..revocation.clone() });
        Ok(first)
    }

    async fn since(&mut self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let mut rows: Vec<Revocation> = self.0.iter().filter(|row| row.at > since).cloned().collect();
        rows.sort_by_key(|row| row.at);
        Ok(rows)
    }

    async fn is_revoked(&mut self, token: &TokenId, user: UserId, epoch: Epoch) -> Result<bool, StoreError> {
        Ok(self.0.iter().any(|row| match &row.target {
            RevocationTarget::Token(revoked) => revoked == token,
            RevocationTarget::Session(revoked) => *revoked == token.session(),
            RevocationTarget::User { id, epoch: valid_from, .. } => *id == user && epoch < *valid_from,
        }))
    }

    async fn is_session_revoked(&mut self, session: &SessionId) -> Result<bool, StoreError> {
        Ok(self.0.iter().any(|row| row.target == RevocationTarget::Session(session.clone())))
    }

    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let rows = self.0.len();
        self.0.retain(|row| row.at >= before);
        Ok((rows - self.0.len()) as u64)
    }
}

/// Logins, in the order they were written.
#[derive(Clone, Debug, Default)]
pub struct Logins(pub Vec<LoginRecord>);

#[async_trait]
impl LoginHistory for Logins {
    async fn append(&mut self, record: &LoginRecord) -> Result<(), StoreError> {
        self.0.push(record.clone());
        Ok(())
    }

    async fn list(
        &mut self,
        user: UserId,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        let mut records: Vec<LoginRecord> = self.0.iter().filter(|record| record.user_id == user).cloned().collect();
        records.retain(|record| after.as_ref().is_none_or(|(at, id)| (record.at, &record.token_id) < (*at, id)));
        records.sort_by(|a, b| (b.at, &b.token_id).cmp(&(a.at, &a.token_id)));
        records.truncate(size as usize);
        Ok(records)
    }

    async fn owns_session(&mut self, user: UserId, session: &SessionId) -> Result<bool, StoreError> {
        Ok(self.0.iter().any(|record| record.user_id == user && record.token_id.session() == *session))
    }
}
