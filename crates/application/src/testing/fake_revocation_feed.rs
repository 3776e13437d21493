use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use keystead_domain::token::Revocation;
use tokio::sync::watch;

use super::lock;
use crate::ports::{EphemeralError, FeedBatch, FeedCursor, RevocationFeed};

struct Feed {
    id: u64,
    revocations: Vec<Revocation>,
}

/// A feed in memory that keeps everything. A cursor is a position in it.
pub struct FakeRevocationFeed {
    feed: Mutex<Feed>,
    published: watch::Sender<()>,
}

impl FakeRevocationFeed {
    /// An empty feed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses every entry and begins a new feed, as a flushed or replaced Redis does.
    pub fn lose_everything(&self) {
        let mut feed = lock(&self.feed);
        *feed = Feed { id: feed.id + 1, revocations: Vec::new() };
    }

    fn batch(&self, cursor: Option<&FeedCursor>) -> FeedBatch {
        let feed = lock(&self.feed);
        // A cursor of a feed that was lost leads to the beginning of the present one.
        let position = cursor
            .and_then(|cursor| cursor.0.split_once('-'))
            .filter(|(id, _)| *id == feed.id.to_string())
            .and_then(|(_, position)| position.parse().ok())
            .unwrap_or(0);
        FeedBatch {
            feed_id: format!("fake-{}", feed.id),
            revocations: feed.revocations.get(position..).unwrap_or_default().to_vec(),
            cursor: FeedCursor(format!("{}-{}", feed.id, feed.revocations.len())),
        }
    }
}

impl Default for FakeRevocationFeed {
    fn default() -> Self {
        let feed = Mutex::new(Feed { id: 1, revocations: Vec::new() });
        Self { feed, published: watch::Sender::new(()) }
    }
}

#[async_trait]
impl RevocationFeed for FakeRevocationFeed {
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), EphemeralError> {
        lock(&self.feed).revocations.extend_from_slice(revocations);
        self.published.send_replace(());
        Ok(())
    }

    async fn read(&self, cursor: Option<FeedCursor>, wait: Duration) -> Result<FeedBatch, EphemeralError> {
        // Subscribed before the first look: an entry published between the look and the wait wakes the reader.
        let mut published = self.published.subscribe();
        let some = async {
            loop {
                let batch = self.batch(cursor.as_ref());
                if !batch.revocations.is_empty() || published.changed().await.is_err() {
                    return batch;
                }
            }
        };
        match tokio::time::timeout(wait, some).await {
            Ok(batch) => Ok(batch),
            Err(_) => Ok(self.batch(cursor.as_ref())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_revocation;

    #[tokio::test]
    async fn a_lost_feed_has_another_id_and_old_cursors_begin_anew() {
        let feed = FakeRevocationFeed::new();
        feed.publish(&[a_revocation(), a_revocation()]).await.unwrap();
        let before = feed.read(None, Duration::ZERO).await.unwrap();
        feed.lose_everything();
        feed.publish(&[a_revocation()]).await.unwrap();
        let after = feed.read(Some(before.cursor), Duration::ZERO).await.unwrap();
        assert_ne!(after.feed_id, before.feed_id);
        assert_eq!(after.revocations, [a_revocation()]);
    }
}
