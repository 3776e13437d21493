use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, select_ok};
use tokio::time::Instant;

use deadpool_redis::redis::{self, RedisResult};

use super::dial::{Connection, Dialer, Peer};
use crate::config::Address;

/// After a failed attempt to connect calls fail at once for this long.
const REST: Duration = Duration::from_millis(200);

/// Where a node is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A server that is a master.
    Master(Address),
    /// A node of a cluster.
    ClusterNode(Address),
    /// Whatever the sentinels say.
    Watched {
        /// The sentinels.
        sentinels: Arc<[Address]>,
        /// The master's name.
        master: Arc<str>,
    },
}

/// A server, and the one connection to it that everybody shares. A broken connection is made anew by the next caller.
pub(crate) struct Node {
    place: Place,
    dialer: Arc<Dialer>,
    state: Mutex<State>,
    failing: AtomicBool,
}

/// An attempt every caller can wait for. It goes on when they give up.
type Attempt = Shared<BoxFuture<'static, Result<Connection, Arc<str>>>>;

enum State {
    Idle,
    Dialing(Attempt),
    Up(Connection),
    Down { until: Instant, why: Arc<str> },
}

impl Node {
    pub(crate) fn new(place: Place, dialer: Arc<Dialer>) -> Arc<Self> {
        Arc::new(Self { place, dialer, state: Mutex::new(State::Idle), failing: AtomicBool::new(false) })
    }

    /// The address, if it is always the same.
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.place {
            Place::Master(address) | Place::ClusterNode(address) => Some(address),
            Place::Watched { .. } => None,
        }
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Master((host, port)) | Place::ClusterNode((host, port)) => format!("{host}:{port}"),
            Place::Watched { master, .. } => format!("master {master}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shared connection. Makes it when there is none: one attempt at a time, however many callers there are.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Connection, Arc<str>> {
        let attempt = {
            let mut state = self.state();
            match &*state {
                State::Up(connection) if !connection.is_closed() => return Ok(connection.clone()),
                State::Down { until, why } if Instant::now() < *until => return Err(Arc::clone(why)),
                State::Dialing(attempt) => attempt.clone(),
                State::Up(_) | State::Down { .. } | State::Idle => {
                    let attempt = self.attempt();
                    *state = State::Dialing(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }

    /// A task of its own on the adapter's runtime, so that it outlives the caller that began it.
    fn attempt(self: &Arc<Self>) -> Attempt {
        let node = Arc::clone(self);
        let task = self.dialer.runtime().spawn(async move {
            let result = node.dial().await;
            node.report(result.as_ref().err());
            *node.state() = match &result {
                Ok(connection) => State::Up(connection.clone()),
                Err(why) => State::Down { until: Instant::now() + REST, why: Arc::clone(why) },
            };
            result
        });
        task.map(|joined| joined.unwrap_or_else(|error| Err(error.to_string().into()))).boxed().shared()
    }

    async fn dial(&self) -> Result<Connection, Arc<str>> {
        let result = match &self.place {
            Place::Master(address) => self.dialer.dial(address, Peer::Master).await,
            Place::ClusterNode(address) => self.dialer.dial(address, Peer::ClusterNode).await,
            Place::Watched { sentinels, master } => {
                let asked = sentinels.iter().map(|sentinel| self.master_by(sentinel, master).boxed());
                select_ok(asked).await.map(|(connection, _)| connection)
            }
        };
        result.map_err(|error| format!("{}: {error}", self.name()).into())
    }

    /// One line when an outage begins and one when it is over.
    fn report(&self, failure: Option<&Arc<str>>) {
        match (failure, self.failing.swap(failure.is_some(), Ordering::Relaxed)) {
            (Some(why), false) => tracing::warn!(%why, "no connection to Redis"),
            (None, true) => tracing::info!(server = self.name(), "connected to Redis again"),
            (Some(_), true) | (None, false) => {}
        }
    }

    /// Asks one sentinel for the master, and connects to it. A sentinel that is behind names a server that turns out to
    /// be a replica, and loses against the others.
    async fn master_by(&self, sentinel: &Address, master: &str) -> RedisResult<Connection> {
        let connection = self.dialer.dial(sentinel, Peer::Sentinel).await?;
        let answer = connection.send(redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master)).await?;
        let Some(address) = redis::from_redis_value::<Option<Address>>(answer)? else {
            return Err(
                (redis::ErrorKind::MasterNameNotFoundBySentinel, "the sentinel knows no master of this name").into()
            );
        };
        self.dialer.dial(&address, Peer::Master).await
    }

    /// A connection nobody shares, for a command that blocks.
    pub(crate) async fn own_connection(self: &Arc<Self>) -> Result<Connection, Arc<str>> {
        // Where the shared one cannot be had, neither can this one: fails as fast.
        self.connection().await?;
        let node = Arc::clone(self);
        self.on_runtime(async move { node.dial().await }).await
    }

    async fn on_runtime<F>(&self, work: F) -> Result<Connection, Arc<str>>
    where
        F: Future<Output = Result<Connection, Arc<str>>> + Send + 'static,
    {
        self.dialer.runtime().spawn(work).await.unwrap_or_else(|error| Err(error.to_string().into()))
    }

    /// The connection is no good: the next caller makes another. Does nothing when somebody did already.
    pub(crate) fn lost(&self, broken: &Connection) {
        let mut state = self.state();
        if matches!(&*state, State::Up(connection) if connection.is(broken)) {
            *state = State::Idle;
        }
    }
}
