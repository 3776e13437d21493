//! Revocations on their way to every replica.

use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::token::Revocation;

use super::EphemeralError;

/// How far a reader got. Opaque; made by the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor(pub String);

/// What a reader got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedBatch {
    /// Random, made when the feed began. A changed one means entries may be lost: rebuild from the revocation log.
    pub feed_id: String,
    /// Entries after the cursor, oldest first.
    pub revocations: Vec<Revocation>,
    /// Where to go on.
    pub cursor: FeedCursor,
}

/// Carries revocations to every replica faster than the log is polled. The log in the store stays authoritative.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait RevocationFeed: Send + Sync {
    /// Adds entries. Repeats are harmless.
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), EphemeralError>;

    /// Entries after `cursor`, from the oldest kept one when `None`. Waits at most `wait` for the first. MUST return
    /// entries in the order they were published, and MUST NOT skip one while `feed_id` stays the same.
    async fn read(&self, cursor: Option<FeedCursor>, wait: Duration) -> Result<FeedBatch, EphemeralError>;
}
