//! `RevocationFeed`.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{FeedCursor, RevocationFeed};
use keystead_application::testing::{START, session_id, token_id, user_id};
use keystead_domain::account::Epoch;
use keystead_domain::token::{Revocation, RevocationTarget};

use super::MICRO;
use crate::race::race;

/// Long enough for any machine; a test that waits it out fails.
const LONG: Duration = Duration::from_secs(20);

/// Tests every contract of [`RevocationFeed`](keystead_application::ports::RevocationFeed). The expression is a future
/// of a [`Harness`](crate::Harness) with an empty feed; it is evaluated once per test.
#[macro_export]
macro_rules! revocation_feed_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            revocation_feed,
            dyn $crate::ports::RevocationFeed,
            $make,
            [
                an_empty_feed_answers_after_the_wait,
                entries_come_whole_and_in_order,
                a_cursor_goes_on_where_it_stopped,
                repeats_are_harmless,
                a_waiting_reader_gets_the_first_entry,
                a_reader_skips_nothing_while_many_publish,
            ]
        );
    };
}

fn entry(number: u32) -> Revocation {
    let target = RevocationTarget::Session(session_id(&format!("s{number}")));
    Revocation { target, at: START.plus(MICRO * number) }
}

/// A reader of an empty feed is not kept longer than it asked, and its cursor misses nothing that comes later.
pub async fn an_empty_feed_answers_after_the_wait(feed: Arc<dyn RevocationFeed>) {
    for wait in [Duration::ZERO, Duration::from_millis(20)] {
        let batch = tokio::time::timeout(LONG, feed.read(None, wait)).await.expect("read returns").unwrap();
        assert_eq!(batch.revocations, []);
    }
    let empty = feed.read(None, Duration::ZERO).await.unwrap();
    feed.publish(&[]).await.unwrap();
    feed.publish(&[entry(1)]).await.unwrap();
    let batch = feed.read(Some(empty.cursor), LONG).await.unwrap();
    assert_eq!((batch.revocations, batch.feed_id), (vec![entry(1)], empty.feed_id));
}

/// Every kind of entry comes back as published, in the order of publishing, whatever its time.
pub async fn entries_come_whole_and_in_order(feed: Arc<dyn RevocationFeed>) {
    let user = RevocationTarget::User { id: user_id(1), epoch: Epoch::new(7), sessions: Epoch::new(5) };
    let entries = [
        entry(9),
        Revocation { target: RevocationTarget::Token(token_id("s.t")), at: START.plus(MICRO) },
        Revocation { target: user, at: START.minus(MICRO) },
        Revocation { target: RevocationTarget::Everybody, at: START.plus(MICRO * 7) },
    ];
    feed.publish(&entries[..2]).await.unwrap();
    feed.publish(&entries[2..]).await.unwrap();
    assert_eq!(feed.read(None, Duration::ZERO).await.unwrap().revocations, entries);
}

/// A cursor leads to what was published after it, once; any number of readers have their own.
pub async fn a_cursor_goes_on_where_it_stopped(feed: Arc<dyn RevocationFeed>) {
    feed.publish(&[entry(1), entry(2)]).await.unwrap();
    let first = feed.read(None, Duration::ZERO).await.unwrap();
    let again = feed.read(Some(first.cursor.clone()), Duration::ZERO).await.unwrap();
    assert_eq!(again.revocations, []);
    feed.publish(&[entry(3)]).await.unwrap();
    for cursor in [first.cursor, again.cursor] {
        let batch = feed.read(Some(cursor), LONG).await.unwrap();
        assert_eq!((batch.revocations, &batch.feed_id), (vec![entry(3)], &first.feed_id));
    }
    let all = feed.read(None, Duration::ZERO).await.unwrap();
    assert_eq!(all.revocations, [entry(1), entry(2), entry(3)]);
}

/// Publishing an entry again is accepted, and every reader still gets it.
pub async fn repeats_are_harmless(feed: Arc<dyn RevocationFeed>) {
    feed.publish(&[entry(1), entry(1)]).await.unwrap();
    feed.publish(&[entry(1)]).await.unwrap();
    let batch = feed.read(None, Duration::ZERO).await.unwrap();
    assert!(!batch.revocations.is_empty() && batch.revocations.iter().all(|found| *found == entry(1)));
}

/// A reader that waits is woken by the first entry.
pub async fn a_waiting_reader_gets_the_first_entry(feed: Arc<dyn RevocationFeed>) {
    let cursor = feed.read(None, Duration::ZERO).await.unwrap().cursor;
    let batches = race(9, |number| {
        let (feed, cursor) = (Arc::clone(&feed), cursor.clone());
        async move {
            if number == 0 {
                feed.publish(&[entry(1)]).await.unwrap();
                return vec![entry(1)];
            }
            let read = feed.read(Some(cursor), LONG * 10);
            tokio::time::timeout(LONG, read).await.expect("the reader is woken").unwrap().revocations
        }
    })
    .await;
    assert!(batches.iter().all(|batch| *batch == [entry(1)]), "{batches:?}");
}

/// A reader that follows while many publish gets every entry once, in the order any other reader sees.
pub async fn a_reader_skips_nothing_while_many_publish(feed: Arc<dyn RevocationFeed>) {
    const PUBLISHERS: u32 = 16;
    const EACH: u32 = 10;
    let total = (PUBLISHERS * EACH) as usize;
    let followed = race(PUBLISHERS as usize + 1, |number| {
        let feed = Arc::clone(&feed);
        async move {
            if number < PUBLISHERS as usize {
                for step in 0..EACH {
                    feed.publish(&[entry(u32::try_from(number).unwrap() * EACH + step)]).await.unwrap();
                }
                return Vec::new();
            }
            let (mut found, mut cursor): (Vec<Revocation>, Option<FeedCursor>) = (Vec::new(), None);
            while found.len() < total {
                let batch = feed.read(cursor, LONG).await.unwrap();
                assert!(!batch.revocations.is_empty(), "{} of {total} entries, then nothing", found.len());
                found.extend(batch.revocations);
                cursor = Some(batch.cursor);
            }
            found
        }
    })
    .await
    .concat();
    assert_eq!(followed, feed.read(None, Duration::ZERO).await.unwrap().revocations);
    for publisher in 0..PUBLISHERS {
        let own = |found: &&Revocation| (0..EACH).any(|step| **found == entry(publisher * EACH + step));
        let of_one: Vec<Revocation> = followed.iter().filter(own).cloned().collect();
        assert_eq!(of_one, (0..EACH).map(|step| entry(publisher * EACH + step)).collect::<Vec<_>>());
    }
}
