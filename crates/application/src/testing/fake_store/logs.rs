use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{AccessClaims, Revocation, RevocationTarget, SessionId, TokenId};

use crate::ports::{LoginHistory, LoginRecord, RevocationLog, StoreError};

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

impl Revocations {
    /// When everybody's sessions were last ended.
    fn everybody(&self) -> Option<Timestamp> {
        self.0.iter().filter(|row| row.target == RevocationTarget::Everybody).map(|row| row.at).max()
    }

    /// Whether this session ended, or credentials of this epoch are over.
    fn ended(&self, user: UserId, epoch: Epoch, session: &SessionId) -> bool {
        self.0.iter().any(|row| match &row.target {
            RevocationTarget::Session(revoked) => revoked == session,
            RevocationTarget::User { id, epoch: valid_from, .. } => *id == user && epoch < *valid_from,
            RevocationTarget::Token(_) | RevocationTarget::Everybody => false,
        })
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

    async fn is_revoked(&mut self, claims: &AccessClaims) -> Result<bool, StoreError> {
        let own = [(claims.subject, claims.epoch, claims.token_id.session())];
        let actors = claims.actor.iter().map(|actor| (actor.subject, actor.epoch, actor.session.clone()));
        let by_token = self.0.iter().any(|row| row.target == RevocationTarget::Token(claims.token_id.clone()));
        // A token's time has whole seconds: one made within the second of everybody's end counts as made before it.
        let by_everybody = self.everybody().is_some_and(|at| claims.auth_time <= at);
        let ended = own.into_iter().chain(actors).any(|(user, epoch, session)| self.ended(user, epoch, &session));
        Ok(by_token || by_everybody || ended)
    }

    async fn is_session_revoked(&mut self, session: &SessionId, created_at: Timestamp) -> Result<bool, StoreError> {
        let by_itself = self.0.iter().any(|row| row.target == RevocationTarget::Session(session.clone()));
        Ok(by_itself || self.everybody().is_some_and(|at| created_at <= at))
    }

    async fn everybody_ended_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.everybody())
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

impl Logins {
    fn page(
        &self,
        after: Option<&(Timestamp, TokenId)>,
        size: u32,
        wanted: impl Fn(&LoginRecord) -> bool,
    ) -> Vec<LoginRecord> {
        let mut records: Vec<LoginRecord> = self.0.iter().filter(|record| wanted(record)).cloned().collect();
        records.retain(|record| after.is_none_or(|(at, id)| (record.at, &record.token_id) < (*at, id)));
        records.sort_by(|a, b| (b.at, &b.token_id).cmp(&(a.at, &a.token_id)));
        records.truncate(size as usize);
        records
    }
}

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
        Ok(self.page(after.as_ref(), size, |record| record.user_id == user))
    }

    async fn list_all(
        &mut self,
        after: Option<(Timestamp, TokenId)>,
        size: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        Ok(self.page(after.as_ref(), size, |_| true))
    }

    async fn delete_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let records = self.0.len();
        self.0.retain(|record| record.at >= before);
        Ok((records - self.0.len()) as u64)
    }

    async fn owns_session(&mut self, user: UserId, session: &SessionId) -> Result<bool, StoreError> {
        Ok(self.0.iter().any(|record| record.user_id == user && record.token_id.session() == *session))
    }
}
