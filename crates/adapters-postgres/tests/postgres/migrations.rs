//! Migrating: by several at once, killed half-way, by a newer program.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keystead_adapters_postgres::{OpenError, PgConfig, PgDatabase};
use keystead_application::ports::Store;
use keystead_application::testing::{START, contact, email, phone, user_id, user_number};
use keystead_domain::account::{Address, PasswordHash, User};
use keystead_test_servers::shared;

use crate::{SOMEBODY_WAITS, other_program, until};

#[test]
fn missing_migrations_are_listed_and_applied_once() {
    let database = shared::fresh_database();
    let config = PgConfig::new(database.url());
    let all = PgDatabase::pending_migrations(&config).unwrap();
    assert!(!all.is_empty());
    assert_eq!(PgDatabase::pending_migrations(&config).unwrap(), all, "looking changes nothing");
    assert_eq!(PgDatabase::migrate(&config).unwrap(), all);
    assert_eq!(PgDatabase::pending_migrations(&config).unwrap(), Vec::<String>::new());
    assert_eq!(PgDatabase::migrate(&config).unwrap(), Vec::<String>::new());
}

#[test]
fn of_many_that_migrate_at_once_one_does_and_the_others_wait() {
    let database = shared::fresh_database();
    let config = Arc::new(PgConfig::new(database.url()));
    let all = PgDatabase::pending_migrations(&config).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let applied = PgDatabase::migrate(&config).unwrap();
                assert_eq!(PgDatabase::pending_migrations(&config).unwrap(), Vec::<String>::new(), "it waited");
                applied
            })
        })
        .collect();
    let applied: Vec<Vec<String>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(applied.concat(), all, "exactly one applied them");
}

/// Migrates in a thread until it waits for `locked`, a table of the migration that another session is making.
async fn stuck_migration(
    config: &PgConfig,
    other: &mut tokio_postgres::Client,
    then: &str,
) -> Result<Vec<String>, OpenError> {
    let url = config.url.expose().to_owned();
    let obstacle = other.transaction().await.unwrap();
    obstacle.batch_execute("CREATE TABLE outbox (id text)").await.unwrap();
    let migration = {
        let config = config.clone();
        thread::spawn(move || PgDatabase::migrate(&config))
    };
    let watch = other_program(&url).await;
    until(&watch, SOMEBODY_WAITS).await;
    watch.batch_execute(then).await.unwrap();
    obstacle.rollback().await.unwrap();
    tokio::task::spawn_blocking(move || migration.join().unwrap()).await.unwrap()
}

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'keystead'";

#[tokio::test]
async fn a_migration_that_was_killed_half_way_is_run_again() {
    let database = shared::fresh_database();
    let config = PgConfig::new(database.url());
    let all = PgDatabase::pending_migrations(&config).unwrap();
    let mut other = other_program(database.url()).await;
    let killed = stuck_migration(&config, &mut other, KILL).await.unwrap_err();
    assert!(matches!(&killed, OpenError::Migration { .. }), "{killed:?}");
    until(&other, "SELECT to_regclass('users') IS NULL").await;
    assert_eq!(PgDatabase::pending_migrations(&config).unwrap(), all, "nothing of it was kept");
    assert_eq!(PgDatabase::migrate(&config).unwrap(), all);
    assert_eq!(crate::open(database.url(), 1).ping().await, Ok(()));
}

#[tokio::test]
async fn a_migration_takes_what_it_takes() {
    let database = shared::fresh_database();
    let config = PgConfig { statement_timeout: Duration::from_millis(20), ..PgConfig::new(database.url()) };
    let mut other = other_program(database.url()).await;
    let all = PgDatabase::pending_migrations(&config).unwrap();
    let applied = stuck_migration(&config, &mut other, "SELECT pg_sleep(0.5)").await.unwrap();
    assert_eq!(applied, all);
}

/// Builds an index while others write.
const INDEXING: &str = "2026-11-22-000001_outbox_due";

/// The migration before that one.
fn before_indexing(config: &PgConfig) -> String {
    let all = PgDatabase::pending_migrations(config).unwrap();
    all.into_iter().take_while(|name| name != INDEXING).last().unwrap()
}

#[test]
fn migrating_can_stop_at_a_name() {
    let database = shared::fresh_database();
    let config = PgConfig::new(database.url());
    let before = before_indexing(&config);
    let error = PgDatabase::migrate_to(&config, "initial").unwrap_err().to_string();
    assert!(error.contains("initial") && error.contains(&before), "{error}");
    assert_eq!(PgDatabase::migrate_to(&config, &before).unwrap().last(), Some(&before));
    assert_eq!(PgDatabase::migrate_to(&config, &before).unwrap(), Vec::<String>::new());
    assert_eq!(PgDatabase::pending_migrations(&config).unwrap().first().map(String::as_str), Some(INDEXING));
}

const INDEX_IS_BROKEN: &str = "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid";
const INDEX_IS_WHOLE: &str = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'outbox_due_at_idx'::regclass";
const NOBODY_MIGRATES: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
                               AND application_name = 'keystead'";

#[tokio::test]
async fn an_index_is_built_while_others_write_and_again_when_that_was_killed() {
    let database = shared::fresh_database();
    let config = PgConfig::new(database.url());
    PgDatabase::migrate_to(&config, &before_indexing(&config)).unwrap();
    let mut writer = other_program(database.url()).await;
    let open = writer.transaction().await.unwrap();
    open.batch_execute("DELETE FROM outbox").await.unwrap();
    let migrate = || {
        let config = config.clone();
        thread::spawn(move || PgDatabase::migrate_to(&config, INDEXING))
    };
    let (first, second) = (migrate(), migrate());
    let watch = other_program(database.url()).await;
    until(&watch, INDEX_IS_BROKEN).await;
    until(&watch, SOMEBODY_WAITS).await;
    watch
        .batch_execute("SET lock_timeout = '1s'; INSERT INTO outbox VALUES ('m', '', 0, now(), now(), now())")
        .await
        .unwrap();

    // The one that waits for its turn is not ended: it comes after the killed one, and finds what that left.
    let killed = format!("{KILL} AND wait_event_type = 'Lock'");
    watch.batch_execute(&killed).await.unwrap();
    until(&watch, INDEX_IS_BROKEN).await;
    open.rollback().await.unwrap();
    let outcomes = tokio::task::spawn_blocking(move || [first.join().unwrap(), second.join().unwrap()]).await.unwrap();
    let (applied, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((applied.len(), failed.len()), (1, 1));
    assert_eq!(applied[0].as_ref().unwrap(), &[INDEXING]);
    until(&watch, INDEX_IS_WHOLE).await;
    until(&watch, NOBODY_MIGRATES).await;
    assert_eq!(PgDatabase::migrate_to(&config, INDEXING).unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn migrations_of_a_newer_program_do_not_keep_this_one_from_serving() {
    let database = crate::migrated_database();
    let config = PgConfig::new(database.url());
    let other = other_program(database.url()).await;
    other.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000001')").await.unwrap();
    assert_eq!(PgDatabase::pending_migrations(&config).unwrap(), Vec::<String>::new());
    assert_eq!(PgDatabase::migrate(&config).unwrap(), Vec::<String>::new());
    assert_eq!(PgDatabase::open(&config).unwrap().store().ping().await, Ok(()));
}

/// What the version before second factors writes.
const WRITTEN_BEFORE: &str = "\
    INSERT INTO users (id, email, username, role, status, epoch, sessions_epoch, created_at, updated_at) \
    VALUES ('{id}', '{id}@example.com', NULL, 'user', 'active', 1, 1, now(), now()); \
    INSERT INTO pending_registrations (id, email, password, created_at, expires_at) \
    VALUES ('{id}', '{id}@example.com', 'hash', now(), 'infinity'); \
    INSERT INTO link_tokens (hash, purpose, user_id, epoch, created_at, expires_at) \
    VALUES (sha256('{id}'), 'reset', '{id}', 1, now(), 'infinity')";

#[tokio::test]
async fn what_the_version_before_second_factors_writes_is_read_before_and_after() {
    let database = shared::fresh_database();
    let config = PgConfig::new(database.url());
    PgDatabase::migrate_to(&config, INDEXING).unwrap();
    let other = other_program(database.url()).await;
    let people = [1, 2].map(|number| (user_id(number), WRITTEN_BEFORE.replace("{id}", &user_id(number).to_string())));
    other.batch_execute(&people[0].1).await.unwrap();
    PgDatabase::migrate(&config).unwrap();
    other.batch_execute(&people[1].1).await.unwrap();

    let store = crate::open(database.url(), 1);
    let mut tx = store.begin().await.unwrap();
    for (id, _) in people {
        let address = email(&format!("{id}@example.com"));
        let user = tx.users().get(id).await.unwrap().unwrap();
        assert_eq!((user.email, user.phone), (Some(contact(id, address.clone())), None));
        let claim = tx.registrations().get(id, START).await.unwrap().unwrap();
        assert_eq!((claim.address, claim.password), (Address::Email(address), Some(PasswordHash::new("hash".into()))));
    }
    let unused = other.query_one("SELECT count(*) = 2 FROM link_tokens WHERE NOT factor_proved", &[]).await.unwrap();
    assert!(unused.get::<_, bool>(0));
}

#[tokio::test]
async fn second_factors_are_not_taken_back_from_people_who_have_no_address() {
    let database = crate::migrated_database();
    let other = other_program(database.url()).await;
    let reachable = User { phone: Some(contact(user_id(2), phone("+442079460958"))), ..user_number(2) };
    let store = crate::open(database.url(), 1);
    crate::insert(&store, &reachable).await.unwrap();
    crate::insert(&store, &User { email: None, phone: None, ..user_number(3) }).await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres/2026-11-22-000002_second_factors");
    let down = std::fs::read_to_string(format!("{folder}/down.sql")).unwrap();
    let down = format!("BEGIN; {down} COMMIT");
    assert!(other.batch_execute(&down).await.is_err());
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(crate::find(&store, &reachable).await, Some(reachable));
    other.batch_execute("DELETE FROM users WHERE email IS NULL").await.unwrap();
    other.batch_execute(&down).await.unwrap();
}

#[tokio::test]
async fn every_migration_can_be_undone_and_done_again() {
    let database = shared::fresh_database();
    let other = other_program(database.url()).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres");
    let mut folders: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    for _ in 0..2 {
        for migration in &folders {
            other.batch_execute(&std::fs::read_to_string(migration.join("up.sql")).unwrap()).await.unwrap();
        }
        for migration in folders.iter().rev() {
            other.batch_execute(&std::fs::read_to_string(migration.join("down.sql")).unwrap()).await.unwrap();
        }
        until(&other, "SELECT count(*) = 0 FROM pg_tables WHERE schemaname = 'public'").await;
    }
}
