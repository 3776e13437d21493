//! `AuditChain`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{
    AuditFilter, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, KeyedHash, Store, StoreError,
};
use keystead_application::testing::{FakeKeyedHash, START, a_mac_tag, after, an_audit_event, user_id};
use keystead_domain::audit::AuditEvent;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::{begin, commit, read};
use crate::race::race;

/// Nobody who is not held back takes as long, and whoever is held back takes for ever.
const WAIT: Duration = Duration::from_millis(300);
/// How many write at once, and how many link.
const WRITERS: usize = 16;
const EACH: usize = 5;

fn event(second: u64) -> AuditEvent {
    AuditEvent { at: after(second), ..an_audit_event() }
}

/// Writes events and returns their rows, unlinked, in that order.
async fn append(store: &Arc<dyn Store>, count: u32) -> Vec<AuditRow> {
    let mut tx = begin(store).await;
    for second in 0..count {
        tx.audit().append_sealed(&event(second.into()), &a_mac_tag()).await.unwrap();
    }
    commit(tx).await;
    unlinked(store, 1000).await
}

async fn unlinked(store: &Arc<dyn Store>, limit: u32) -> Vec<AuditRow> {
    read(store).await.audit_chain().unlinked(limit).await.unwrap()
}

async fn head(store: &Arc<dyn Store>) -> Option<ChainLink> {
    read(store).await.audit_chain().head().await.unwrap()
}

async fn page(store: &Arc<dyn Store>, after: i64, limit: u32) -> Vec<AuditRow> {
    read(store).await.audit_chain().page(after, limit).await.unwrap()
}

/// A place in the chain, and a hash unlike every other's.
fn place(position: i64) -> ChainLink {
    let mut hash = [0xfe; 32];
    hash[..8].copy_from_slice(&position.to_be_bytes());
    ChainLink { position, hash }
}

async fn link(store: &Arc<dyn Store>, rows: &[(AuditRowId, i64)]) {
    let links: Vec<(AuditRowId, ChainLink)> = rows.iter().map(|(id, position)| (*id, place(*position))).collect();
    let mut tx = begin(store).await;
    tx.audit_chain().link(&links).await.unwrap();
    commit(tx).await;
}

/// So many rows, linked in the order they were written.
async fn chain(store: &Arc<dyn Store>, count: u32) -> Vec<AuditRow> {
    let mut rows = append(store, count).await;
    let places: Vec<(AuditRowId, i64)> = rows.iter().zip(1..).map(|(row, position)| (row.id, position)).collect();
    link(store, &places).await;
    rows.iter_mut().zip(1..).for_each(|(row, position)| row.link = Some(place(position)));
    rows
}

fn checkpoint(kind: CheckpointKind, position: i64) -> Checkpoint {
    Checkpoint { kind, link: place(position), at: START, seal: a_mac_tag() }
}

async fn put(store: &Arc<dyn Store>, checkpoint: &Checkpoint, replaced: Option<i64>) {
    let mut tx = begin(store).await;
    tx.audit_chain().put_checkpoint(checkpoint, replaced).await.unwrap();
    commit(tx).await;
}

async fn checkpoints(store: &Arc<dyn Store>) -> Vec<Checkpoint> {
    read(store).await.audit_chain().checkpoints().await.unwrap()
}

async fn last_checkpoint(store: &Arc<dyn Store>, kind: CheckpointKind) -> Option<Checkpoint> {
    read(store).await.audit_chain().last_checkpoint(kind).await.unwrap()
}

/// A row is unlinked until it gets its place; then it comes with it, whole, from the chain and from the log.
pub async fn a_linked_row_is_in_the_chain_and_nowhere_else(store: Arc<dyn Store>) {
    assert_eq!((head(&store).await, page(&store, 0, 9).await), (None, Vec::new()));
    let rows = append(&store, 3).await;
    assert!(rows.iter().map(|row| &row.event).eq(&[event(0), event(1), event(2)]), "smallest number first");
    assert!(rows.iter().all(|row| row.seal == Some(a_mac_tag()) && row.link.is_none()));
    assert_eq!(unlinked(&store, 2).await, rows[..2]);
    link(&store, &[(rows[0].id, 1), (rows[1].id, 2)]).await;
    assert_eq!(unlinked(&store, 9).await, rows[2..]);
    assert_eq!(head(&store).await, Some(place(2)));
    let linked = |index: usize, position| AuditRow { link: Some(place(position)), ..rows[index].clone() };
    assert_eq!(page(&store, 0, 9).await, [linked(0, 1), linked(1, 2)]);
    let listed = read(&store).await.audit().list(&AuditFilter::default(), None, 9).await.unwrap();
    assert_eq!(listed, [rows[2].clone(), linked(1, 2), linked(0, 1)]);
}

/// Pages follow the places, which need not be the order of the numbers.
pub async fn pages_follow_the_chain(store: Arc<dyn Store>) {
    let rows = append(&store, 5).await;
    let order = [3, 0, 4, 1, 2];
    let places: Vec<(AuditRowId, i64)> = order.iter().zip(1..).map(|(index, at)| (rows[*index].id, at)).collect();
    link(&store, &places).await;
    let expected: Vec<AuditRowId> = places.iter().map(|(id, _)| *id).collect();
    let mut seen: Vec<AuditRowId> = Vec::new();
    for length in [2, 2, 1, 0] {
        let rows = page(&store, i64::try_from(seen.len()).unwrap(), 2).await;
        assert_eq!(rows.len(), length);
        seen.extend(rows.iter().map(|row| row.id));
    }
    assert_eq!(seen, expected);
    assert_eq!(head(&store).await, Some(place(5)));
}

/// A place is given once, and the transaction goes on; a row gets one once.
pub async fn neither_a_place_nor_a_row_is_linked_twice(store: Arc<dyn Store>) {
    let rows = append(&store, 2).await;
    link(&store, &[(rows[0].id, 1)]).await;
    let mut tx = begin(&store).await;
    let refused = tx.audit_chain().link(&[(rows[1].id, place(1))]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    tx.audit_chain().link(&[(rows[1].id, place(2))]).await.expect("the transaction is still usable");
    commit(tx).await;

    let mut tx = begin(&store).await;
    let refused = tx.audit_chain().link(&[(rows[0].id, place(3))]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    drop(tx);
    let kept: Vec<Option<ChainLink>> = page(&store, 0, 9).await.iter().map(|row| row.link).collect();
    assert_eq!(kept, [Some(place(1)), Some(place(2))]);
}

/// Links of a transaction that rolled back are none.
pub async fn a_rolled_back_link_is_none(store: Arc<dyn Store>) {
    let rows = append(&store, 1).await;
    let mut tx = begin(&store).await;
    tx.audit_chain().link(&[(rows[0].id, place(1))]).await.unwrap();
    assert_eq!(tx.audit_chain().head().await.unwrap(), Some(place(1)));
    drop(tx);
    assert_eq!((head(&store).await, unlinked(&store, 9).await), (None, rows));
}

/// Whoever asked for the head first links first: the next one who may write waits, and is told what became the head. Who
/// only reads waits for nobody.
pub async fn who_asks_for_the_head_holds_others_back(store: Arc<dyn Store>) {
    let rows = append(&store, 2).await;
    for (row, position) in rows.iter().zip(1..) {
        let before = (position > 1).then(|| place(position - 1));
        let mut first = begin(&store).await;
        assert_eq!(first.audit_chain().head().await.unwrap(), before);
        let mut second = tokio::spawn({
            let store = Arc::clone(&store);
            async move { begin(&store).await.audit_chain().head().await.unwrap() }
        });
        assert!(timeout(WAIT, &mut second).await.is_err(), "the second waits for the first");
        assert_eq!(timeout(WAIT * 10, head(&store)).await.expect("a reader does not wait"), before);
        first.audit_chain().link(&[(row.id, place(position))]).await.unwrap();
        commit(first).await;
        assert_eq!(second.await.unwrap(), Some(place(position)));
    }
}

/// A row is found whenever its transaction commits, also after rows with larger numbers were linked.
pub async fn a_row_that_was_committed_late_is_found(store: Arc<dyn Store>) {
    let mut late = begin(&store).await;
    late.audit().append(&event(1)).await.unwrap();
    // Stores with one writer at a time have no late rows: there the second transaction is not to be had.
    if let Ok(other) = timeout(WAIT, store.begin()).await {
        let mut other = other.expect("a transaction begins");
        other.audit().append(&event(2)).await.unwrap();
        commit(other).await;
        let rows = unlinked(&store, 9).await;
        assert!(rows.iter().map(|row| &row.event).eq(&[event(2)]), "what is not committed is not there");
        link(&store, &[(rows[0].id, 1)]).await;
    }
    commit(late).await;
    let rows = unlinked(&store, 9).await;
    assert!(rows.iter().map(|row| &row.event).eq(&[event(1)]), "{rows:?}");
}

fn hash_after(before: Option<ChainLink>, row: &AuditRow) -> [u8; 32] {
    let mut bytes = before.map_or([0; 32], |link| link.hash).to_vec();
    bytes.extend(row.id.0.to_be_bytes());
    bytes.extend(row.event.canonical().concat());
    FakeKeyedHash::new().digest(&bytes)
}

/// Links what is unlinked, at most `limit` rows, as the worker of a replica does. Returns how many.
async fn link_next(store: &Arc<dyn Store>, limit: u32) -> usize {
    let mut tx = begin(store).await;
    let mut head = tx.audit_chain().head().await.unwrap();
    let rows = tx.audit_chain().unlinked(limit).await.unwrap();
    let mut links = Vec::new();
    for row in &rows {
        let position = head.map_or(0, |head| head.position) + 1;
        let link = ChainLink { position, hash: hash_after(head, row) };
        links.push((row.id, link));
        head = Some(link);
    }
    yield_now().await;
    tx.audit_chain().link(&links).await.expect("nobody else links meanwhile");
    commit(tx).await;
    rows.len()
}

/// However many write and however many link at once: one chain, without gap or fork, of every row there is.
pub async fn parallel_writers_and_linkers_make_one_chain(store: Arc<dyn Store>) {
    race(WRITERS * 2, |number| {
        let store = Arc::clone(&store);
        async move {
            for step in 0..EACH {
                if number % 2 == 0 {
                    link_next(&store, 7).await;
                    continue;
                }
                let subject = Some(user_id(u16::try_from(number * EACH + step).unwrap()));
                let mut tx = begin(&store).await;
                tx.audit().append(&AuditEvent { subject, actor: None, ..an_audit_event() }).await.unwrap();
                yield_now().await;
                commit(tx).await;
            }
        }
    })
    .await;
    while link_next(&store, 7).await > 0 {}

    let rows = page(&store, 0, 1000).await;
    assert_eq!(rows.len(), WRITERS * EACH);
    let mut before = None;
    for (row, position) in rows.iter().zip(1..) {
        assert_eq!(row.link, Some(ChainLink { position, hash: hash_after(before, row) }));
        before = row.link;
    }
    assert_eq!(head(&store).await, before);
    let subjects: BTreeSet<String> = rows.iter().map(|row| row.event.subject.unwrap().to_string()).collect();
    assert_eq!(subjects.len(), WRITERS * EACH, "every event is there once");
}

/// Checkpoints come back as written, by position, in the place of the one they replace.
pub async fn checkpoints_are_added_and_replaced(store: Arc<dyn Store>) {
    chain(&store, 5).await;
    let (head, floor) = (CheckpointKind::Head, CheckpointKind::Floor);
    assert_eq!((checkpoints(&store).await, last_checkpoint(&store, head).await), (Vec::new(), None));
    let first = Checkpoint { at: START.plus(super::MICRO), ..checkpoint(head, 3) };
    put(&store, &first, None).await;
    put(&store, &checkpoint(floor, 1), None).await;
    assert_eq!(checkpoints(&store).await, [checkpoint(floor, 1), first.clone()]);
    put(&store, &checkpoint(head, 4), None).await;
    put(&store, &checkpoint(head, 5), Some(4)).await;
    assert_eq!(checkpoints(&store).await, [checkpoint(floor, 1), first.clone(), checkpoint(head, 5)]);
    assert_eq!(last_checkpoint(&store, head).await, Some(checkpoint(head, 5)));
    assert_eq!(last_checkpoint(&store, floor).await, Some(checkpoint(floor, 1)));
    put(&store, &checkpoint(head, 2), Some(1)).await;
    assert_eq!(last_checkpoint(&store, head).await, Some(checkpoint(head, 5)), "the highest, not the latest");
    let expected = [checkpoint(floor, 1), checkpoint(head, 2), first, checkpoint(head, 5)];
    assert_eq!(checkpoints(&store).await, expected, "a checkpoint of another kind is not replaced");
}

/// Rows and checkpoints up to the floor are deleted and rows are counted; what comes after it, and what has no place yet,
/// stays, and the chain goes on where it was.
pub async fn pruning_deletes_up_to_the_floor_and_nothing_else(store: Arc<dyn Store>) {
    let rows = chain(&store, 6).await;
    let waiting = append(&store, 1).await;
    let (head_kind, floor) = (CheckpointKind::Head, CheckpointKind::Floor);
    for position in [2, 3, 5] {
        put(&store, &checkpoint(head_kind, position), None).await;
    }
    for (position, deleted) in [(1, 1), (3, 2)] {
        let mut tx = begin(&store).await;
        assert_eq!(tx.audit_chain().prune(&checkpoint(floor, position)).await.unwrap(), deleted);
        commit(tx).await;
        assert_eq!(page(&store, 0, 9).await, rows[usize::try_from(position).unwrap()..]);
    }
    assert_eq!(checkpoints(&store).await, [checkpoint(floor, 3), checkpoint(head_kind, 5)]);
    assert_eq!((head(&store).await, unlinked(&store, 9).await), (Some(place(6)), waiting.clone()));
    let listed = read(&store).await.audit().list(&AuditFilter::default(), None, 9).await.unwrap();
    let left: Vec<AuditRowId> = listed.iter().map(|row| row.id).collect();
    assert_eq!(left, [waiting[0].id, rows[5].id, rows[4].id, rows[3].id]);
}

/// A chain of which every row was deleted has no head but its floor, after which it goes on; numbers are not given again.
pub async fn a_pruned_chain_goes_on_after_its_floor(store: Arc<dyn Store>) {
    let rows = chain(&store, 3).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.audit_chain().prune(&checkpoint(CheckpointKind::Floor, 3)).await.unwrap(), 3);
    commit(tx).await;
    assert_eq!((head(&store).await, page(&store, 0, 9).await), (None, Vec::new()));
    let floor = checkpoint(CheckpointKind::Floor, 3);
    assert_eq!(last_checkpoint(&store, CheckpointKind::Floor).await, Some(floor));
    let next = append(&store, 1).await;
    assert!(next[0].id > rows[2].id);
    link(&store, &[(next[0].id, 4)]).await;
    assert_eq!(head(&store).await, Some(place(4)));
}
