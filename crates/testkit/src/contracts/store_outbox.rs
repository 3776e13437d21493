//! `Outbox`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{ClaimedMessage, NewMessage, OutboxEntry, OutboxId, Store};
use keystead_application::testing::{a_message, after};
use keystead_domain::Timestamp;

use super::{MICRO, RACERS, begin, commit, read};
use crate::race::race;

const LEASE: Duration = Duration::from_secs(60);

async fn enqueue(store: &Arc<dyn Store>, messages: &[NewMessage]) {
    let mut tx = begin(store).await;
    for message in messages {
        tx.outbox().enqueue(message).await.unwrap();
    }
    commit(tx).await;
}

async fn claim(store: &Arc<dyn Store>, limit: u32, now: Timestamp) -> Vec<ClaimedMessage> {
    let mut tx = begin(store).await;
    let claimed = tx.outbox().claim(limit, now, LEASE).await.unwrap();
    commit(tx).await;
    claimed
}

async fn counts(store: &Arc<dyn Store>) -> (u64, u64) {
    begin(store).await.outbox().counts().await.unwrap()
}

fn ids(claimed: &[ClaimedMessage]) -> Vec<&str> {
    claimed.iter().map(|message| message.id.0.as_str()).collect()
}

/// All fields come back as written, with the first attempt counted.
pub async fn a_message_is_claimed_as_written(store: Arc<dyn Store>) {
    let message = NewMessage { sealed: vec![0, 0xff, 0x80, b'\''], ..a_message("V1StGXR8_Z5jdHi6B-myT") };
    enqueue(&store, std::slice::from_ref(&message)).await;
    assert_eq!(counts(&store).await, (1, 0));
    let expected = ClaimedMessage {
        id: message.id,
        sealed: message.sealed,
        attempts: 1,
        created_at: message.created_at,
        expires_at: message.expires_at,
    };
    assert_eq!(claim(&store, 10, after(1)).await, [expected]);
    assert_eq!(counts(&store).await, (1, 0), "a claimed message still waits for its end");
}

/// However many workers claim at once, no message is given twice while its lease lasts, and none is forgotten.
pub async fn workers_never_share_a_message(store: Arc<dyn Store>) {
    let messages: Vec<NewMessage> = (0..200).map(|number| a_message(&format!("m{number:03}"))).collect();
    enqueue(&store, &messages).await;
    let claimed = race(8, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut mine = Vec::new();
            loop {
                let batch = claim(&store, 7, after(1)).await;
                assert!(batch.len() <= 7);
                if batch.is_empty() {
                    return mine;
                }
                mine.extend(batch);
            }
        }
    })
    .await
    .concat();
    assert_eq!(claimed.len(), messages.len());
    assert!(claimed.iter().all(|message| message.attempts == 1));
    let distinct: BTreeSet<OutboxId> = claimed.into_iter().map(|message| message.id).collect();
    assert_eq!(distinct, messages.into_iter().map(|message| message.id).collect());
}

/// The oldest come first, and never more than asked for.
pub async fn the_oldest_messages_come_first_up_to_the_limit(store: Arc<dyn Store>) {
    let at = |id: &str, seconds| NewMessage { created_at: after(seconds), ..a_message(id) };
    enqueue(&store, &[at("late", 3), at("first", 0), at("middle", 2), at("second", 1)]).await;
    assert_eq!(ids(&claim(&store, 2, after(5)).await), ["first", "second"]);
    assert_eq!(ids(&claim(&store, 9, after(5)).await), ["middle", "late"]);
}

/// Until the lease ends nobody gets the message; then somebody does, and the attempt is counted.
pub async fn a_message_is_claimable_again_when_its_lease_ends(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    assert_eq!(claim(&store, 9, after(1)).await.len(), 1);
    let end = after(1).plus(LEASE);
    assert_eq!(claim(&store, 9, end.minus(MICRO)).await, []);
    let again = claim(&store, 9, end.plus(MICRO)).await;
    assert_eq!(again[0].attempts, 2);
    assert_eq!(claim(&store, 9, end.plus(LEASE)).await, [], "the second lease lasts as long");
}

/// Of many workers that see a lapsed lease one gets the message.
pub async fn a_lapsed_lease_gives_the_message_to_one_worker(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    assert_eq!(claim(&store, 9, after(1)).await.len(), 1);
    let results = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move { claim(&store, 9, after(100)).await.len() }
    })
    .await;
    assert_eq!(results.iter().sum::<usize>(), 1);
}

/// A sent message is deleted, contents and all; marking it again is harmless.
pub async fn a_sent_message_is_gone(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m"), a_message("n")]).await;
    claim(&store, 9, after(1)).await;
    for _ in 0..2 {
        let mut tx = begin(&store).await;
        tx.outbox().mark_sent(&OutboxId("m".into())).await.unwrap();
        commit(tx).await;
    }
    assert_eq!(counts(&store).await, (1, 0));
    assert_eq!(ids(&claim(&store, 9, after(100)).await), ["n"]);
}

/// A message that was not accepted is due again at the given time, not before, lease or not.
pub async fn a_failed_message_waits_until_it_is_due(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    for (now, next, attempts) in [(1, 10, 1), (10, 500, 2)] {
        let claimed = claim(&store, 9, after(now)).await;
        assert_eq!(claimed[0].attempts, attempts);
        let mut tx = begin(&store).await;
        tx.outbox().mark_failed(&claimed[0].id, after(next), "421 try later").await.unwrap();
        commit(tx).await;
        assert_eq!(claim(&store, 9, after(next).minus(MICRO)).await, []);
    }
    assert_eq!(counts(&store).await, (1, 0));
    let claimed = claim(&store, 9, after(500)).await;
    assert_eq!((claimed[0].attempts, &claimed[0].sealed), (3, &a_message("m").sealed));
}

/// A dead message is counted, and given to nobody ever again.
pub async fn a_dead_message_is_never_claimed(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m"), a_message("n")]).await;
    claim(&store, 9, after(1)).await;
    let mut tx = begin(&store).await;
    tx.outbox().mark_dead(&OutboxId("m".into()), after(2), "550 no such user").await.unwrap();
    commit(tx).await;
    assert_eq!(counts(&store).await, (1, 1));
    assert_eq!(ids(&claim(&store, 9, after(100)).await), ["n"]);
}

/// From `expires_at` on a message is given to nobody; `expire` makes it a dead letter and counts it.
pub async fn an_expired_message_is_never_claimed_and_becomes_a_dead_letter(store: Arc<dyn Store>) {
    let short = NewMessage { expires_at: after(10), ..a_message("short") };
    let last = NewMessage { expires_at: after(10).plus(MICRO), ..a_message("last") };
    enqueue(&store, &[short, last, a_message("lasting")]).await;
    let mut tx = begin(&store).await;
    // Committed: a rollback may still be on its way when the next transaction begins, and what is locked is passed over.
    let claimed = tx.outbox().claim(9, after(10), Duration::from_secs(1)).await.unwrap();
    assert_eq!(claimed.len(), 2, "{:?}", ids(&claimed));
    assert!(!ids(&claimed).contains(&"short"));
    commit(tx).await;

    let mut tx = begin(&store).await;
    assert_eq!(tx.outbox().expire(after(20)).await.unwrap(), 2);
    assert_eq!(tx.outbox().expire(after(20)).await.unwrap(), 0, "a dead letter does not die again");
    assert_eq!(tx.outbox().counts().await.unwrap(), (1, 2));
    commit(tx).await;
    assert_eq!(ids(&claim(&store, 9, after(20)).await), ["lasting"]);
}

/// A message of a transaction that rolled back is sent to nobody.
pub async fn a_rolled_back_message_is_not_sent(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.outbox().enqueue(&a_message("m")).await.unwrap();
    assert_eq!(tx.outbox().counts().await.unwrap(), (1, 0));
    drop(tx);
    assert_eq!(claim(&store, 9, after(1)).await, []);
}

/// What a worker that died had claimed, or was waiting to try again, is due at once for the only other one; dead letters
/// stay dead.
pub async fn a_new_sole_worker_need_not_wait_for_leases(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("leased"), a_message("waiting"), a_message("dead")]).await;
    claim(&store, 9, after(1)).await;
    let mut tx = begin(&store).await;
    tx.outbox().mark_failed(&OutboxId("waiting".into()), after(500), "451 later").await.unwrap();
    tx.outbox().mark_dead(&OutboxId("dead".into()), after(1), "550 no such user").await.unwrap();
    assert_eq!(tx.outbox().make_due(after(2)).await.unwrap(), 2);
    commit(tx).await;
    assert_eq!(ids(&claim(&store, 9, after(2)).await), ["leased", "waiting"]);
}

/// What waits for its time, is leased or is dead gives a worker nothing to do; what is due does, and what outlived its end.
pub async fn a_worker_is_told_of_work_and_of_nothing_else(store: Arc<dyn Store>) {
    async fn is_due(store: &Arc<dyn Store>, now: Timestamp) -> bool {
        store.read().await.unwrap().outbox().is_due(now).await.unwrap()
    }
    assert!(!is_due(&store, after(1)).await);
    let short = NewMessage { expires_at: after(30), ..a_message("short") };
    enqueue(&store, &[short, a_message("dead")]).await;
    assert!(is_due(&store, after(0)).await, "from the moment it was written");
    let mut tx = begin(&store).await;
    assert_eq!(tx.outbox().claim(9, after(1), LEASE).await.unwrap().len(), 2);
    tx.outbox().mark_dead(&OutboxId("dead".into()), after(1), "550 no such user").await.unwrap();
    commit(tx).await;
    assert!(!is_due(&store, after(30).minus(MICRO)).await, "leased, or dead");
    assert!(is_due(&store, after(30)).await, "past its end, though leased");
    let mut tx = begin(&store).await;
    tx.outbox().mark_failed(&OutboxId("short".into()), after(20), "421 try later").await.unwrap();
    commit(tx).await;
    assert!(!is_due(&store, after(20).minus(MICRO)).await);
    assert!(is_due(&store, after(20)).await, "time for the next attempt");
}

async fn listed(store: &Arc<dyn Store>) -> Vec<OutboxEntry> {
    read(store).await.outbox().list(None, 99).await.unwrap()
}

fn entry(message: &NewMessage) -> OutboxEntry {
    OutboxEntry {
        id: message.id.clone(),
        attempts: 0,
        created_at: message.created_at,
        due_at: message.created_at,
        expires_at: message.expires_at,
        dead_at: None,
        error: None,
    }
}

/// What waits and what is dead is listed newest first, ties by identifier descending, in pages without gap or repeat; what
/// was sent is not.
pub async fn messages_are_listed_newest_first(store: Arc<dyn Store>) {
    let at = |id: &str, seconds| NewMessage { created_at: after(seconds), ..a_message(id) };
    let sorted = [at("e", 9), at("d", 5), at("c", 5), at("b", 5), at("a", 1)];
    enqueue(&store, &[2, 4, 0, 3, 1].map(|index: usize| sorted[index].clone())).await;
    enqueue(&store, &[at("sent", 7)]).await;
    let mut tx = begin(&store).await;
    tx.outbox().mark_sent(&OutboxId("sent".into())).await.unwrap();
    tx.outbox().mark_dead(&OutboxId("c".into()), after(20), "550 no such user").await.unwrap();
    commit(tx).await;
    let mut expected = sorted.each_ref().map(entry);
    expected[2] = OutboxEntry {
        dead_at: Some(after(20)),
        error: Some("550 no such user".to_owned()),
        due_at: listed(&store).await[2].due_at,
        ..expected[2].clone()
    };
    let mut seen: Vec<OutboxEntry> = Vec::new();
    for length in [2, 2, 1, 0] {
        let after = seen.last().map(|last| (last.created_at, last.id.clone()));
        let page = read(&store).await.outbox().list(after, 2).await.unwrap();
        assert_eq!(page.len(), length);
        seen.extend(page);
    }
    assert_eq!(seen, expected);
}

/// A list says how often a message was tried, when it is tried next, and what the last try ended with.
pub async fn a_list_tells_what_became_of_a_message(store: Arc<dyn Store>) {
    let message = NewMessage { created_at: after(0).plus(MICRO), ..a_message("m") };
    enqueue(&store, std::slice::from_ref(&message)).await;
    assert_eq!(listed(&store).await, [entry(&message)]);
    claim(&store, 9, after(1)).await;
    let leased = OutboxEntry { attempts: 1, due_at: after(1).plus(LEASE), ..entry(&message) };
    assert_eq!(listed(&store).await, [leased]);
    let mut tx = begin(&store).await;
    tx.outbox().mark_failed(&message.id, after(500), "421 try later").await.unwrap();
    commit(tx).await;
    let error = Some("421 try later".to_owned());
    assert_eq!(listed(&store).await, [OutboxEntry { attempts: 1, due_at: after(500), error, ..entry(&message) }]);
    let mut tx = begin(&store).await;
    assert_eq!(tx.outbox().expire(after(9999)).await.unwrap(), 1);
    commit(tx).await;
    let dead = listed(&store).await;
    assert_eq!((dead[0].dead_at, dead[0].error.is_some(), dead.len()), (Some(after(9999)), true, 1));
}

async fn retry(store: &Arc<dyn Store>, id: &str, now: Timestamp) -> Option<OutboxEntry> {
    let mut tx = begin(store).await;
    let retried = tx.outbox().retry(&OutboxId(id.to_owned()), now).await.unwrap();
    commit(tx).await;
    retried
}

/// A message that waits for its next try is due when an administrator says so. Nothing else is changed.
pub async fn a_waiting_message_is_made_due(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m"), a_message("other")]).await;
    claim(&store, 9, after(1)).await;
    let mut tx = begin(&store).await;
    for id in ["m", "other"] {
        tx.outbox().mark_failed(&OutboxId(id.to_owned()), after(500), "421 try later").await.unwrap();
    }
    commit(tx).await;
    let error = Some("421 try later".to_owned());
    let waiting = OutboxEntry { attempts: 1, due_at: after(500), error, ..entry(&a_message("m")) };
    assert_eq!(retry(&store, "m", after(100)).await, Some(OutboxEntry { due_at: after(100), ..waiting.clone() }));
    let other = OutboxEntry { id: OutboxId("other".into()), ..waiting };
    assert_eq!(listed(&store).await[0], other, "another message still waits");
    assert_eq!(ids(&claim(&store, 9, after(100)).await), ["m"]);
    assert_eq!(retry(&store, "nobodys", after(100)).await, None);
}

/// What a worker owns is left to it, at the first try and at later ones: it would be sent twice.
pub async fn a_leased_message_is_not_made_due(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    for (attempt, now) in [(1, 1), (2, 200)] {
        assert_eq!(claim(&store, 9, after(now)).await.len(), 1);
        let before = listed(&store).await;
        let answer = retry(&store, "m", after(now + 1)).await.expect("there is such a message");
        assert_eq!(answer, before[0]);
        assert_eq!((answer.attempts, answer.due_at), (attempt, after(now).plus(LEASE)));
        assert_eq!(claim(&store, 9, after(now + 1)).await, [], "attempt {attempt}");
        let mut tx = begin(&store).await;
        tx.outbox().mark_failed(&OutboxId("m".into()), after(200), "421 try later").await.unwrap();
        commit(tx).await;
    }
}

/// A lease that ended is nobody's: the message is due, whoever asks.
pub async fn a_message_of_a_lapsed_lease_is_due(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    claim(&store, 9, after(1)).await;
    let end = after(1).plus(LEASE);
    let retried = retry(&store, "m", end).await.unwrap();
    assert!(retried.due_at <= end, "{retried:?}");
    assert_eq!(ids(&claim(&store, 9, end).await), ["m"]);
}

/// A dead letter has no contents any more: it is shown, and stays dead.
pub async fn a_dead_message_is_not_retried(store: Arc<dyn Store>) {
    enqueue(&store, &[a_message("m")]).await;
    let mut tx = begin(&store).await;
    tx.outbox().mark_dead(&OutboxId("m".into()), after(2), "550 no such user").await.unwrap();
    commit(tx).await;
    let before = listed(&store).await;
    assert_eq!(before[0].dead_at, Some(after(2)));
    assert_eq!(retry(&store, "m", after(3)).await.as_ref(), before.first());
    assert_eq!((listed(&store).await, counts(&store).await), (before, (0, 1)));
    assert_eq!(claim(&store, 9, after(100)).await, []);
}
