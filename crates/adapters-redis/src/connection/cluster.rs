use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use deadpool_redis::redis;
use futures_util::FutureExt;
use futures_util::future::select_ok;
use tokio::time::Instant;

use super::dial::Dialer;
use super::node::{Node, Place};
use super::slots::{Range, ranges, slot};
use crate::config::Address;

/// The least time between two readings of the slot map, however many calls ask for one.
const REFRESH_GAP: Duration = Duration::from_millis(200);

/// The nodes of a Redis Cluster, and which of them serves which slot.
///
/// Not redis-rs' cluster client: on an I/O error it sends a command again, also one that must not run twice; and it
/// keeps a connection whose answers time out, so that a node cut off by the network would never be given up.
pub(crate) struct Cluster {
    dialer: Arc<Dialer>,
    seeds: Vec<Address>,
    map: RwLock<Arc<Map>>,
    refresh: Mutex<Refresh>,
}

#[derive(Default)]
struct Map {
    ranges: Vec<(u16, u16, Arc<Node>)>,
    nodes: HashMap<Address, Arc<Node>>,
}

#[derive(Default)]
struct Refresh {
    running: bool,
    last: Option<Instant>,
}

impl Cluster {
    pub(crate) fn new(seeds: Vec<Address>, dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self { dialer, seeds, map: RwLock::default(), refresh: Mutex::default() })
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The node that serves a key, as far as is known.
    pub(crate) fn node_of(&self, key: &[u8]) -> Option<Arc<Node>> {
        let (map, slot) = (self.map(), slot(key));
        let at = map.ranges.partition_point(|(_, last, _)| *last < slot);
        map.ranges.get(at).filter(|(first, _, _)| *first <= slot).map(|(_, _, node)| Arc::clone(node))
    }

    /// The node at an address another node named.
    pub(crate) fn node_at(&self, address: &Address) -> Arc<Node> {
        let known = self.map().nodes.get(address).map(Arc::clone);
        known.unwrap_or_else(|| {
            let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
            let mut nodes = map.nodes.clone();
            let node = self.entry(&mut nodes, address);
            *map = Arc::new(Map { ranges: map.ranges.clone(), nodes });
            node
        })
    }

    fn entry(&self, nodes: &mut HashMap<Address, Arc<Node>>, address: &Address) -> Arc<Node> {
        let new = || Node::new(Place::ClusterNode(address.clone()), Arc::clone(&self.dialer));
        Arc::clone(nodes.entry(address.clone()).or_insert_with(new))
    }

    /// Every master.
    pub(crate) fn masters(&self) -> Vec<Arc<Node>> {
        let map = self.map();
        let mut masters: Vec<Arc<Node>> = Vec::new();
        for (_, _, node) in &map.ranges {
            if !masters.iter().any(|known| Arc::ptr_eq(known, node)) {
                masters.push(Arc::clone(node));
            }
        }
        masters
    }

    fn refreshing(&self) -> MutexGuard<'_, Refresh> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the slot map anew, in the background, unless that is being done or was just done.
    pub(crate) fn refresh_soon(self: &Arc<Self>) {
        {
            let mut refresh = self.refreshing();
            if refresh.running || refresh.last.is_some_and(|last| last.elapsed() < REFRESH_GAP) {
                return;
            }
            refresh.running = true;
        }
        let cluster = Arc::clone(self);
        self.dialer.runtime().spawn(async move {
            if let Err(why) = cluster.refresh().await {
                tracing::debug!(%why, "no node of the Redis cluster says where keys live");
            }
            *cluster.refreshing() = Refresh { running: false, last: Some(Instant::now()) };
        });
    }

    /// Reads the slot map anew: the first node that answers decides. One that is behind leads to a `MOVED`, and that to
    /// another reading.
    pub(crate) async fn refresh(&self) -> Result<(), Arc<str>> {
        let mut asked: Vec<Arc<Node>> = self.map().nodes.values().map(Arc::clone).collect();
        for seed in &self.seeds {
            if !asked.iter().any(|node| node.address() == Some(seed)) {
                asked.push(Node::new(Place::ClusterNode(seed.clone()), Arc::clone(&self.dialer)));
            }
        }
        let answers = asked.iter().map(|node| slots_by(node).boxed());
        let (ranges, _) = select_ok(answers).await?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = map.nodes.clone();
        let mut new = Map::default();
        for range in ranges {
            let node = self.entry(&mut old, &range.master);
            new.nodes.insert(range.master, Arc::clone(&node));
            new.ranges.push((range.first, range.last, node));
        }
        new.ranges.sort_unstable_by_key(|(first, _, _)| *first);
        *map = Arc::new(new);
        Ok(())
    }
}

/// The slot map as one node sees it.
async fn slots_by(node: &Arc<Node>) -> Result<Vec<Range>, Arc<str>> {
    let connection = node.connection().await?;
    let answer = connection.send(redis::cmd("CLUSTER").arg("SLOTS")).await.map_err(|error| {
        if error.is_io_error() {
            node.lost(&connection);
        }
        Arc::<str>::from(format!("{}: {error}", node.name()))
    })?;
    let asked = node.address().map_or("", |(host, _)| host.as_str());
    let ranges = ranges(answer, asked).filter(|ranges| !ranges.is_empty());
    ranges.ok_or_else(|| format!("{} serves no slot and knows nobody who does", node.name()).into())
}
