//! Redis Cluster: slots on the move and nodes that are gone.

use std::time::Duration;

use keystead_adapters_redis::{RedisConfig, Topology};
use keystead_application::ports::{RevocationFeed, SessionStore};
use keystead_application::testing::{START, a_revocation, session_number};
use keystead_test_servers::{Redis, RedisCluster};

use crate::opening::exercise;
use crate::servers::{self, cluster_of, recovered, timed};

fn id_of(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"]).unwrap().to_string()
}

/// The node that has the keys of a slot, and another.
fn owner_and_other<'a>(cluster: &'a RedisCluster, slot: &str) -> (&'a Redis, &'a Redis) {
    let has = |node: &&Redis| node.command(&["CLUSTER", "GETKEYSINSLOT", slot, "1"]).unwrap().into_list().len() == 1;
    let owner = cluster.nodes().iter().find(has).unwrap();
    (owner, cluster.nodes().iter().find(|node| node.port() != owner.port()).unwrap())
}

/// A session is found and changed while its slot is being moved (`ASK`) and after (`MOVED`).
#[tokio::test]
async fn keys_are_found_while_their_slot_moves() {
    let cluster = RedisCluster::start().unwrap();
    let config = cluster_of(&cluster);
    let link = servers::open(&config);
    let (sessions, session) = (link.sessions(), session_number(1));
    sessions.insert(&session).await.unwrap();
    let key = format!("{}:s:{{{}}}", config.prefix, session.id);
    let slot = cluster.nodes()[0].command(&["CLUSTER", "KEYSLOT", &key]).unwrap().to_string();
    let (from, to) = owner_and_other(&cluster, &slot);
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id_of(from)]).unwrap();
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id_of(to)]).unwrap();
    assert_eq!(sessions.find(&session.id, START).await.unwrap().as_ref(), Some(&session), "not moved yet");
    from.command(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &key, "0", "1000"]).unwrap();
    assert_eq!(sessions.find(&session.id, START).await.unwrap().as_ref(), Some(&session), "ASK");
    sessions.touch(&[(session.id.clone(), START.plus(Duration::from_secs(1)))]).await.unwrap();
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id_of(to)]).unwrap();
    }
    let found = sessions.find(&session.id, START).await.unwrap().unwrap();
    assert_eq!(found.last_seen_at, START.plus(Duration::from_secs(1)), "MOVED");
    // One node is enough to find all of them.
    let topology = Topology::Cluster { nodes: vec![("127.0.0.1".to_owned(), cluster.nodes()[0].port())] };
    let other = servers::open(&RedisConfig { topology, ..config });
    assert!(other.sessions().find(&session.id, START).await.unwrap().is_some());
}

/// One node frozen, then gone: its keys fail soon, the others' do not; and all recover.
#[tokio::test]
async fn one_node_away_does_not_take_the_others_along() {
    let options = Redis::options().line("cluster-require-full-coverage no").line("cluster-node-timeout 60000");
    let cluster = RedisCluster::start_with(&options).unwrap();
    let link = servers::open(&cluster_of(&cluster));
    exercise(&link).await;
    let sessions = link.sessions();
    for number in 1..=30 {
        drop(sessions.insert(&session_number(number)).await);
    }
    let failing = async || {
        let mut failing = Vec::new();
        for number in 1..=30 {
            let (answer, took) = timed(sessions.find(&session_number(number).id, START)).await;
            assert!(took < Duration::from_secs(2), "{took:?}");
            if answer.is_err() {
                failing.push(number);
            }
        }
        failing
    };
    assert_eq!(failing().await, Vec::<u16>::new());
    cluster.nodes()[1].freeze();
    let frozen = failing().await;
    assert!((1..30).contains(&frozen.len()), "{frozen:?}");
    cluster.nodes()[1].thaw();
    recovered(async || link.ping().await).await;
    assert_eq!(failing().await, Vec::<u16>::new());

    cluster.nodes()[1].kill();
    assert_eq!(failing().await, frozen);
    cluster.nodes()[1].restart().unwrap();
    cluster.wait_until_whole().unwrap();
    recovered(async || link.ping().await).await;
    assert_eq!(failing().await, Vec::<u16>::new());
    let feed = link.revocation_feed("f".into());
    feed.publish(&[a_revocation()]).await.unwrap();
}
