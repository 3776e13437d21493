//! Counters of hits: two replicas, and what versions with fixed windows read and wrote in the same keys.

use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_redis::RedisConfig;
use keystead_application::ports::{RateDecision, RateHit, RateLimiter};
use keystead_application::testing::after;
use keystead_domain::limits::RatePolicy;
use keystead_test_servers::Redis;
use keystead_testkit::contracts::rate_limiter;

use crate::servers;

/// One comes back every 12 seconds.
const POLICY: RatePolicy = RatePolicy { name: "p", limit: 5, window: Duration::from_secs(60), per: "test" };

async fn replicas_share(config: RedisConfig) {
    let [one, other] = [(); 2].map(|()| Arc::new(servers::open(&config).rate_limiter()));
    rate_limiter::two_handles_share_a_counter(one, other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_every_counter() {
    replicas_share(servers::single()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_every_counter_on_a_cluster() {
    replicas_share(servers::cluster()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_whose_clocks_differ_share_every_counter() {
    let config = servers::single();
    let [one, other] = [(); 2].map(|()| Arc::new(servers::open(&config).rate_limiter()));
    rate_limiter::two_handles_whose_clocks_differ_share_a_counter(one, other).await;
}

#[tokio::test]
async fn the_version_before_and_this_one_count_in_one_key() {
    let server = Redis::start().unwrap();
    let config = RedisConfig { prefix: "x".into(), ..servers::on(server.port()) };
    let limiter = servers::open(&config).rate_limiter();
    let key = "x:r:{p:k}";
    server.command(&["HSET", key, "count", "3", "resets_at", &after(60).as_micros().to_string()]).unwrap();
    let hit = async |second| -> RateDecision {
        limiter.hit(&[RateHit { key: "k".into(), policy: POLICY }], after(second)).await.unwrap()[0]
    };
    let first = hit(1).await;
    assert_eq!((first.allowed, first.count, first.resets_at), (true, 4, after(48)));
    server.command(&["HINCRBY", key, "count", "1"]).unwrap();
    let refused = hit(1).await;
    assert_eq!((refused.allowed, refused.count, refused.again_at()), (false, 5, after(12)));
    assert!(hit(12).await.allowed);
    // A full window whose end moved on: what the version before waits for.
    let kept = server.command(&["HMGET", key, "count", "resets_at"]).unwrap().into_list();
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["5".to_owned(), after(72).as_micros().to_string()]);
}
