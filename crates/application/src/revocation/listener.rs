use std::sync::Arc;
use std::time::Duration;

use super::RevocationView;
use crate::ports::{EphemeralError, FeedCursor, RevocationFeed};

/// What listening to the feed brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Everything since the last time.
    Everything,
    /// The feed is another one than last time: entries may be lost, and the log must be read from its beginning.
    Gap,
}

/// Reads the feed into the view, so that what another replica revoked counts here within milliseconds. One per process.
///
/// Only an accelerator: it never confirms the view. That is the business of [`super::RevocationKeeper`], which reads what
/// was committed, whatever became of the feed.
pub struct RevocationListener {
    feed: Arc<dyn RevocationFeed>,
    view: Arc<RevocationView>,
    known: Option<(String, FeedCursor)>,
}

impl RevocationListener {
    /// A listener that has heard nothing yet: its first reading is all the feed has.
    pub fn new(feed: Arc<dyn RevocationFeed>, view: Arc<RevocationView>) -> Self {
        Self { feed, view, known: None }
    }

    /// Reads what is new, waiting at most `wait` for it.
    pub async fn listen(&mut self, wait: Duration) -> Result<Heard, EphemeralError> {
        let cursor = self.known.as_ref().map(|(_, cursor)| cursor.clone());
        let batch = self.feed.read(cursor, wait).await?;
        self.view.apply(&batch.revocations);
        let is_known = self.known.as_ref().is_none_or(|(id, _)| *id == batch.feed_id);
        self.known = Some((batch.feed_id, batch.cursor));
        Ok(if is_known { Heard::Everything } else { Heard::Gap })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{FeedBatch, MockRevocationFeed};
    use crate::testing::{a_revocation, session_id};

    fn batch(feed_id: &str, next: &str) -> FeedBatch {
        let cursor = FeedCursor(next.to_owned());
        FeedBatch { feed_id: feed_id.to_owned(), revocations: vec![a_revocation()], cursor }
    }

    #[tokio::test]
    async fn what_is_heard_counts_and_another_feed_is_a_gap() {
        let mut feed = MockRevocationFeed::new();
        let mut answers = [batch("one", "1"), batch("one", "2"), batch("two", "1"), batch("two", "2")].into_iter();
        let mut asked = [None, Some("1"), Some("2"), Some("1")].into_iter();
        feed.expect_read().times(4).returning(move |cursor, _| {
            assert_eq!(cursor.as_ref().map(|cursor| cursor.0.as_str()), asked.next().unwrap());
            Ok(answers.next().unwrap())
        });
        let view = Arc::new(RevocationView::default());
        let mut listener = RevocationListener::new(Arc::new(feed), Arc::clone(&view));
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(listener.listen(Duration::ZERO).await.unwrap());
        }
        assert_eq!(heard, [Heard::Everything, Heard::Everything, Heard::Gap, Heard::Everything]);
        assert!(view.is_session_revoked(&session_id("session-1")));
    }

    #[tokio::test]
    async fn a_feed_that_fails_is_asked_again_from_the_same_place() {
        let mut feed = MockRevocationFeed::new();
        let mut answers =
            [Ok(batch("one", "1")), Err(EphemeralError("gone".into())), Ok(batch("one", "2"))].into_iter();
        feed.expect_read().times(3).returning(move |_, _| answers.next().unwrap());
        let mut listener = RevocationListener::new(Arc::new(feed), Arc::default());
        assert_eq!(listener.listen(Duration::ZERO).await, Ok(Heard::Everything));
        assert!(listener.listen(Duration::ZERO).await.is_err());
        assert_eq!(listener.listen(Duration::ZERO).await, Ok(Heard::Everything));
    }
}
