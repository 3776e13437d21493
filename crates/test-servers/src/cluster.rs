//! Redis Cluster.

use std::time::Duration;

use crate::redis::{Redis, RedisOptions, Role};
use crate::{Result, wait};

/// Slots of a cluster. Fixed by Redis.
const SLOTS: usize = 16_384;
/// The fewest masters of which two can outvote one.
const NODES: usize = 3;
/// How long the nodes may take to find each other; about a second as a rule.
const PATIENCE: Duration = Duration::from_secs(30);

/// Three masters that share all slots, without replicas. Ends as [`Redis`] does.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one; returns when every node says that the cluster is whole.
    pub fn start() -> Result<Self> {
        Self::start_with(&RedisOptions::default())
    }

    /// Starts one whose nodes have these options (no TLS).
    pub fn start_with(options: &RedisOptions) -> Result<Self> {
        let options = options.clone().role(Role::ClusterNode);
        let nodes = (0..NODES).map(|_| options.clone().start()).collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        for (index, node) in cluster.nodes.iter().enumerate() {
            let (first, last) = (SLOTS * index / NODES, SLOTS * (index + 1) / NODES);
            let slots: Vec<String> = (first..last).map(|slot| slot.to_string()).collect();
            let command: Vec<&str> =
                ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
            node.command(&command)?;
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
        }
        for (index, node) in cluster.nodes.iter().enumerate() {
            for other in cluster.nodes.iter().skip(index + 1) {
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()])?;
            }
        }
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// The addresses of the nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url().to_owned()).collect()
    }

    /// The nodes, each with a third of the slots, in their order.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// Waits until every node knows every other and answers for all slots, also after one was restarted.
    pub fn wait_until_whole(&self) -> Result {
        wait::until_true("the cluster is whole", PATIENCE, || {
            for node in &self.nodes {
                let info = node.command(&["CLUSTER", "INFO"])?.to_string();
                let has = |line: &str| info.lines().any(|other| other == line);
                if !(has("cluster_state:ok") && has("cluster_known_nodes:3") && has("cluster_slots_ok:16384")) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}
