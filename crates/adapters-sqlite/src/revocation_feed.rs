//! Revocations inside one process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keystead_application::ports::{EphemeralError, FeedBatch, FeedCursor, RevocationFeed};
use keystead_domain::token::Revocation;
use tokio::sync::Notify;

/// Entries kept for readers that are behind.
const KEPT: usize = 4096;

/// Revocations on their way from one part of the process to another: a ring of the newest entries, and a bell.
///
/// A reader that fell behind the ring has lost entries. It gets another `feed_id` from then on, so that it rebuilds from
/// the log; readers that kept up notice nothing.
pub struct LocalRevocationFeed {
    id: String,
    kept: usize,
    ring: Mutex<Ring>,
    bell: Notify,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Revocation>,
    /// The position of the oldest kept entry; positions count up from 0.
    oldest: u64,
}

impl Ring {
    fn end(&self) -> u64 {
        self.oldest.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }
}

/// What a cursor says: how often its reader fell behind, and the position it reads next.
#[derive(Clone, Copy)]
struct Place {
    losses: u64,
    next: u64,
}

impl LocalRevocationFeed {
    /// An empty feed. `feed_id` is random, so that nobody takes this feed for an earlier process' one.
    pub fn new(feed_id: String) -> Self {
        Self::keeping(feed_id, KEPT)
    }

    fn keeping(id: String, kept: usize) -> Self {
        Self { id, kept, ring: Mutex::default(), bell: Notify::new() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a cursor this feed made; the oldest entry for any other.
    fn place(&self, cursor: Option<&FeedCursor>) -> Place {
        let read = |text: &str| {
            let mut parts = text.strip_prefix(self.id.as_str())?.strip_prefix(':')?.split(':');
            let (losses, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Place { losses, next })
        };
        cursor.and_then(|cursor| read(&cursor.0)).unwrap_or_else(|| Place { losses: 0, next: self.ring().oldest })
    }

    /// What there is from `place` on.
    fn batch(&self, place: Place) -> FeedBatch {
        let ring = self.ring();
        let behind = place.next < ring.oldest;
        let losses = place.losses.saturating_add(u64::from(behind));
        let skipped = usize::try_from(place.next.saturating_sub(ring.oldest)).unwrap_or(usize::MAX);
        let feed_id = if losses == 0 { self.id.clone() } else { format!("{}+{losses}", self.id) };
        FeedBatch {
            feed_id,
            revocations: ring.entries.iter().skip(skipped).cloned().collect(),
            cursor: FeedCursor(format!("{}:{losses}:{}", self.id, ring.end())),
        }
    }
}

#[async_trait]
impl RevocationFeed for LocalRevocationFeed {
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), EphemeralError> {
        {
            let mut ring = self.ring();
            ring.entries.extend(revocations.iter().cloned());
            while ring.entries.len() > self.kept {
                ring.entries.pop_front();
                ring.oldest = ring.oldest.saturating_add(1);
            }
        }
        self.bell.notify_waiters();
        Ok(())
    }

    async fn read(&self, cursor: Option<FeedCursor>, wait: Duration) -> Result<FeedBatch, EphemeralError> {
        let place = self.place(cursor.as_ref());
        // Listens before it looks, so that an entry published in between is not waited for.
        let bell = self.bell.notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        let batch = self.batch(place);
        if !batch.revocations.is_empty() || wait.is_zero() {
            return Ok(batch);
        }
        // Ringing or not: either way the answer is what there is then.
        drop(tokio::time::timeout(wait, bell).await);
        Ok(self.batch(place))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keystead_domain::Timestamp;
    use keystead_domain::token::{RevocationTarget, SessionId};

    use super::*;

    fn revocation(n: i64) -> Revocation {
        let session = SessionId::parse(&format!("s{n}")).unwrap();
        Revocation { target: RevocationTarget::Session(session), at: Timestamp::from_micros(n) }
    }

    #[tokio::test]
    async fn entries_come_in_order_and_once_per_reader() {
        let feed = LocalRevocationFeed::new("feed".into());
        feed.publish(&[revocation(1), revocation(2)]).await.unwrap();
        let first = feed.read(None, Duration::ZERO).await.unwrap();
        assert_eq!(first.revocations, [revocation(1), revocation(2)]);
        feed.publish(&[revocation(3)]).await.unwrap();
        let second = feed.read(Some(first.cursor), Duration::ZERO).await.unwrap();
        assert_eq!((second.feed_id, second.revocations), (first.feed_id, vec![revocation(3)]));
        assert!(feed.read(Some(second.cursor), Duration::ZERO).await.unwrap().revocations.is_empty());
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let feed = Arc::new(LocalRevocationFeed::new("feed".into()));
        let reader = tokio::spawn({
            let feed = Arc::clone(&feed);
            async move { feed.read(None, Duration::from_secs(600)).await.unwrap() }
        });
        tokio::task::yield_now().await;
        feed.publish(&[revocation(1)]).await.unwrap();
        assert_eq!(reader.await.unwrap().revocations, [revocation(1)]);
    }

    #[tokio::test]
    async fn a_reader_that_fell_behind_is_told_and_others_are_not() {
        let feed = LocalRevocationFeed::keeping("feed".into(), 2);
        let slow = feed.read(None, Duration::ZERO).await.unwrap();
        feed.publish(&[revocation(1), revocation(2)]).await.unwrap();
        let quick = feed.read(Some(slow.cursor.clone()), Duration::ZERO).await.unwrap();
        feed.publish(&[revocation(3)]).await.unwrap();

        let behind = feed.read(Some(slow.cursor), Duration::ZERO).await.unwrap();
        assert_ne!(behind.feed_id, slow.feed_id);
        assert_eq!(behind.revocations, [revocation(2), revocation(3)]);
        let again = feed.read(Some(behind.cursor), Duration::ZERO).await.unwrap();
        assert_eq!(again.feed_id, behind.feed_id, "told once");

        let kept_up = feed.read(Some(quick.cursor), Duration::ZERO).await.unwrap();
        assert_eq!((kept_up.feed_id, kept_up.revocations), (quick.feed_id, vec![revocation(3)]));
    }

    #[tokio::test]
    async fn a_cursor_of_an_earlier_process_starts_over_under_the_new_id() {
        let earlier = LocalRevocationFeed::new("earlier".into());
        earlier.publish(&[revocation(1)]).await.unwrap();
        let cursor = earlier.read(None, Duration::ZERO).await.unwrap().cursor;
        let feed = LocalRevocationFeed::new("later".into());
        feed.publish(&[revocation(2)]).await.unwrap();
        let batch = feed.read(Some(cursor), Duration::ZERO).await.unwrap();
        assert_eq!((batch.feed_id.as_str(), batch.revocations), ("later", vec![revocation(2)]));
    }
}
