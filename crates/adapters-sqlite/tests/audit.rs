//! The audit log refuses every hand that is not the chain's or the policy's, also beside the program.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use keystead_adapters_sqlite::{SqliteConfig, SqliteDatabase, SqliteStore};
use keystead_application::ports::{AuditFilter, AuditRow, AuditRowId, ChainLink, Checkpoint, CheckpointKind, Store};
use keystead_application::testing::{START, a_mac_tag, an_audit_event};
use keystead_domain::Timestamp;
use keystead_domain::audit::{AuditEvent, AuditEventName};

fn place(position: i64) -> ChainLink {
    ChainLink { position, hash: [u8::try_from(position).unwrap(); 32] }
}

/// A store with five audit rows, of which the first four are linked, and another program at its file.
async fn five_rows() -> (SqliteStore, SqliteConnection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystead.db");
    let store = SqliteDatabase::open(&SqliteConfig::new(&path)).unwrap().store();
    let mut tx = store.begin().await.unwrap();
    for number in 1..=5 {
        let event = AuditEvent { detail: Some(format!("row {number}")), ..an_audit_event() };
        tx.audit().append_sealed(&event, &a_mac_tag()).await.unwrap();
    }
    let links: Vec<_> = (1..=4).map(|number| (AuditRowId(number), place(number))).collect();
    tx.audit_chain().link(&links).await.unwrap();
    tx.commit().await.unwrap();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    (store, other, folder)
}

async fn rows(store: &SqliteStore) -> Vec<AuditRow> {
    store.read().await.unwrap().audit().list(&AuditFilter::default(), None, 99).await.unwrap()
}

/// One column after another of a linked row and of one that waits; places exchanged, taken away, given with a change or to a
/// row that has one; rows replaced and deleted.
const HANDS: [&str; 25] = [
    "UPDATE audit_events SET id = 9 WHERE id = 1",
    "UPDATE audit_events SET name = 'authn_login_fail' WHERE id = 1",
    "UPDATE audit_events SET at = at + 1 WHERE id = 1",
    "UPDATE audit_events SET actor_id = NULL WHERE id = 1",
    "UPDATE audit_events SET subject_id = NULL WHERE id = 1",
    "UPDATE audit_events SET session_id = 'x' WHERE id = 1",
    "UPDATE audit_events SET ip = NULL WHERE id = 1",
    "UPDATE audit_events SET user_agent = NULL WHERE id = 1",
    "UPDATE audit_events SET impersonator_id = zeroblob(16) WHERE id = 1",
    "UPDATE audit_events SET detail = NULL WHERE id = 1",
    "UPDATE audit_events SET seal_key = 'x' WHERE id = 1",
    "UPDATE audit_events SET seal = zeroblob(32) WHERE id = 1",
    "UPDATE audit_events SET hash = zeroblob(32) WHERE id = 1",
    "UPDATE audit_events SET position = 99 WHERE id = 1",
    "UPDATE audit_events SET position = 5 - position WHERE position <= 4",
    "UPDATE audit_events SET position = NULL, hash = NULL WHERE id = 4",
    "UPDATE audit_events SET detail = 'x' WHERE id = 5",
    "UPDATE audit_events SET position = 5, hash = zeroblob(32), detail = 'x' WHERE id = 5",
    "UPDATE audit_events SET position = 5 WHERE id = 5",
    "UPDATE OR REPLACE audit_events SET position = 4, hash = zeroblob(32) WHERE id = 5",
    "INSERT OR REPLACE INTO audit_events (id, name, at) VALUES (1, 'authn_login_fail', 1)",
    "INSERT OR REPLACE INTO audit_events (name, at, position, hash) VALUES ('authn_login_fail', 1, 4, zeroblob(32))",
    "DELETE FROM audit_events",
    "DELETE FROM audit_events WHERE id = 1",
    "DELETE FROM audit_events WHERE id = 5",
];

#[tokio::test]
async fn no_hand_changes_a_row_or_its_place() {
    let (store, mut other, _folder) = five_rows().await;
    let before = rows(&store).await;
    for hand in HANDS {
        let refused = other.batch_execute(hand);
        assert!(refused.is_err_and(|error| error.to_string().contains("audit events are")), "{hand}");
        assert_eq!(rows(&store).await, before, "{hand}");
    }
    other.batch_execute("UPDATE audit_events SET position = 5, hash = zeroblob(32) WHERE id = 5").unwrap();
}

#[tokio::test]
async fn rows_go_up_to_the_floor_and_no_further() {
    let (store, mut other, _folder) = five_rows().await;
    let mut tx = store.begin().await.unwrap();
    let floor = Checkpoint { kind: CheckpointKind::Floor, link: place(2), at: START, seal: a_mac_tag() };
    assert_eq!(tx.audit_chain().prune(&floor).await.unwrap(), 2);
    tx.commit().await.unwrap();
    for position in ["position = 3", "position >= 3", "position IS NULL"] {
        assert!(other.batch_execute(&format!("DELETE FROM audit_events WHERE {position}")).is_err(), "{position}");
    }
    assert_eq!(rows(&store).await.iter().map(|row| row.id.0).collect::<Vec<_>>(), [5, 4, 3]);
}

#[tokio::test]
async fn a_row_that_means_nothing_keeps_no_other_from_being_read() {
    let (store, mut other, _folder) = five_rows().await;
    // Whoever owns the file can take the trigger away; the rest is the chain's.
    other
        .batch_execute("DROP TRIGGER audit_events_update; UPDATE audit_events SET name = 'nonsense' WHERE id = 3")
        .unwrap();
    let rows = store.read().await.unwrap().audit_chain().page(0, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((rows[2].event.name, rows[2].link), (AuditEventName::Unreadable, Some(place(3))));
    assert!(rows[2].seal.is_some(), "which is not the seal of this");
}

#[tokio::test]
async fn a_row_of_the_version_before_waits_to_be_linked() {
    let (store, mut other, _folder) = five_rows().await;
    other.batch_execute("INSERT INTO audit_events (name, at) VALUES ('authn_login_fail', 7)").unwrap();
    let mut tx = store.begin().await.unwrap();
    let waiting = tx.audit_chain().unlinked(9).await.unwrap();
    assert_eq!(waiting.iter().map(|row| (row.id.0, row.seal.is_some())).collect::<Vec<_>>(), [(5, true), (6, false)]);
    tx.audit_chain().link(&[(AuditRowId(6), place(5))]).await.unwrap();
    assert_eq!(tx.audit_chain().head().await.unwrap(), Some(place(5)));
}

/// 6000 rows an hour apart; some of them come up to a day late, and the clock was wrong for a while, both ways.
const LONG_LOG: &str = "\
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) \
    INSERT INTO audit_events (name, at) SELECT 'authn_login_fail', 1000000 * CASE \
    WHEN i BETWEEN 3000 AND 3100 THEN i - 3000 WHEN i BETWEEN 4000 AND 4100 THEN 9000000000 + i \
    ELSE 3600 * (i - CASE WHEN i % 7 = 0 THEN i % 24 ELSE 0 END) END FROM n";

#[tokio::test]
async fn a_long_log_is_searched_by_time_as_a_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keystead.db");
    let store = SqliteDatabase::open(&SqliteConfig::new(&path)).unwrap().store();
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(LONG_LOG).unwrap();
    let mut tx = store.read().await.unwrap();
    let all = tx.audit().list(&AuditFilter::default(), None, 9000).await.unwrap();
    assert_eq!(all.len(), 6000);
    let hour = |hour: i64| Timestamp::from_seconds(3600 * hour);
    let times = [None, Some(hour(1)), Some(hour(500)), Some(hour(2500)), Some(hour(5990)), Some(hour(7000))];
    for (from, until) in times.iter().flat_map(|from| times.iter().map(move |until| (*from, *until))) {
        for before in [None, Some(AuditRowId(2400))] {
            let filter = AuditFilter { from, until, ..AuditFilter::default() };
            let listed = tx.audit().list(&filter, before, 50).await.unwrap();
            let passes = |row: &&AuditRow| {
                from.is_none_or(|from| row.event.at >= from)
                    && until.is_none_or(|until| row.event.at < until)
                    && before.is_none_or(|before| row.id < before)
            };
            // Rows of the wrong clock may be missing; others never.
            let right = |row: &&AuditRow| !matches!(row.id.0, 3000..=3100 | 4000..=4100);
            let expected: Vec<&AuditRow> = all.iter().filter(passes).filter(right).take(50).collect();
            let found: Vec<&AuditRow> = listed.iter().filter(right).collect();
            assert!(listed.iter().all(|row| passes(&row)), "{filter:?} {before:?}");
            assert_eq!(found, expected[..found.len()], "{filter:?} {before:?}");
            assert!(listed.len() == 50 || found.len() == expected.len(), "{filter:?} {before:?}");
        }
    }
}
