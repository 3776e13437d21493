//! Servers that stop, hang, restart, change their role, or take a commit and say nothing.

use std::time::Duration;

use keystead_adapters_postgres::{PgConfig, PgDatabase, PgStore};
use keystead_application::ports::{Store, StoreError};
use keystead_application::testing::{a_user, user_number};
use keystead_test_servers::{Mode, Postgres, Proxy};
use keystead_testkit::race::race;
use tokio::time::Instant;

use crate::{SOMEBODY_WAITS, find, insert, migrated, migrated_database, open, other_program, unavailable, until};

/// What an answer may take when the database does not give one.
const PATIENCE: Duration = Duration::from_secs(2);

async fn within<T>(limit: Duration, what: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = what.await;
    assert!(begun.elapsed() <= limit, "it took {:?}", begun.elapsed());
    result
}

/// Tries until it works; returns how long that took.
async fn recovery(store: &PgStore, number: u16) -> Duration {
    let begun = Instant::now();
    while let Err(error) = insert(store, &user_number(number)).await {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_answers_nobody_and_keeps_nobody_waiting() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let store = open(database.url(), 4);
    insert(&store, &user_number(11)).await.unwrap();
    let mut open_write = store.begin().await.unwrap();
    let mut half_done = store.begin().await.unwrap();
    half_done.users().insert(&user_number(12), None).await.unwrap();
    server.freeze();
    unavailable(within(PATIENCE, open_write.users().insert(&user_number(13), None)).await);
    unavailable(within(PATIENCE, half_done.commit()).await);
    drop(open_write);
    for _ in 0..2 {
        let store = store.clone();
        // More callers than connections: idle ones, new ones, and none.
        let refused = race(12, move |_| {
            let store = store.clone();
            async move { within(PATIENCE, async { store.begin().await.map(drop) }).await }
        });
        refused.await.into_iter().for_each(|result| drop(unavailable(result)));
    }
    server.thaw();
    let took = recovery(&store, 14).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(find(&store, &user_number(13)).await, None);
    // All connections are usable again, none is lost in a rollback that was never answered.
    let all: Vec<_> = race(4, move |_| {
        let store = store.clone();
        async move { store.begin().await.map(drop) }
    })
    .await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
}

#[tokio::test]
async fn a_black_hole_on_the_way_keeps_nobody_waiting() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let store = open(&proxy.url(database.url()), 2);
    let mut tx = store.begin().await.unwrap();
    proxy.black_hole().unwrap();
    unavailable(within(PATIENCE, tx.users().insert(&a_user(), None)).await);
    drop(tx);
    unavailable(within(PATIENCE, insert(&store, &a_user())).await);
    unavailable(within(PATIENCE, store.ping()).await);
    proxy.pass().unwrap();
    assert!(recovery(&store, 11).await < Duration::from_secs(5));
    assert_eq!(find(&store, &a_user()).await, None);
}

#[tokio::test]
async fn a_restarted_server_is_used_again_at_once() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let store = open(database.url(), 3);
    insert(&store, &a_user()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.users().insert(&user_number(12), None).await.unwrap();
    for mode in [Mode::Fast, Mode::Immediate] {
        server.stop(mode).unwrap();
        let gone = unavailable(within(PATIENCE, insert(&store, &user_number(13))).await);
        assert!(gone.contains(&format!("127.0.0.1:{}", server.port())), "{gone}");
        server.restart().unwrap();
        let took = recovery(&store, 14 + u16::from(mode == Mode::Fast)).await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let lost = unavailable(tx.commit().await);
    assert!(lost.contains("127.0.0.1") && lost.contains("terminating connection"), "{lost}");
    assert_eq!(find(&store, &user_number(12)).await, None);
    assert_eq!(find(&store, &a_user()).await, Some(a_user()));
}

#[tokio::test]
async fn connections_that_were_cut_while_idle_cost_nobody_an_error() {
    let database = migrated_database();
    let (store, other) = (open(database.url(), 2), other_program(database.url()).await);
    for round in 0..5 {
        insert(&store, &user_number(10 + round)).await.unwrap();
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'keystead'";
        other.batch_execute(kill).await.unwrap();
    }
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn without_a_free_connection_callers_wait_for_the_acquire_time_out_and_no_longer() {
    let database = migrated_database();
    let config =
        PgConfig { connections: 2, acquire_timeout: Duration::from_millis(300), ..PgConfig::new(database.url()) };
    let store = PgDatabase::open(&config).unwrap().store();
    let held = [store.begin().await.unwrap(), store.begin().await.unwrap()];
    let begun = Instant::now();
    let text = unavailable(store.begin().await.map(drop));
    let took = begun.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_millis(600)).contains(&took), "{took:?}");
    assert!(text.contains("in time"), "{text}");
    drop(held);
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_waits_too_long_for_a_lock_is_given_up() {
    let database = migrated_database();
    let config =
        PgConfig { statement_timeout: Duration::from_millis(200), connections: 1, ..PgConfig::new(database.url()) };
    let store = PgDatabase::open(&config).unwrap().store();
    insert(&store, &a_user()).await.unwrap();
    let mut other = other_program(database.url()).await;
    let lock = other.transaction().await.unwrap();
    lock.batch_execute("SELECT 1 FROM users FOR UPDATE").await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let text = unavailable(within(Duration::from_millis(800), tx.users().get(a_user().id)).await);
    assert!(text.contains("timeout"), "{text}");
    unavailable(tx.commit().await);
    // The same connection, after a rollback.
    assert_eq!(find(&store, &a_user()).await, Some(a_user()), "readers wait for no lock");
    lock.rollback().await.unwrap();
    store.begin().await.unwrap().users().get(a_user().id).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_its_connection_is_gone() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let store = open(&proxy.url(database.url()), 1);
    for round in 0..5 {
        proxy.cut_when_client_sends(b"COMMIT\0").unwrap();
        unavailable(insert(&store, &user_number(10 + round)).await);
        assert_eq!(proxy.cuts(), u64::from(round) + 1);
        assert!(find(&store, &user_number(10 + round)).await.is_some(), "it was committed all the same");
    }
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn deadlocks_are_unavailable_and_the_transaction_is_over() {
    let database = migrated_database();
    let (store, mut other) = (open(database.url(), 1), other_program(database.url()).await);
    insert(&store, &user_number(11)).await.unwrap();
    insert(&store, &user_number(12)).await.unwrap();
    let watch = other_program(database.url()).await;
    let lock = |number: u16| format!("SELECT 1 FROM users WHERE email = 'user{number}@example.com' FOR UPDATE");
    let theirs = other.transaction().await.unwrap();
    theirs.batch_execute(&format!("SET LOCAL deadlock_timeout = '10s'; {}", lock(12))).await.unwrap();
    let mut ours = store.begin().await.unwrap();
    ours.users().update(&user_number(11)).await.unwrap();
    let (ours_result, ()) = tokio::join!(async { ours.users().update(&user_number(12)).await }, async {
        until(&watch, SOMEBODY_WAITS).await;
        // Ours found the circle; after it gave up this goes through.
        theirs.batch_execute(&lock(11)).await.unwrap();
    });
    assert!(unavailable(ours_result).contains("deadlock"));
    unavailable(ours.commit().await);
}

#[tokio::test]
async fn the_server_that_takes_writes_is_found_also_when_it_changes() {
    let servers = [Postgres::start().unwrap(), Postgres::start().unwrap()];
    let role = |server: &Postgres, read_only: bool| {
        let value = if read_only { "on" } else { "off" };
        // Separate lines: neither may be in a transaction with another.
        server.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).unwrap();
        server.execute("SELECT pg_reload_conf()").unwrap();
    };
    for server in &servers {
        PgDatabase::migrate(&PgConfig::new(server.url())).unwrap();
    }
    role(&servers[0], true);
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", servers[0].port(), servers[1].port());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let store = open(&url, 1);
    insert(&store, &user_number(11)).await.unwrap();
    assert!(find(&open(servers[1].url(), 1), &user_number(11)).await.is_some());

    // A failover that leaves the old primary running, its connections open.
    role(&servers[1], true);
    role(&servers[0], false);
    assert!(recovery(&store, 12).await < Duration::from_secs(5));
    assert!(find(&open(servers[0].url(), 1), &user_number(12)).await.is_some());
    // One that does not.
    role(&servers[1], false);
    servers[0].freeze();
    assert!(recovery(&store, 13).await < Duration::from_secs(5));
    assert!(find(&open(servers[1].url(), 1), &user_number(13)).await.is_some());
    servers[0].thaw();
}

#[tokio::test]
async fn a_statement_that_a_change_of_its_table_made_stale_fails_once() {
    let database = migrated_database();
    let (store, other) = (open(database.url(), 1), other_program(database.url()).await);
    insert(&store, &user_number(11)).await.unwrap();
    assert_eq!(find(&store, &user_number(11)).await, Some(user_number(11)));
    other.batch_execute("ALTER TABLE users ALTER COLUMN role TYPE varchar").await.unwrap();
    let stale = store.read().await.unwrap().users().get(user_number(11).id).await;
    assert!(unavailable(stale).contains("cached plan"));
    assert_eq!(find(&store, &user_number(11)).await, Some(user_number(11)));
}
