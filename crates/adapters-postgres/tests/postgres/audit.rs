//! The audit log refuses every hand that is not the chain's or the policy's, also beside the program.

use keystead_adapters_postgres::PgStore;
use keystead_application::ports::{AuditFilter, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, Store};
use keystead_application::testing::{START, a_mac_tag, an_audit_event};
use keystead_domain::audit::AuditEvent;
use keystead_test_servers::Database;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::{migrated_database, open, other_program};

fn place(position: i64) -> ChainLink {
    ChainLink { position, hash: [u8::try_from(position).unwrap(); 32] }
}

/// A store with five audit rows, of which the first four are linked, and another program at its database.
async fn five_rows() -> (PgStore, Client, Database) {
    let database = migrated_database();
    let store = open(database.url(), 2);
    let mut tx = store.begin().await.unwrap();
    for number in 1..=5 {
        let event = AuditEvent { detail: Some(format!("row {number}")), ..an_audit_event() };
        tx.audit().append_sealed(&event, &a_mac_tag()).await.unwrap();
    }
    let links: Vec<_> = (1..=4).map(|number| (AuditRowId(number), place(number))).collect();
    tx.audit_chain().link(&links).await.unwrap();
    tx.commit().await.unwrap();
    (store, other_program(database.url()).await, database)
}

async fn rows(store: &PgStore) -> Vec<AuditRow> {
    store.read().await.unwrap().audit().list(&AuditFilter::default(), None, 99).await.unwrap()
}

/// One column after another of a linked row and of one that waits; places exchanged, taken away, given with a change or to a
/// row that has one; rows overwritten and deleted.
const HANDS: [&str; 24] = [
    "UPDATE audit_events SET name = 'authn_login_fail' WHERE id = 1",
    "UPDATE audit_events SET at = at + interval '1 microsecond' WHERE id = 1",
    "UPDATE audit_events SET actor_id = NULL WHERE id = 1",
    "UPDATE audit_events SET subject_id = NULL WHERE id = 1",
    "UPDATE audit_events SET session_id = 'x' WHERE id = 1",
    "UPDATE audit_events SET ip = NULL WHERE id = 1",
    "UPDATE audit_events SET user_agent = NULL WHERE id = 1",
    "UPDATE audit_events SET impersonator_id = gen_random_uuid() WHERE id = 1",
    "UPDATE audit_events SET detail = NULL WHERE id = 1",
    "UPDATE audit_events SET seal_key = 'x' WHERE id = 1",
    "UPDATE audit_events SET seal = sha256('') WHERE id = 1",
    "UPDATE audit_events SET hash = sha256('') WHERE id = 1",
    "UPDATE audit_events SET position = 99 WHERE id = 1",
    "UPDATE audit_events SET position = position + 10 WHERE position <= 4",
    "UPDATE audit_events SET position = NULL, hash = NULL WHERE id = 4",
    "UPDATE audit_events SET detail = 'x' WHERE id = 5",
    "UPDATE audit_events SET position = 5, hash = sha256(''), detail = 'x' WHERE id = 5",
    "UPDATE audit_events SET position = 5 WHERE id = 5",
    "INSERT INTO audit_events (id, name, at) OVERRIDING SYSTEM VALUE VALUES (1, 'x', now()) \
     ON CONFLICT (id) DO UPDATE SET name = 'x'",
    "DELETE FROM audit_events",
    "DELETE FROM audit_events WHERE id = 1",
    "DELETE FROM audit_events WHERE id = 5",
    "SET search_path = pg_temp, public; CREATE TEMPORARY TABLE audit_checkpoints AS SELECT 'floor' AS kind, 9 AS position; \
     DELETE FROM public.audit_events",
    "TRUNCATE audit_events",
];

#[tokio::test]
async fn no_hand_changes_a_row_or_its_place() {
    let (store, other, _database) = five_rows().await;
    let before = rows(&store).await;
    for hand in HANDS {
        let refused = other.batch_execute(hand).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::CHECK_VIOLATION), "{hand}: {refused:?}");
        assert_eq!(rows(&store).await, before, "{hand}");
    }
    let taken = "UPDATE audit_events SET position = 4, hash = sha256('') WHERE id = 5";
    let refused = other.batch_execute(taken).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::UNIQUE_VIOLATION));
    other.batch_execute("UPDATE audit_events SET position = 5, hash = sha256('') WHERE id = 5").await.unwrap();
}

#[tokio::test]
async fn rows_go_up_to_the_floor_and_no_further() {
    let (store, other, _database) = five_rows().await;
    let mut tx = store.begin().await.unwrap();
    let floor = Checkpoint { kind: CheckpointKind::Floor, link: place(2), at: START, seal: a_mac_tag() };
    assert_eq!(tx.audit_chain().prune(&floor).await.unwrap(), 2);
    tx.commit().await.unwrap();
    for position in ["position = 3", "position >= 3", "position IS NULL"] {
        let refused = other.batch_execute(&format!("DELETE FROM audit_events WHERE {position}")).await;
        assert!(refused.is_err(), "{position}");
    }
    assert_eq!(rows(&store).await.iter().map(|row| row.id.0).collect::<Vec<_>>(), [5, 4, 3]);
}

#[tokio::test]
async fn a_row_of_the_version_before_waits_to_be_linked() {
    let (store, other, _database) = five_rows().await;
    other.batch_execute("INSERT INTO audit_events (name, at) VALUES ('authn_login_fail', now())").await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let waiting = tx.audit_chain().unlinked(9).await.unwrap();
    assert_eq!(waiting.iter().map(|row| (row.id.0, row.seal.is_some())).collect::<Vec<_>>(), [(5, true), (6, false)]);
    tx.audit_chain().link(&[(AuditRowId(6), place(5))]).await.unwrap();
    assert_eq!(tx.audit_chain().head().await.unwrap(), Some(place(5)));
}
