//! Counters of guesses: two replicas, and what versions with fixed windows read and wrote in the same rows.

use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::{BudgetDecision, BudgetKey, Store};
use keystead_application::testing::after;
use keystead_domain::Timestamp;
use keystead_domain::limits::RatePolicy;
use keystead_testkit::contracts::store_budgets;
use tokio_postgres::Client;

use crate::{migrated_database, open, other_program};

/// One comes back every 12 seconds.
const POLICY: RatePolicy = RatePolicy { name: "p", limit: 5, window: Duration::from_secs(60), per: "test" };

async fn reserve(store: &Arc<dyn Store>, now: Timestamp) -> BudgetDecision {
    let mut tx = store.begin().await.unwrap();
    let decision = tx.guess_budgets().reserve(&BudgetKey("k".into()), &POLICY, now).await.unwrap();
    tx.commit().await.unwrap();
    decision
}

/// Hits in a window, and its end: what a version with fixed windows sees.
async fn window(client: &Client) -> (i64, i64) {
    let look = "SELECT count, (extract(epoch FROM resets_at) * 1000000)::bigint FROM guess_budgets";
    let row = client.query_one(look, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_every_budget() {
    let database = migrated_database();
    let [one, other] = [(); 2].map(|()| Arc::new(open(database.url(), 5)) as Arc<dyn Store>);
    store_budgets::two_handles_share_a_budget(one, other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_whose_clocks_differ_share_every_budget() {
    let database = migrated_database();
    let [one, other] = [(); 2].map(|()| Arc::new(open(database.url(), 1)) as Arc<dyn Store>);
    store_budgets::two_handles_whose_clocks_differ_share_a_budget(one, other).await;
}

#[tokio::test]
async fn a_window_of_the_version_before_is_read_as_hits_at_its_beginning() {
    let database = migrated_database();
    let (store, client): (Arc<dyn Store>, _) = (Arc::new(open(database.url(), 1)), other_program(database.url()).await);
    let insert =
        "INSERT INTO guess_budgets VALUES ('p', 'k', 3, to_timestamp(0) + $1::bigint * interval '1 microsecond')";
    client.execute(insert, &[&after(60).as_micros()]).await.unwrap();
    assert_eq!(reserve(&store, after(1)).await, BudgetDecision::Reserved { count: 4 });
    client.execute("UPDATE guess_budgets SET count = count + 1", &[]).await.unwrap();
    assert_eq!(reserve(&store, after(1)).await, BudgetDecision::Exhausted { again_at: after(12) });
}

#[tokio::test]
async fn the_version_before_reads_a_window_that_is_no_shorter_than_its_own() {
    let database = migrated_database();
    let (store, client): (Arc<dyn Store>, _) = (Arc::new(open(database.url(), 1)), other_program(database.url()).await);
    for (second, count, ends) in
        [(0, 1, 60), (1, 2, 60), (11, 3, 60), (11, 4, 60), (11, 5, 60), (12, 5, 72), (60, 5, 84)]
    {
        assert!(matches!(reserve(&store, after(second)).await, BudgetDecision::Reserved { .. }));
        assert_eq!(window(&client).await, (count, after(ends).as_micros()), "{second}");
    }
    assert!(matches!(reserve(&store, after(84)).await, BudgetDecision::Reserved { count: 1 }));
    assert_eq!(window(&client).await, (1, after(144).as_micros()));
}
