use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use keystead_application::ports::EphemeralError;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

use crate::ceremonies::RedisCeremonies;
use crate::config::{OpenError, RedisConfig, Topology};
use crate::connection::{CallError, Cluster, Dialer, Node, Place, Route};
use crate::keys::Keys;
use crate::rate_limiter::RedisRateLimiter;
use crate::revocation_feed::RedisRevocationFeed;
use crate::sessions::RedisSessions;
use crate::suitable;

/// How long a start waits for a Redis that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries of a start.
const PAUSE: Duration = Duration::from_millis(100);

/// A Redis in use: every port it implements, over connections they share. Cheap to clone.
#[derive(Clone)]
pub struct RedisLink {
    shared: Arc<Link>,
}

/// What the ports share.
pub(crate) struct Link {
    pub(crate) route: Route,
    pub(crate) keys: Keys,
    pub(crate) response_timeout: Duration,
    deadline: Duration,
    handle: Handle,
    _threads: Threads,
}

/// Moves the bytes of every connection: callers' own runtimes come and go.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it would wait, which an asynchronous caller may not.
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Runs what a port does for one call, no longer than connecting and one answer may take together.
    pub(crate) async fn within<T, E: Into<EphemeralError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, EphemeralError> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(EphemeralError(format!("Redis gave no answer within {:?}", self.deadline))),
        }
    }

    /// Runs what nobody waits for.
    pub(crate) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Whether every server answers.
    pub(crate) async fn ping(&self) -> Result<(), EphemeralError> {
        let nodes = match &self.route {
            Route::One(node) => vec![Arc::clone(node)],
            Route::Cluster(cluster) => cluster.masters(),
        };
        self.within(futures_util::future::try_join_all(nodes.iter().map(|node| self.ping_node(node)))).await.map(drop)
    }

    async fn ping_node(&self, node: &Arc<Node>) -> Result<(), CallError> {
        let connection = self.route.connection(node).await?;
        connection.send(&deadpool_redis::redis::cmd("PING")).await.map(drop).map_err(|error| {
            if error.is_io_error() {
                node.lost(&connection);
                self.route.distrust();
            }
            error.into()
        })
    }
}

impl RedisLink {
    /// Connects, and refuses a Redis that would lose data. One that does not answer is waited for, 5 s at most: it may be
    /// starting, too, or the machine be busy. Blocks the thread, whether it belongs to a runtime or not.
    ///
    /// # Errors
    /// [`OpenError`], whose text tells the operator what to set.
    pub fn open(config: &RedisConfig) -> Result<Self, OpenError> {
        let (link, proof) = Self::connect(config, PATIENCE)?;
        proof.map(|()| link)
    }

    /// Like [`Self::open`], but takes a Redis that does not answer: calls fail until it does. For commands whose work is
    /// in the database, such as a ban, and must be possible while Redis is away.
    ///
    /// # Errors
    /// [`OpenError`], never [`OpenError::Unreachable`] because of Redis.
    pub fn open_though_away(config: &RedisConfig) -> Result<Self, OpenError> {
        match Self::connect(config, Duration::ZERO)? {
            (link, Ok(()) | Err(OpenError::Unreachable(_))) => Ok(link),
            (_, Err(error)) => Err(error),
        }
    }

    /// The link, and whether Redis answers and is set up as it must be.
    fn connect(config: &RedisConfig, patience: Duration) -> Result<(Self, Result<(), OpenError>), OpenError> {
        config.check()?;
        let unreachable = |error: std::io::Error| OpenError::Unreachable(error.to_string());
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("keystead-redis")
            .enable_all()
            .build()
            .map_err(unreachable)?;
        let handle = runtime.handle().clone();
        let threads = Threads(Some(runtime));
        let dialer = Arc::new(Dialer::try_new(config, handle.clone())?);
        let route = route(&config.topology, &dialer);
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let proved = route.clone();
        dialer.runtime().spawn(async move { sender.send(prove_within(&proved, patience).await) });
        let proof = receiver.recv().map_err(|_| OpenError::Unreachable("connecting was given up".to_owned()))?;
        let link = Link {
            route,
            keys: Keys::new(config.prefix.clone()),
            response_timeout: config.response_timeout,
            deadline: config.connect_timeout + config.response_timeout,
            handle,
            _threads: threads,
        };
        Ok((Self { shared: Arc::new(link) }, proof))
    }

    /// Signed-in clients.
    pub fn sessions(&self) -> RedisSessions {
        RedisSessions::new(Arc::clone(&self.shared))
    }

    /// Take-once state.
    pub fn ceremonies(&self) -> RedisCeremonies {
        RedisCeremonies::new(Arc::clone(&self.shared))
    }

    /// Fixed windows.
    pub fn rate_limiter(&self) -> RedisRateLimiter {
        RedisRateLimiter::new(Arc::clone(&self.shared))
    }

    /// Revocations on their way to every replica. `feed_id` is random, of this process alone: feeds this process begins
    /// are named after it.
    pub fn revocation_feed(&self, feed_id: String) -> RedisRevocationFeed {
        RedisRevocationFeed::new(Arc::clone(&self.shared), feed_id)
    }

    /// Asks every master for a sign of life.
    pub async fn ping(&self) -> Result<(), EphemeralError> {
        self.shared.ping().await
    }
}

fn route(topology: &Topology, dialer: &Arc<Dialer>) -> Route {
    let one = |place| Route::One(Node::new(place, Arc::clone(dialer)));
    match topology {
        Topology::Single { host, port } => one(Place::Master((host.clone(), *port))),
        Topology::Sentinel { nodes, master, .. } => {
            one(Place::Watched { sentinels: nodes.clone().into(), master: master.as_str().into() })
        }
        Topology::Cluster { nodes } => Route::Cluster(Cluster::new(nodes.clone(), Arc::clone(dialer))),
    }
}

/// [`prove`], again and again while a server cannot be reached.
async fn prove_within(route: &Route, patience: Duration) -> Result<(), OpenError> {
    let end = Instant::now() + patience;
    loop {
        match prove(route).await {
            Err(OpenError::Unreachable(_)) if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Reaches every master and checks it.
async fn prove(route: &Route) -> Result<(), OpenError> {
    match route {
        Route::One(node) => suitable::check(node, false).await,
        Route::Cluster(cluster) => {
            cluster.refresh().await.map_err(|why| OpenError::Unreachable(why.to_string()))?;
            for master in cluster.masters() {
                suitable::check(&master, true).await?;
            }
            Ok(())
        }
    }
}
