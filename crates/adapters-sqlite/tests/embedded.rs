//! What the contracts do not ask: the file itself, several processes, cancelled calls on one thread, damaged rows.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use keystead_adapters_sqlite::{Garbage, OpenError, SqliteConfig, SqliteDatabase};
use keystead_application::ports::{
    CeremonyKey, CeremonyKind, CeremonyStore, Constraint, RateHit, RateLimiter, SessionStore, Store, StoreError,
};
use keystead_application::testing::{a_message, a_session, a_user, after, contact, email, phone, user_id, user_number};
use keystead_domain::account::{Address, LinkPurpose, LinkTokenHash, PasswordHash, User};
use keystead_domain::limits;
use keystead_testkit::race::{cancelled_after, race};

fn config(folder: &Path) -> SqliteConfig {
    SqliteConfig::new(folder.join("keystead.db"))
}

/// Another program at the same file.
fn other_process(folder: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(config(folder).path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    connection
}

async fn insert(store: &impl Store, user: &User) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.users().insert(user, None).await?;
    tx.commit().await
}

async fn find(store: &impl Store, user: &User) -> Option<User> {
    store.read().await.unwrap().users().get(user.id).await.unwrap()
}

// Contracts run on several threads; actix handlers do not. There, diesel-async's own way of cancelling panics.
#[tokio::test(flavor = "current_thread")]
async fn a_cancelled_call_rolls_back_on_a_current_thread_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    let mut other = other_process(folder.path());
    for round in 0..20 {
        // Sent, and not answered: the other process holds the lock while the future is dropped.
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        assert!(cancelled_after(1, store.begin()).await.is_none());
        other.batch_execute("ROLLBACK").unwrap();
        // Sent; answered or not when the future is dropped.
        let mut tx = store.begin().await.unwrap();
        let user = user_number(round);
        drop(cancelled_after(1, tx.users().insert(&user, None)).await);
        drop(tx);
        assert_eq!(store.begin().await.unwrap().users().get(user.id).await, Ok(None));
    }
    insert(&store, &a_user()).await.unwrap();
}

#[test]
fn a_transaction_outlives_its_runtime_and_rolls_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let tx = first.block_on(async {
        let mut tx = store.begin().await.unwrap();
        tx.users().insert(&a_user(), None).await.unwrap();
        tx
    });
    drop(first);
    drop(tx);
    runtime().block_on(async {
        assert_eq!(find(&store, &a_user()).await, None);
        insert(&store, &a_user()).await.unwrap();
    });
}

#[tokio::test]
async fn reopening_the_file_keeps_state() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteDatabase::open(&config(folder.path())).unwrap();
    insert(&first.store(), &a_user()).await.unwrap();
    first.sessions().insert(&a_session()).await.unwrap();
    let hit = [RateHit { key: "a".into(), policy: limits::LOGIN }];
    first.rate_limiter().hit(&hit, after(0)).await.unwrap();
    drop(first);

    let second = SqliteDatabase::open(&config(folder.path())).unwrap();
    assert_eq!(find(&second.store(), &a_user()).await, Some(a_user()));
    assert_eq!(second.sessions().find(&a_session().id, after(1)).await.unwrap(), Some(a_session()));
    assert_eq!(second.rate_limiter().hit(&hit, after(1)).await.unwrap().first().unwrap().count, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_databases_on_one_file_share_it() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    // Opening races too: of all of them one migrates.
    let databases = race(8, |_| {
        let folder = Arc::clone(&folder);
        async move { SqliteDatabase::open(&config(folder.path())).unwrap() }
    })
    .await;
    let results = race(64, |number| {
        let store = databases.get(number % 8).unwrap().store();
        async move {
            let user = User { id: user_number(u16::try_from(number).unwrap()).id, ..a_user() };
            insert(&store, &user).await
        }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let conflict = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::Conflict(_)));
    assert!(lost.iter().all(conflict), "{lost:?}");
}

#[tokio::test]
async fn another_process_lock_is_waited_for_and_then_given_up_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig { acquire_timeout: Duration::from_millis(150), ..config(folder.path()) };
    let database = SqliteDatabase::open(&config).unwrap();
    let store = database.store();
    let mut other = other_process(folder.path());

    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.begin().await.map(drop), Err(StoreError::Unavailable(_))));
    assert!(database.sessions().insert(&a_session()).await.is_err());
    assert_eq!(store.ping().await, Ok(()), "readers need no lock");
    other.batch_execute("ROLLBACK").unwrap();
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_is_let_go_in_time_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    let mut other = other_process(folder.path());
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let user = a_user();
    let writing = insert(&store, &user);
    tokio::pin!(writing);
    let waits = tokio::time::timeout(Duration::from_millis(50), &mut writing).await;
    assert!(waits.is_err(), "the lock is held");
    other.batch_execute("ROLLBACK").unwrap();
    writing.await.unwrap();
    assert_eq!(find(&store, &a_user()).await, Some(a_user()));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_nothing_of_the_transaction_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    // Does to the transaction what a full disk does: SQLite ends it by itself.
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
    other_process(folder.path()).batch_execute(full).unwrap();

    let mut tx = store.begin().await.unwrap();
    tx.users().insert(&a_user(), None).await.unwrap();
    assert!(matches!(tx.outbox().enqueue(&a_message("m")).await, Err(StoreError::Unavailable(_))));
    // SQLite has ended the transaction: a write now would commit by itself.
    let late = tx.users().insert(&user_number(2), None).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(matches!(tx.commit().await, Err(StoreError::Unavailable(_))));

    assert_eq!(find(&store, &a_user()).await, None);
    assert_eq!(find(&store, &user_number(2)).await, None);
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn a_damaged_row_is_corrupt_and_its_value_stays_unsaid() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    insert(&store, &a_user()).await.unwrap();
    other_process(folder.path()).batch_execute("UPDATE users SET email = 'ada-has-no-at'").unwrap();
    let error = store.read().await.unwrap().users().get(a_user().id).await.unwrap_err();
    let StoreError::Corrupt(text) = &error else { panic!("{error:?}") };
    assert!(text.contains("users.email") && !text.contains("ada"), "{text}");
}

#[tokio::test]
async fn a_conflict_names_the_rule_and_holds_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    insert(&store, &a_user()).await.unwrap();
    let twin = User { username: None, id: user_number(2).id, ..a_user() };
    assert_eq!(insert(&store, &twin).await, Err(StoreError::Conflict(Constraint::UserEmail)));
}

#[tokio::test]
async fn lapsed_state_is_collected_in_batches_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&config(folder.path())).unwrap();
    let key = |id: &str| CeremonyKey { kind: CeremonyKind::Code, id: id.to_owned() };
    let hit = |n: usize| RateHit { key: format!("{n}"), policy: limits::LOGIN };
    let hits: Vec<RateHit> = (0..1200).map(hit).collect();
    database.rate_limiter().hit(&hits, after(0)).await.unwrap();
    let now = after(0).plus(limits::LOGIN.window);
    database.rate_limiter().hit(&[hit(5000)], now).await.unwrap();
    for (id, end) in [("old", now), ("new", now.plus(Duration::from_secs(1)))] {
        assert!(database.ceremonies().insert(&key(id), b"x", after(0), end).await.unwrap());
    }
    database.sessions().insert(&a_session()).await.unwrap();

    let garbage = database.collect_garbage(now).await.unwrap();
    assert_eq!(garbage, Garbage { sessions: 0, ceremonies: 1, rate_windows: 1200 });
    assert!(database.ceremonies().find(&key("new"), now).await.unwrap().is_some());
    let garbage = database.collect_garbage(a_session().expires_at).await.unwrap();
    assert_eq!(garbage, Garbage { sessions: 1, ceremonies: 1, rate_windows: 1 });
}

#[test]
fn missing_migrations_are_listed_and_applied_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let all = SqliteDatabase::pending_migrations(&config).unwrap();
    assert!(!all.is_empty() && !config.path.exists(), "looking makes no file");
    assert_eq!(SqliteDatabase::migrate(&config).unwrap(), all);
    assert_eq!(SqliteDatabase::pending_migrations(&config).unwrap(), Vec::<String>::new());
    assert_eq!(SqliteDatabase::migrate(&config).unwrap(), Vec::<String>::new());
}

/// The last migration before second factors.
const BEFORE: &str = "2026-11-22-000001_outbox_due";
/// What the version of that time wrote.
const WRITTEN_BEFORE: &str = "\
    INSERT INTO users VALUES (x'{id}', 'ada@example.com', 'ada', NULL, NULL, 'user', 'active', 1, 1, 5, 6); \
    INSERT INTO pending_registrations VALUES (x'{id}', 'ada@example.com', NULL, NULL, 'hash', 5, 9000000000000000); \
    INSERT INTO link_tokens VALUES (zeroblob(32), 'reset', x'{id}', 1, NULL, 5, 9000000000000000)";

#[tokio::test]
async fn a_file_from_before_second_factors_is_read() {
    let folder = tempfile::tempdir().unwrap();
    SqliteDatabase::migrate_to(&config(folder.path()), BEFORE).unwrap();
    let id = user_id(1);
    let written = WRITTEN_BEFORE.replace("{id}", &id.as_uuid().simple().to_string());
    other_process(folder.path()).batch_execute(&written).unwrap();

    let store = SqliteDatabase::open(&config(folder.path())).unwrap().store();
    let mut tx = store.begin().await.unwrap();
    let user = tx.users().get(id).await.unwrap().unwrap();
    assert_eq!((user.email, user.phone), (Some(contact(id, email("ada@example.com"))), None));
    let claim = tx.registrations().get(id, after(0)).await.unwrap().unwrap();
    let password = Some(PasswordHash::new("hash".into()));
    assert_eq!((claim.address, claim.password), (Address::Email(email("ada@example.com")), password));
    let link = tx.link_tokens().find(LinkTokenHash([0; 32]), LinkPurpose::Reset, after(0)).await.unwrap().unwrap();
    assert!(!link.factor_proved);
    // What had to be there need not be any more.
    let phone = Some(contact(id, phone("+442079460958")));
    tx.users().update(&User { email: None, phone, ..user_number(1) }).await.unwrap();
    tx.commit().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&config(folder.path())).unwrap();
    insert(&database.store(), &a_user()).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and the log's index");
}

#[test]
fn errors_name_the_file_or_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let error = SqliteDatabase::open(&SqliteConfig::new(missing.join("keystead.db"))).err().unwrap();
    assert!(matches!(&error, OpenError::File { path, .. } if *path == missing), "{error}");
    assert!(error.to_string().contains("nowhere"));

    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "This is no database, but it is longer than the header of one would be. ".repeat(20))
        .unwrap();
    let error = SqliteDatabase::open(&SqliteConfig::new(&text)).err().unwrap();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
}
