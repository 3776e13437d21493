//! The audit log, and the chain that shows whether a hand was laid on it.

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::audit::{AuditEvent, AuditEventName};

use super::{MacTag, StoreError};

/// Numbers a row of the audit log; the store gives it. Later rows have larger numbers, but for transactions that overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditRowId(pub i64);

/// A row's place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// From 1, without gaps.
    pub position: i64,
    /// Hash over the hash before it and everything in the row.
    pub hash: [u8; 32],
}

/// An audit event as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Which.
    pub id: AuditRowId,
    /// What happened.
    pub event: AuditEvent,
    /// Keyed hash of the event, made by who wrote it. `None` in rows of versions that made none, and of other hands.
    pub seal: Option<MacTag>,
    /// Set a moment after the row was written.
    pub link: Option<ChainLink>,
}

/// Which events are looked for. `None` restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What happened.
    pub name: Option<AuditEventName>,
    /// Who did it, in person or as somebody else.
    pub actor: Option<UserId>,
    /// Whose account it concerns.
    pub subject: Option<UserId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Security events. Nothing changes or deletes a row, but the retention of [`AuditChain::prune`]: stores refuse it.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait AuditLog: Send {
    /// Appends an event without a seal. [`SealingStore`](crate::audit::SealingStore) turns it into
    /// [`Self::append_sealed`].
    async fn append(&mut self, event: &AuditEvent) -> Result<(), StoreError>;

    /// Appends an event and the keyed hash of it.
    async fn append_sealed(&mut self, event: &AuditEvent, seal: &MacTag) -> Result<(), StoreError>;

    /// The newest `limit` events about a user, newest first.
    async fn list_for_user(&mut self, user: UserId, limit: u32) -> Result<Vec<AuditEvent>, StoreError>;

    /// Rows that pass the filter, newest number first; with smaller numbers than `before`.
    async fn list(
        &mut self,
        filter: &AuditFilter,
        before: Option<AuditRowId>,
        size: u32,
    ) -> Result<Vec<AuditRow>, StoreError>;
}

/// What a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointKind {
    /// The chain had come this far.
    Head,
    /// Rows up to here were deleted because the policy keeps them no longer: the chain begins after it.
    Floor,
}

impl CheckpointKind {
    /// The name in stores and seals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Floor => "floor",
        }
    }

    /// Reads the name in stores.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Head, Self::Floor].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the chain was at some time, signed by the server: whoever rewrites rows up to it cannot make it fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it is.
    pub kind: CheckpointKind,
    /// The row it is about.
    pub link: ChainLink,
    /// When it was made.
    pub at: Timestamp,
    /// Keyed hash of all of it.
    pub seal: MacTag,
}

/// The chain over the audit log. Events are written unlinked, so that nobody waits for a chain; a worker links them in
/// batches.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait AuditChain: Send {
    /// The last link. In a transaction that may write it MUST hold back every other transaction that asks, until this one
    /// ends: the chain never forks.
    async fn head(&mut self) -> Result<Option<ChainLink>, StoreError>;

    /// Rows without a link, smallest number first. MUST cost the same however long the log is.
    async fn unlinked(&mut self, limit: u32) -> Result<Vec<AuditRow>, StoreError>;

    /// Gives rows their links. A position that is taken is `Conflict`; a row that has a link keeps it, and is
    /// `Corrupt`.
    async fn link(&mut self, links: &[(AuditRowId, ChainLink)]) -> Result<(), StoreError>;

    /// Rows with a position after this one, in the order of the chain.
    async fn page(&mut self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;

    /// The checkpoint of a kind with the highest position.
    async fn last_checkpoint(&mut self, kind: CheckpointKind) -> Result<Option<Checkpoint>, StoreError>;

    /// Every checkpoint, by position.
    async fn checkpoints(&mut self) -> Result<Vec<Checkpoint>, StoreError>;

    /// Adds a checkpoint, in the place of the one of its kind at `replaced` if there is one.
    async fn put_checkpoint(&mut self, checkpoint: &Checkpoint, replaced: Option<i64>) -> Result<(), StoreError>;

    /// Makes `floor` the only checkpoint of its kind, and deletes the rows and other checkpoints up to its position.
    /// Returns how many rows.
    async fn prune(&mut self, floor: &Checkpoint) -> Result<u64, StoreError>;
}
