//! Where the tests find a Redis.

use keystead_adapters_redis::{RedisConfig, RedisLink, Topology};
use keystead_test_servers::shared;
use url::Url;

/// A configuration for the server at a `redis://` address, with a prefix of its own.
pub fn config(address: &str) -> RedisConfig {
    let url = Url::parse(address).unwrap();
    let user = Some(url.username()).filter(|name| !name.is_empty()).map(str::to_owned);
    RedisConfig {
        username: user,
        password: url.password().map(|password| password.to_owned().into()),
        prefix: prefix(),
        ..RedisConfig::new(url.host_str().unwrap(), url.port().unwrap_or(6379))
    }
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

/// Opens what must open.
pub fn open(config: &RedisConfig) -> RedisLink {
    RedisLink::open(config).unwrap()
}
