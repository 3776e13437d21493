//! Where the tests find a Redis, and how they wait for it.

use std::time::Duration;

use keystead_adapters_redis::{RedisConfig, RedisLink, Topology};
use keystead_test_servers::{RedisCluster, shared};
use tokio::time::Instant;
use url::Url;

/// How long anything may take to recover by itself.
const RECOVERY: Duration = Duration::from_secs(5);

/// A configuration for the server at a `redis://` address, with a prefix of its own.
pub fn config(address: &str) -> RedisConfig {
    let url = Url::parse(address).unwrap();
    let user = Some(url.username()).filter(|name| !name.is_empty()).map(str::to_owned);
    RedisConfig {
        username: user,
        password: url.password().map(|password| password.to_owned().into()),
        ..patient(RedisConfig::new(url.host_str().unwrap(), url.port().unwrap_or(6379)))
    }
}

/// A configuration for a server on this machine.
pub fn on(port: u16) -> RedisConfig {
    patient(hurried(port))
}

/// The same with the default time limits, for tests of these limits.
pub fn hurried(port: u16) -> RedisConfig {
    RedisConfig { prefix: prefix(), ..RedisConfig::new("127.0.0.1", port) }
}

/// Limits no busy machine exceeds, for tests of anything else.
fn patient(config: RedisConfig) -> RedisConfig {
    let (connect_timeout, response_timeout) = (Duration::from_secs(10), Duration::from_secs(10));
    RedisConfig { prefix: prefix(), connect_timeout, response_timeout, ..config }
}

/// A beginning of keys no other test has.
pub fn prefix() -> String {
    shared::redis_prefix().trim_end_matches(':').to_owned()
}

/// The shared server.
pub fn single() -> RedisConfig {
    config(shared::redis_url())
}

/// The shared cluster.
pub fn cluster() -> RedisConfig {
    let nodes = shared::redis_cluster_urls();
    let address = |node: &String| {
        let url = Url::parse(node).unwrap();
        (url.host_str().unwrap().to_owned(), url.port().unwrap_or(6379))
    };
    RedisConfig { topology: Topology::Cluster { nodes: nodes.iter().map(address).collect() }, ..config(&nodes[0]) }
}

/// A cluster of the test's own.
pub fn cluster_of(cluster: &RedisCluster) -> RedisConfig {
    let nodes = cluster.nodes().iter().map(|node| ("127.0.0.1".to_owned(), node.port())).collect();
    RedisConfig { topology: Topology::Cluster { nodes }, ..hurried(0) }
}

/// Opens what must open.
pub fn open(config: &RedisConfig) -> RedisLink {
    RedisLink::open(config).unwrap()
}

/// Runs `work` and says how long it took.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (work.await, began.elapsed())
}

/// Tries until it works, as long as recovery may take.
pub async fn recovered<T, E: std::fmt::Debug>(work: impl AsyncFn() -> Result<T, E>) -> T {
    let began = Instant::now();
    loop {
        match work().await {
            Ok(result) => return result,
            Err(error) => assert!(began.elapsed() < RECOVERY, "not recovered in {RECOVERY:?}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
