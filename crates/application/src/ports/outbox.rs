//! Messages to send.

use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::Timestamp;

use super::StoreError;

/// Identifies an outbox row; also the stable part of its `Message-ID`. 21 URL-safe characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId(pub String);

/// A message to send, written in the transaction that causes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Identifier.
    pub id: OutboxId,
    /// Address, template and variables, sealed: nothing of it is readable in a dump.
    pub sealed: Vec<u8>,
    /// Now.
    pub created_at: Timestamp,
    /// Not sent from then on: the code in it is dead.
    pub expires_at: Timestamp,
}

/// A message a worker owns until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedMessage {
    /// Identifier.
    pub id: OutboxId,
    /// As written.
    pub sealed: Vec<u8>,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// As written.
    pub created_at: Timestamp,
    /// As written.
    pub expires_at: Timestamp,
}

/// A message as administrators see it: nothing of what it says, or to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Identifier.
    pub id: OutboxId,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// Not sent from then on.
    pub expires_at: Timestamp,
    /// Set when it will not be sent.
    pub dead_at: Option<Timestamp>,
    /// What the last try ended with.
    pub error: Option<String>,
}

/// Messages to send. At least once: a worker that dies between sending and marking leaves a repeat with the same id.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Outbox: Send {
    /// Adds a message.
    async fn enqueue(&mut self, message: &NewMessage) -> Result<(), StoreError>;

    /// Claims up to `limit` messages that are due, unleased and alive, oldest first, for `lease`. MUST never give one
    /// message to two workers while its lease lasts. Counts an attempt.
    async fn claim(&mut self, limit: u32, now: Timestamp, lease: Duration) -> Result<Vec<ClaimedMessage>, StoreError>;

    /// The message was accepted: deletes it.
    async fn mark_sent(&mut self, id: &OutboxId) -> Result<(), StoreError>;

    /// The message was not accepted: it is due again at `next`. `error` names no address and no secret.
    async fn mark_failed(&mut self, id: &OutboxId, next: Timestamp, error: &str) -> Result<(), StoreError>;

    /// The message will not be sent: it stays as a dead letter without its contents.
    async fn mark_dead(&mut self, id: &OutboxId, now: Timestamp, error: &str) -> Result<(), StoreError>;

    /// Turns messages past their `expires_at` into dead letters, a bounded number of them. Returns how many.
    async fn expire(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Makes every living message due now, leased ones too. For the start of a process that is the only worker: what its
    /// predecessor had claimed when it died need not wait for the end of a lease. Returns how many.
    async fn make_due(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Whether a message is due, or alive past its `expires_at`. Workers ask several times a second: MUST cost the same
    /// however many messages wait or are dead.
    async fn is_due(&mut self, now: Timestamp) -> Result<bool, StoreError>;

    /// How many messages wait, and how many are dead.
    async fn counts(&mut self) -> Result<(u64, u64), StoreError>;

    /// Messages that wait and messages that are dead, newest first, ties by identifier descending; after the given one.
    async fn list(&mut self, after: Option<(Timestamp, OutboxId)>, size: u32) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Makes a message that waits, and that no worker owns, due now. Returns it as it is afterwards; `None` when there is
    /// no such message.
    async fn retry(&mut self, id: &OutboxId, now: Timestamp) -> Result<Option<OutboxEntry>, StoreError>;
}
