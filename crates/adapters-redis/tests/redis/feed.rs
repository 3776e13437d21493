//! What a reader of revocations is told when Redis loses some.

use std::time::Duration;

use keystead_adapters_redis::{RedisConfig, RedisRevocationFeed};
use keystead_application::ports::{FeedCursor, RevocationFeed};
use keystead_application::testing::{START, session_id};
use keystead_domain::token::{Revocation, RevocationTarget};
use keystead_test_servers::{Redis, Value};

use crate::servers;

fn entry(name: &str) -> Revocation {
    Revocation { target: RevocationTarget::Session(session_id(name)), at: START }
}

async fn publish(feed: &RedisRevocationFeed, names: &[&str]) {
    feed.publish(&names.iter().map(|name| entry(name)).collect::<Vec<_>>()).await.unwrap();
}

/// What there is after a cursor: the feed's name, entries, and the next cursor.
async fn read(feed: &RedisRevocationFeed, cursor: &FeedCursor) -> (String, Vec<Revocation>, FeedCursor) {
    let batch = feed.read(Some(cursor.clone()), Duration::ZERO).await.unwrap();
    (batch.feed_id, batch.revocations, batch.cursor)
}

/// A server, its configuration, and a feed of three entries that was read to its end.
async fn three_read() -> (Redis, RedisConfig, RedisRevocationFeed, String, FeedCursor) {
    let server = Redis::start().unwrap();
    let config = servers::on(server.port());
    let feed = servers::open(&config).revocation_feed("a".into());
    publish(&feed, &["s1", "s2", "s3"]).await;
    let batch = feed.read(None, Duration::ZERO).await.unwrap();
    assert_eq!(batch.revocations.len(), 3);
    (server, config, feed, batch.feed_id, batch.cursor)
}

fn names(config: &RedisConfig) -> [String; 2] {
    [format!("{}:f:{{revocations}}", config.prefix), format!("{}:fs:{{revocations}}", config.prefix)]
}

/// A flush begins another feed, however many entries the new one has when the reader comes, and whoever begins it.
#[tokio::test]
async fn a_flush_changes_the_feed() {
    let (server, config, feed, before, cursor) = three_read().await;
    let other = servers::open(&config).revocation_feed("b".into());
    let mut known = vec![before];
    for publisher in [&feed, &other, &feed] {
        server.command(&["FLUSHALL"]).unwrap();
        publish(publisher, &["t1", "t2", "t3", "t4"]).await;
        let (id, entries, next) = read(&feed, &cursor).await;
        assert!(!known.contains(&id), "{id} was there before");
        assert_eq!(entries, ["t1", "t2", "t3", "t4"].map(entry));
        assert_eq!(read(&feed, &next).await, (id.clone(), Vec::new(), next), "told once");
        known.push(id);
    }
}

/// A reader that waits hears of a flush, although an emptied stream wakes nobody.
#[tokio::test]
async fn a_waiting_reader_notices_a_flush() {
    let (server, _, feed, before, cursor) = three_read().await;
    let waiting = feed.read(Some(cursor), Duration::from_secs(60));
    let flush = async {
        let blocked = || server.command(&["INFO", "clients"]).unwrap().to_string().contains("blocked_clients:1");
        while !blocked() {
            tokio::task::yield_now().await;
        }
        server.command(&["FLUSHALL"]).unwrap();
    };
    let limit = Duration::from_secs(5);
    let (batch, ()) = tokio::join!(tokio::time::timeout(limit, waiting), flush);
    let batch = batch.unwrap().unwrap();
    assert_ne!(batch.feed_id, before);
    assert_eq!(batch.revocations, []);
}

/// Either part alone is not a feed.
#[tokio::test]
async fn a_lost_part_changes_the_feed() {
    for part in 0..2 {
        let (server, config, feed, before, cursor) = three_read().await;
        server.command(&["DEL", &names(&config)[part]]).unwrap();
        let (id, entries, next) = read(&feed, &cursor).await;
        assert_ne!(id, before);
        assert_eq!(entries, []);
        publish(&feed, &["s4"]).await;
        let (same, entries, _) = read(&feed, &next).await;
        assert_eq!((same, entries), (id, vec![entry("s4")]));
    }
}

/// Who fell behind what is kept is told, gets what is kept, and is told once; who kept up notices nothing.
#[tokio::test]
async fn a_reader_behind_the_trimmed_end_is_told() {
    let (server, config, feed, before, slow) = three_read().await;
    publish(&feed, &["s4", "s5"]).await;
    let (_, _, quick) = read(&feed, &slow).await;
    publish(&feed, &["s6"]).await;
    server.command(&["XTRIM", &names(&config)[0], "MAXLEN", "2"]).unwrap();
    let (id, entries, next) = read(&feed, &slow).await;
    assert_ne!(id, before);
    assert_eq!(entries, [entry("s5"), entry("s6")]);
    let (same, entries, next) = read(&feed, &next).await;
    assert_eq!((&same, entries), (&id, Vec::new()), "told once");
    publish(&feed, &["s7"]).await;
    let (same, entries, _) = read(&feed, &next).await;
    assert_eq!((same, entries), (id, vec![entry("s7")]));
    let (same, entries, _) = read(&feed, &quick).await;
    assert_eq!((same, entries), (before, vec![entry("s6"), entry("s7")]));
}

/// A stale replica that became master has the old name and fewer entries; others take the places of the lost ones.
#[tokio::test]
async fn a_sequence_that_went_back_is_noticed() {
    for lost_again in [0, 1, 2, 5] {
        let (server, config, feed, before, cursor) = three_read().await;
        for key in names(&config) {
            assert_eq!(server.command(&["COPY", &key, &format!("{key}:copy")]).unwrap(), Value::Integer(1));
        }
        publish(&feed, &["lost4", "lost5"]).await;
        let (_, _, ahead) = read(&feed, &cursor).await;
        for key in names(&config) {
            server.command(&["COPY", &format!("{key}:copy"), &key, "REPLACE"]).unwrap();
        }
        let new: Vec<String> = (0..lost_again).map(|number| format!("new{number}")).collect();
        publish(&feed, &new.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let (id, entries, next) = read(&feed, &ahead).await;
        assert_ne!(id, before, "{lost_again} entries after the failover");
        assert!(new.iter().all(|name| entries.contains(&entry(name))), "{entries:?}");
        publish(&feed, &["next"]).await;
        let (same, entries, _) = read(&feed, &next).await;
        assert_eq!((same, entries), (id, vec![entry("next")]));
        // A reader that had not read what was lost goes on: it skips nothing.
        let (id, entries, _) = read(&feed, &cursor).await;
        assert_eq!((id, entries.len()), (before, lost_again + 1));
    }
}

/// The stream stays bounded, and a reader takes a long one in pieces.
#[tokio::test]
async fn a_long_feed_is_trimmed_and_read_in_pieces() {
    let server = Redis::start().unwrap();
    let config = servers::on(server.port());
    let feed = servers::open(&config).revocation_feed("a".into());
    let thousand: Vec<Revocation> = (0..1000).map(|number| entry(&format!("s{number}"))).collect();
    for _ in 0..12 {
        feed.publish(&thousand).await.unwrap();
    }
    let Value::Integer(kept) = server.command(&["XLEN", &names(&config)[0]]).unwrap() else { unreachable!() };
    assert!((10_000..10_200).contains(&kept), "{kept}");
    let mut batch = feed.read(None, Duration::ZERO).await.unwrap();
    let (id, mut found) = (batch.feed_id.clone(), 0);
    while !batch.revocations.is_empty() {
        assert_eq!(batch.feed_id, id);
        found += i64::try_from(batch.revocations.len()).unwrap();
        batch = feed.read(Some(batch.cursor), Duration::ZERO).await.unwrap();
    }
    assert_eq!(found, kept);
}

/// A cursor of another kind of feed begins at the oldest entry.
#[tokio::test]
async fn a_foreign_cursor_starts_over() {
    let (_server, _, feed, id, _) = three_read().await;
    let (same, entries, _) = read(&feed, &FeedCursor("feed:0:7".into())).await;
    assert_eq!((same, entries.len()), (id, 3));
}
