//! Redis Sentinel.

use std::time::Duration;

use keystead_adapters_redis::{RedisConfig, RedisLink, Topology};
use keystead_application::ports::{RevocationFeed, SessionStore};
use keystead_application::testing::{START, a_revocation, a_session, session_number};
use keystead_test_servers::{Redis, Sentinel};

use crate::opening::exercise;
use crate::servers::{self, recovered};

fn config(ports: &[u16], master: &str) -> RedisConfig {
    let nodes = ports.iter().map(|port| ("127.0.0.1".to_owned(), *port)).collect();
    let topology = Topology::Sentinel { nodes, master: master.to_owned(), username: None, password: None };
    RedisConfig { topology, ..servers::hurried(0) }
}

/// After a failover writes go to the new master, in spite of a sentinel that is gone and without a restart.
#[tokio::test]
async fn writes_work_again_after_a_failover() {
    let watched = Sentinel::start().unwrap();
    let ports = watched.sentinel_ports();
    let unknown = RedisLink::open(&config(&ports, "unheard-of")).err().unwrap().to_string();
    assert!(unknown.contains("knows no master"), "{unknown}");
    let link = servers::open(&config(&ports, watched.master_name()));
    exercise(&link).await;
    let feed = link.revocation_feed("f".into());
    let cursor = feed.read(None, Duration::ZERO).await.unwrap().cursor;

    let old = watched.kill_master().unwrap();
    assert!(link.ping().await.is_err());
    watched.wait_for_failover(old).unwrap();
    recovered(async || link.sessions().insert(&session_number(7)).await).await;
    recovered(async || feed.publish(&[a_revocation()]).await).await;
    let batch = feed.read(Some(cursor), Duration::from_secs(1)).await.unwrap();
    assert!(batch.revocations.contains(&a_revocation()));
    assert!(link.sessions().find(&session_number(7).id, START).await.unwrap().is_some());

    // The old master comes back as a replica; nothing goes there.
    watched.servers().iter().find(|server| server.port() == old).unwrap().restart().unwrap();
    watched.sentinels()[0].kill();
    let another = servers::open(&config(&ports, watched.master_name()));
    another.sessions().insert(&a_session()).await.unwrap();
    let error = RedisLink::open(&config(&ports[..1], watched.master_name())).err().unwrap();
    assert!(error.to_string().contains("refused"), "{error}");
}

/// A master that is demoted while it is in use is left at the first `READONLY`.
#[tokio::test]
async fn a_demoted_master_is_left() {
    let master = Redis::start().unwrap();
    let link = servers::open(&servers::hurried(master.port()));
    link.sessions().insert(&a_session()).await.unwrap();
    master.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    assert!(link.sessions().insert(&session_number(2)).await.is_err());
    assert!(link.sessions().find(&a_session().id, START).await.is_err(), "what a replica says may be old");
    master.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    recovered(async || link.sessions().insert(&session_number(3)).await).await;
    assert!(link.sessions().find(&a_session().id, START).await.unwrap().is_some());
}
