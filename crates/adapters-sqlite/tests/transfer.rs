//! Reading a whole file for another store: alone, unchanged, in this version's form only.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use keystead_adapters_sqlite::{OpenError, SqliteConfig, SqliteDatabase, SqliteExport};
use keystead_application::ports::{
    AuditRowId, BudgetKey, CeremonyKey, CeremonyKind, CeremonyStore, ChainLink, Checkpoint, CheckpointKind, KeyUse,
    SessionStore, Store, StoredKey,
};
use keystead_application::testing::{
    START, a_contact_undo, a_key, a_mac_tag, a_message, a_passkey, a_pending_contact, a_recovery_code, a_session,
    a_social_identity, a_stored_srp, a_totp, an_attendance, an_audit_event, session_id, user_id, user_number,
};
use keystead_domain::factor::FactorFailures;
use keystead_domain::token::{EndReason, Revocation, RevocationTarget, Session};

fn config(folder: &Path) -> SqliteConfig {
    SqliteConfig { acquire_timeout: Duration::from_millis(300), ..SqliteConfig::new(folder.join("keystead.db")) }
}

fn refusal(result: Result<SqliteExport, OpenError>) -> OpenError {
    result.err().unwrap()
}

#[tokio::test]
async fn a_file_is_read_by_nobody_else_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let database = SqliteDatabase::open(&config).unwrap();
    // As a service does four times a second.
    database.store().ping().await.unwrap();
    let refused = refusal(SqliteExport::open(&config).await);
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(database);
    let export = SqliteExport::open(&config).await.unwrap();
    assert!(SqliteDatabase::open(&config).is_err(), "a service that is started now does not start");
    drop(export);
    SqliteDatabase::open(&config).unwrap().store().ping().await.unwrap();
}

#[tokio::test]
async fn another_form_is_refused_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let refused = refusal(SqliteExport::open(&config).await);
    assert!(matches!(refused, OpenError::File { .. }), "{refused}");
    assert!(!config.path.exists());
    let mut all = SqliteDatabase::pending_migrations(&config).unwrap();
    let newest = all.pop().unwrap();
    assert_eq!(SqliteDatabase::migrate_to(&config, all.last().unwrap()).unwrap(), all);
    assert_eq!(SqliteDatabase::pending_migrations(&config).unwrap(), [newest.as_str()]);
    let older = refusal(SqliteExport::open(&config).await);
    assert!(older.to_string().contains("keystead migrate"), "{older}");
    assert_eq!(SqliteDatabase::migrate(&config).unwrap(), [newest]);
    let unknown = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000001')";
    SqliteConnection::establish(config.path.to_str().unwrap()).unwrap().batch_execute(unknown).unwrap();
    let newer = refusal(SqliteExport::open(&config).await);
    assert!(newer.to_string().contains("newer"), "{newer}");
    assert!(SqliteDatabase::migrate_to(&config, "initial").unwrap_err().to_string().contains("initial"));
}

#[tokio::test]
async fn everything_is_read_once_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let database = SqliteDatabase::open(&config).unwrap();
    let mut tx = database.store().begin().await.unwrap();
    for number in 0..2500 {
        tx.users().insert(&user_number(number), None).await.unwrap();
    }
    tx.outbox().enqueue(&a_message("m")).await.unwrap();
    let seal = StoredKey { key_use: KeyUse::Seal, ..a_key("s") };
    for key in [&a_key("k"), &seal] {
        tx.keys().insert(key, START).await.unwrap();
    }
    tx.factors().put_totp(&a_totp()).await.unwrap();
    tx.factors().replace_recovery_codes(user_id(1), &["a", "b"].map(a_recovery_code), START).await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.contacts().insert(&a_pending_contact()).await.unwrap();
    tx.contacts().insert_undo(&a_contact_undo()).await.unwrap();
    tx.factor_failures().put(&BudgetKey("f".into()), &FactorFailures::default(), START).await.unwrap();
    tx.srp().put(&a_stored_srp(user_id(1))).await.unwrap();
    tx.social().insert(&a_social_identity()).await.unwrap();
    tx.attendance().insert(&an_attendance()).await.unwrap();
    assert!(tx.leases().acquire("reminders", "this process", START, START).await.unwrap(), "it is not carried over");
    for _ in 0..3 {
        tx.audit().append_sealed(&an_audit_event(), &a_mac_tag()).await.unwrap();
    }
    let link = ChainLink { position: 1, hash: [7; 32] };
    tx.audit_chain().link(&[(AuditRowId(1), link), (AuditRowId(2), ChainLink { position: 2, ..link })]).await.unwrap();
    let floor = Checkpoint { kind: CheckpointKind::Floor, link, at: START, seal: a_mac_tag() };
    assert_eq!(tx.audit_chain().prune(&floor).await.unwrap(), 1);
    let everybody = Revocation { target: RevocationTarget::Everybody, at: START };
    tx.revocations().append(&everybody).await.unwrap();
    tx.commit().await.unwrap();
    let sessions = database.sessions();
    for number in 0..1200 {
        sessions.insert(&Session { id: session_id(&format!("s{number:04}")), ..a_session() }).await.unwrap();
    }
    sessions.insert(&Session { id: session_id("lapsed"), expires_at: START, ..a_session() }).await.unwrap();
    sessions.end(&session_id("s0007"), EndReason::LoggedOut, START).await.unwrap().unwrap();
    let hour = START.plus(Duration::from_secs(3600));
    for (kind, id) in [
        (CeremonyKind::Captcha, "c"),
        (CeremonyKind::Code, "a"),
        (CeremonyKind::Code, "b"),
        (CeremonyKind::Contact, "a"),
        (CeremonyKind::Idempotency, "a"),
        (CeremonyKind::Passkey, "p"),
        (CeremonyKind::Social, "o"),
        (CeremonyKind::Srp, "r"),
        (CeremonyKind::StepUp, "s"),
    ] {
        database.ceremonies().insert(&CeremonyKey { kind, id: id.into() }, id.as_bytes(), START, hour).await.unwrap();
    }
    drop((database, sessions));

    let mut export = SqliteExport::open(&config).await.unwrap();
    let mut pages = Vec::new();
    while let Some(rows) = export.next().await.unwrap() {
        pages.push((rows.table(), rows.len()));
    }
    let users = [("users", 1000), ("users", 1000), ("users", 500), ("outbox", 1)];
    let audit = [("audit_events", 2), ("audit_checkpoints", 1), ("general_revocations", 1), ("keys", 1)];
    let factors = [("totp", 1), ("recovery_codes", 2), ("passkeys", 1)];
    let rest = [("pending_contacts", 1), ("contact_undos", 1), ("factor_failures", 1), ("factor_keys", 1)];
    let last = [("srp_credentials", 1), ("social_identities", 1), ("attendances", 1)];
    assert_eq!(pages, [&users[..], &audit, &factors, &rest, &last].concat());
    assert_eq!(export.tallies().iter().map(|tally| tally.rows).sum::<u64>(), 2517);
    let numbers = export.last_numbers().await.unwrap();
    assert!(numbers.contains(&("audit_events".to_owned(), 3)), "{numbers:?}");
    assert_eq!(export.keys().await.unwrap(), [a_key("k"), seal]);
    let (mut read, mut ended) = (0, Vec::new());
    loop {
        let page = export.next_sessions(START).await.unwrap();
        if page.is_empty() {
            break;
        }
        read += page.len();
        ended.extend(page.into_iter().filter(|session| session.ended.is_some()).map(|session| session.id));
    }
    assert_eq!((read, ended), (1200, vec![session_id("s0007")]));
    let ceremonies = export.next_ceremonies(START).await.unwrap();
    let read: Vec<(&str, &[u8])> = ceremonies.iter().map(|one| (one.key.id.as_str(), one.state.expose())).collect();
    assert_eq!(read, ["c", "a", "b", "a", "a", "p", "o", "r", "s"].map(|id| (id, id.as_bytes())));
    assert!(export.next_ceremonies(START).await.unwrap().is_empty());
}
