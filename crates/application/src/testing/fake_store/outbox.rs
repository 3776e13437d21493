use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::Timestamp;

use crate::ports::{ClaimedMessage, NewMessage, Outbox, OutboxEntry, OutboxId, StoreError};

/// A message and what became of it so far.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// As written; a dead letter's contents are empty.
    pub message: NewMessage,
    /// How often it was claimed.
    pub attempts: u32,
    /// Not to be claimed before: the end of a lease, or of a wait after a failure.
    pub next_at: Timestamp,
    /// Why it was last not accepted.
    pub error: Option<String>,
    /// A worker claimed it, and did not say yet what became of it. It owns the message until `next_at`.
    pub claimed: bool,
    /// Set when it is never to be sent.
    pub dead_at: Option<Timestamp>,
}

impl OutboxRow {
    fn entry(&self) -> OutboxEntry {
        OutboxEntry {
            id: self.message.id.clone(),
            attempts: self.attempts,
            created_at: self.message.created_at,
            due_at: self.next_at,
            expires_at: self.message.expires_at,
            dead_at: self.dead_at,
            error: self.error.clone(),
        }
    }
}

/// Messages to send, and dead letters.
#[derive(Clone, Debug, Default)]
pub struct Messages(pub Vec<OutboxRow>);

impl Messages {
    fn row(&mut self, id: &OutboxId) -> Option<&mut OutboxRow> {
        self.0.iter_mut().find(|row| row.message.id == *id && row.dead_at.is_none())
    }
}

fn bury(row: &mut OutboxRow, now: Timestamp, error: &str) {
    row.dead_at = Some(now);
    row.claimed = false;
    row.message.sealed.clear();
    row.error = Some(error.to_owned());
}

#[async_trait]
impl Outbox for Messages {
    async fn enqueue(&mut self, message: &NewMessage) -> Result<(), StoreError> {
        let next_at = message.created_at;
        let message = message.clone();
        self.0.push(OutboxRow { message, attempts: 0, next_at, error: None, claimed: false, dead_at: None });
        Ok(())
    }

    async fn claim(&mut self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<ClaimedMessage>, StoreError> {
        let mut due: Vec<&mut OutboxRow> = self
            .0
            .iter_mut()
            .filter(|row| row.dead_at.is_none() && row.next_at <= now && now < row.message.expires_at)
            .collect();
        due.sort_by(|a, b| (a.message.created_at, &a.message.id).cmp(&(b.message.created_at, &b.message.id)));
        let claim = |row: &mut OutboxRow| {
            row.attempts += 1;
            row.next_at = now.plus(lease);
            row.claimed = true;
            ClaimedMessage {
                id: row.message.id.clone(),
                sealed: row.message.sealed.clone(),
                attempts: row.attempts,
                created_at: row.message.created_at,
                expires_at: row.message.expires_at,
            }
        };
        Ok(due.into_iter().take(limit as usize).map(claim).collect())
    }

    async fn mark_sent(&mut self, id: &OutboxId) -> Result<(), StoreError> {
        self.0.retain(|row| row.message.id != *id);
        Ok(())
    }

    async fn mark_failed(&mut self, id: &OutboxId, next: Timestamp, error: &str) -> Result<(), StoreError> {
        if let Some(row) = self.row(id) {
            row.next_at = next;
            row.claimed = false;
            row.error = Some(error.to_owned());
        }
        Ok(())
    }

    async fn mark_dead(&mut self, id: &OutboxId, now: Timestamp, error: &str) -> Result<(), StoreError> {
        if let Some(row) = self.row(id) {
            bury(row, now, error);
        }
        Ok(())
    }

    async fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut expired = 0;
        for row in self.0.iter_mut().filter(|row| row.dead_at.is_none() && row.message.expires_at <= now) {
            bury(row, now, "expired");
            expired += 1;
        }
        Ok(expired)
    }

    async fn make_due(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut moved = 0;
        for row in self.0.iter_mut().filter(|row| row.dead_at.is_none() && row.next_at > now) {
            row.next_at = now;
            row.claimed = false;
            moved += 1;
        }
        Ok(moved)
    }

    async fn is_due(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.0.iter().any(|row| row.dead_at.is_none() && row.next_at.min(row.message.expires_at) <= now))
    }

    async fn counts(&mut self) -> Result<(u64, u64), StoreError> {
        let dead = self.0.iter().filter(|row| row.dead_at.is_some()).count();
        Ok(((self.0.len() - dead) as u64, dead as u64))
    }

    async fn list(&mut self, after: Option<(Timestamp, OutboxId)>, size: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut entries: Vec<OutboxEntry> = self.0.iter().map(OutboxRow::entry).collect();
        entries.retain(|entry| after.as_ref().is_none_or(|(at, id)| (entry.created_at, &entry.id) < (*at, id)));
        entries.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        entries.truncate(size as usize);
        Ok(entries)
    }

    async fn retry(&mut self, id: &OutboxId, now: Timestamp) -> Result<Option<OutboxEntry>, StoreError> {
        let Some(row) = self.0.iter_mut().find(|row| row.message.id == *id) else { return Ok(None) };
        if row.dead_at.is_none() && !row.claimed {
            row.next_at = row.next_at.min(now);
        }
        Ok(Some(row.entry()))
    }
}
