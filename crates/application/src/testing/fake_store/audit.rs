use async_trait::async_trait;
use keystead_domain::account::UserId;
use keystead_domain::audit::AuditEvent;

use crate::ports::{
    AuditChain, AuditFilter, AuditLog, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, Constraint, MacTag,
    StoreError,
};

/// The audit log and the chain over it. Writers of a [`super::FakeStore`] wait for one another, so nothing here has to
/// hold anybody back.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Rows, in the order they were written.
    pub rows: Vec<AuditRow>,
    /// Checkpoints, in the order they were added.
    pub checkpoints: Vec<Checkpoint>,
    /// How many numbers were given: none is given twice, whatever is deleted.
    numbers: i64,
}

impl Audit {
    /// A log of these events, without seals and unlinked.
    pub fn with(events: impl IntoIterator<Item = AuditEvent>) -> Self {
        let mut log = Self::default();
        events.into_iter().for_each(|event| log.add(event, None));
        log
    }

    /// What happened, in the order it was written.
    pub fn events(&self) -> Vec<AuditEvent> {
        self.rows.iter().map(|row| row.event.clone()).collect()
    }

    fn add(&mut self, event: AuditEvent, seal: Option<MacTag>) {
        self.numbers += 1;
        self.rows.push(AuditRow { id: AuditRowId(self.numbers), event, seal, link: None });
    }

    fn linked(&self) -> impl Iterator<Item = (ChainLink, &AuditRow)> {
        self.rows.iter().filter_map(|row| row.link.map(|link| (link, row)))
    }
}

/// A place in the chain that is taken. `Constraint` has no name for it: who links asks for no more than `Conflict`.
const TAKEN: StoreError = StoreError::Conflict(Constraint::AuditPosition);

fn passes(filter: &AuditFilter, event: &AuditEvent) -> bool {
    filter.name.is_none_or(|name| event.name == name)
        && filter.actor.is_none_or(|actor| [event.actor, event.impersonator].contains(&Some(actor)))
        && filter.subject.is_none_or(|subject| event.subject == Some(subject))
        && filter.from.is_none_or(|from| event.at >= from)
        && filter.until.is_none_or(|until| event.at < until)
}

#[async_trait]
impl AuditLog for Audit {
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError> {
        self.add(event.clone(), None);
        Ok(())
    }

    async fn append_sealed(&mut self, event: &AuditEvent, seal: &MacTag) -> Result<(), StoreError> {
        self.add(event.clone(), Some(seal.clone()));
        Ok(())
    }

    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        // The later written of two events of one microsecond counts as the newer: reversed, then sorted stably.
        let about = self.rows.iter().rev().map(|row| &row.event).filter(|event| event.subject == Some(user));
        let mut events: Vec<AuditEvent> = about.cloned().collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(limit as usize);
        Ok(events)
    }

    async fn list(
        &mut self,
        filter: &AuditFilter,
        before: Option<AuditRowId>,
        size: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let older = self.rows.iter().rev().filter(|row| before.is_none_or(|before| row.id < before));
        Ok(older.filter(|row| passes(filter, &row.event)).take(size as usize).cloned().collect())
    }
}

#[async_trait]
impl AuditChain for Audit {
    async fn head(&mut self) -> Result<Option<ChainLink>, StoreError> {
        Ok(self.linked().map(|(link, _)| link).max_by_key(|link| link.position))
    }

    async fn unlinked(&mut self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        Ok(self.rows.iter().filter(|row| row.link.is_none()).take(limit as usize).cloned().collect())
    }

    async fn link(&mut self, links: &[(AuditRowId, ChainLink)]) -> Result<(), StoreError> {
        for (id, link) in links {
            if self.linked().any(|(other, _)| other.position == link.position) {
                return Err(TAKEN);
            }
            let row = self.rows.iter_mut().find(|row| row.id == *id && row.link.is_none());
            let row = row.ok_or_else(|| StoreError::Corrupt(format!("audit row {} has a link", id.0)))?;
            row.link = Some(*link);
        }
        Ok(())
    }

    async fn page(&mut self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let mut rows: Vec<(ChainLink, &AuditRow)> = self.linked().filter(|(link, _)| link.position > after).collect();
        rows.sort_by_key(|(link, _)| link.position);
        Ok(rows.into_iter().take(limit as usize).map(|(_, row)| row.clone()).collect())
    }

    async fn last_checkpoint(&mut self, kind: CheckpointKind) -> Result<Option<Checkpoint>, StoreError> {
        let of_kind = self.checkpoints.iter().filter(|checkpoint| checkpoint.kind == kind);
        Ok(of_kind.max_by_key(|checkpoint| checkpoint.link.position).cloned())
    }

    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>, StoreError> {
        let mut checkpoints = self.checkpoints.clone();
        checkpoints.sort_by_key(|checkpoint| checkpoint.link.position);
        Ok(checkpoints)
    }

    async fn put_checkpoint(&mut self, checkpoint: &Checkpoint, replaced: Option<i64>) -> Result<(), StoreError> {
        let is_replaced = |other: &Checkpoint| other.kind == checkpoint.kind && Some(other.link.position) == replaced;
        self.checkpoints.retain(|other| !is_replaced(other));
        self.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    async fn prune(&mut self, floor: &Checkpoint) -> Result<u64, StoreError> {
        let end = floor.link.position;
        self.checkpoints.retain(|other| other.kind != floor.kind && other.link.position > end);
        self.checkpoints.push(floor.clone());
        let before = self.rows.len();
        self.rows.retain(|row| row.link.is_none_or(|link| link.position > end));
        Ok((before - self.rows.len()) as u64)
    }
}
