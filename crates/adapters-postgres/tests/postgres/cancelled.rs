//! Calls that are dropped before their answer.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::{a_user, user_number};
use keystead_testkit::race::cancelled_after;
use tokio::runtime::Builder;

use crate::{SOMEBODY_WAITS, find, insert, migrated_database, open, other_program, unavailable, until};

// Contracts run on several threads; actix handlers do not.
#[tokio::test]
async fn a_statement_that_still_runs_is_undone_before_its_connection_serves_again() {
    let database = migrated_database();
    let (store, mut other) = (open(database.url(), 1), other_program(database.url()).await);
    for round in 0..10 {
        let lock = other.transaction().await.unwrap();
        lock.batch_execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let user = user_number(round);
        {
            let inserting = tx.users().insert(&user, None);
            let waits = async { until(&other_program(database.url()).await, SOMEBODY_WAITS).await };
            tokio::select! {
                result = inserting => panic!("the table is locked: {result:?}"),
                () = waits => {}
            }
        }
        drop(tx);
        // The statement waits for the lock and runs when it is free, behind everybody's back; then comes the rollback.
        lock.rollback().await.unwrap();
        assert_eq!(find(&store, &user).await, None, "round {round}");
    }
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_ends_its_transaction_and_no_other() {
    let database = migrated_database();
    let store = open(database.url(), 1);
    let mut tx = store.begin().await.unwrap();
    assert!(cancelled_after(1, tx.users().insert(&a_user(), None)).await.is_none());
    // Nobody knows whether the statement failed, and PostgreSQL answers a commit after a failure with success.
    assert!(unavailable(tx.users().get(a_user().id).await).contains("ended the transaction"));
    unavailable(tx.commit().await);
    assert_eq!(find(&store, &a_user()).await, None);
    insert(&store, &a_user()).await.unwrap();
}

#[tokio::test]
async fn callers_that_give_up_while_they_open_take_no_connection_with_them() {
    let database = migrated_database();
    let store = open(database.url(), 2);
    for polls in 0..40 {
        drop(cancelled_after(polls % 8, store.begin()).await);
        drop(cancelled_after(polls % 5, store.read()).await);
    }
    let (first, second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    drop((first, second));
    insert(&store, &a_user()).await.unwrap();
}

#[test]
fn a_transaction_outlives_its_runtime_and_rolls_back() {
    let database = migrated_database();
    let store = open(database.url(), 1);
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let tx = first.block_on(async {
        let mut tx = store.begin().await.unwrap();
        tx.users().insert(&a_user(), None).await.unwrap();
        tx
    });
    drop(first);
    // Dropped outside any runtime; the connection goes on for the callers of the next one.
    drop(tx);
    runtime().block_on(async {
        assert_eq!(find(&store, &a_user()).await, None);
        insert(&store, &a_user()).await.unwrap();
    });
}

#[test]
fn a_transaction_goes_on_under_another_runtime() {
    let database = migrated_database();
    let store = open(database.url(), 1);
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let mut tx = runtime().block_on(async {
        let mut tx = store.begin().await.unwrap();
        tx.users().insert(&a_user(), None).await.unwrap();
        tx
    });
    runtime().block_on(async {
        assert_eq!(tx.users().get(a_user().id).await.unwrap(), Some(a_user()));
        tx.commit().await.unwrap();
        assert_eq!(find(&store, &a_user()).await, Some(a_user()));
    });
}

#[tokio::test]
async fn with_the_last_owner_connections_are_closed_and_open_transactions_rolled_back() {
    let database = migrated_database();
    let other = other_program(database.url()).await;
    let store: Arc<dyn Store> = Arc::new(open(database.url(), 2));
    let mut tx = store.begin().await.unwrap();
    tx.users().insert(&a_user(), None).await.unwrap();
    drop(store);
    // The transaction owns its connection.
    tx.users().get(a_user().id).await.unwrap();
    drop(tx);
    until(&other, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keystead'")
        .await;
    until(&other, "SELECT count(*) = 0 FROM users").await;
}
