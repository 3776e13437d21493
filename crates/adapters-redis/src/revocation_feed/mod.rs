//! `RevocationFeed`: a stream, and beside it what it is called and how many entries it ever had.
//!
//! Entries are numbered by the publishing script, and a number is an entry's id in the stream. A reader's cursor names
//! the last entry it read and, by a chain of hashes, all that came before. So whatever happens to Redis, a reader either goes on exactly where it
//! stopped or is told another `feed_id`:
//!
//! | what happened | what the reader finds | `feed_id` |
//! |---|---|---|
//! | flushed, expired, restarted empty | a feed of another name | the new name |
//! | trimmed beyond the cursor | its last entry gone | the old name with a count of losses |
//! | failover to a replica that was behind | its last entry gone, or another in its place | the same |

mod entry;
mod place;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::{self, Value};
use keystead_application::ports::{EphemeralError, FeedBatch, FeedCursor, RevocationFeed};
use keystead_domain::token::Revocation;
use tokio::time::Instant;

use self::place::Place;
use crate::connection::{Argument, Connection, Node, Repeat, Script};
use crate::link::Link;

static PUBLISH: Script =
    Script::new(concat!(include_str!("../scripts/feed_begin.lua"), include_str!("../scripts/feed_publish.lua")));
static READ: Script =
    Script::new(concat!(include_str!("../scripts/feed_begin.lua"), include_str!("../scripts/feed_read.lua")));

/// How long a feed nobody writes to or reads lives: twice as long as a revocation can matter.
const LIFE: Duration = Duration::from_secs(7200);
/// About how many entries are kept.
const KEPT: usize = 10_000;
/// The most entries of one batch.
const BATCH: usize = 1000;
/// The longest one blocking read waits before the feed's name is looked at: a feed that was flushed rings no bell.
const LOOK: Duration = Duration::from_secs(1);
/// Before a waiting reader looks again when its server turned it away.
const TURNED_AWAY: Duration = Duration::from_millis(50);
/// Connections kept for readers to wait on.
const IDLE: usize = 4;

/// Revocations on their way through Redis. Shared, not cloned: it keeps the connections readers wait on.
pub struct RedisRevocationFeed {
    link: Arc<Link>,
    name: String,
    calls: AtomicU64,
    bells: Mutex<Vec<(Arc<Node>, Connection)>>,
}

/// What the reading script answers: the feed, whether entries are lost, and entries as (id, [field, value, …]).
type Answer = (String, bool, Vec<(String, Vec<String>)>);

impl RedisRevocationFeed {
    pub(crate) fn new(link: Arc<Link>, name: String) -> Self {
        Self { link, name, calls: AtomicU64::new(0), bells: Mutex::default() }
    }

    /// A name nobody else gives, and this process gives once: for a new feed, and in the history of entries.
    fn call_name(&self) -> String {
        format!("{}.{}", self.name, self.calls.fetch_add(1, Ordering::Relaxed))
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        rest: impl IntoIterator<Item = Argument>,
    ) -> Result<T, EphemeralError> {
        let (feed, state) = (self.link.keys.feed(), self.link.keys.feed_state());
        let life = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        let mut arguments = vec![self.call_name().into(), life.into()];
        arguments.extend(rest);
        self.link.within(script.run(&self.link.route, &[&feed, &state], &arguments, Repeat::Safe)).await
    }

    /// What there is after `place`, now.
    async fn fetch(&self, place: Option<&Place>) -> Result<(Place, Vec<Revocation>), EphemeralError> {
        let from = place.cloned().unwrap_or_default();
        let rest = [BATCH.into(), from.feed.as_str().into(), from.sequence.into(), from.history.as_str().into()];
        let (feed, lost, entries): Answer = self.run(&READ, rest).await?;
        let mut place = match (feed == from.feed, lost) {
            (true, false) => from,
            (true, true) => Place { feed, losses: from.losses.saturating_add(1), ..Place::default() },
            (false, _) => Place { feed, ..Place::default() },
        };
        let mut revocations = Vec::with_capacity(entries.len());
        for (id, fields) in entries {
            let entry = read_entry(&id, &fields).ok_or_else(|| EphemeralError("a revocation cannot be read".into()))?;
            (place.sequence, place.history) = (entry.0, entry.1);
            revocations.push(entry.2);
        }
        Ok((place, revocations))
    }

    /// Waits until there may be an entry after `place`, at most for `wait`.
    async fn listen(&self, place: &Place, wait: Duration) -> Result<(), EphemeralError> {
        let key = self.link.keys.feed();
        let node = self.link.route.node_of(&key)?;
        let connection = self.bell(&node).await?;
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(millis).arg("STREAMS").arg(&key);
        command.arg(format!("{}-0", place.sequence));
        let answer: redis::RedisResult<Value> =
            connection.patient(wait + self.link.response_timeout).send(&command).await;
        match answer {
            Ok(_) => {
                let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
                if bells.len() < IDLE {
                    bells.push((node, connection));
                }
                Ok(())
            }
            Err(error) => {
                self.link.route.distrust();
                if error.is_io_error() {
                    return Err(EphemeralError(error.to_string()));
                }
                // Moved to another node, or demoted: looking again finds out which.
                tokio::time::sleep(TURNED_AWAY).await;
                Ok(())
            }
        }
    }

    /// A connection to wait on: a waiting command would hold up everybody on a shared one.
    async fn bell(&self, node: &Arc<Node>) -> Result<Connection, EphemeralError> {
        {
            let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
            bells.retain(|(of, connection)| Arc::ptr_eq(of, node) && !connection.is_closed());
            if let Some((_, connection)) = bells.pop() {
                return Ok(connection);
            }
        }
        node.own_connection().await.map_err(|why| EphemeralError(why.to_string()))
    }
}

fn read_entry(id: &str, fields: &[String]) -> Option<(u64, String, Revocation)> {
    let sequence = id.strip_suffix("-0")?.parse().ok()?;
    match fields {
        [_, history, _, revocation] => Some((sequence, history.clone(), entry::parse(revocation)?)),
        _ => None,
    }
}

#[async_trait]
impl RevocationFeed for RedisRevocationFeed {
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), EphemeralError> {
        if revocations.is_empty() {
            return Ok(());
        }
        let entries = revocations.iter().map(|revocation| entry::to_text(revocation).into());
        self.run::<i64>(&PUBLISH, std::iter::once(KEPT.into()).chain(entries)).await.map(drop)
    }

    async fn read(&self, cursor: Option<FeedCursor>, wait: Duration) -> Result<FeedBatch, EphemeralError> {
        let mut place = cursor.as_ref().and_then(Place::parse);
        let began = Instant::now();
        loop {
            let (reached, revocations) = self.fetch(place.as_ref()).await?;
            let left = wait.saturating_sub(began.elapsed());
            let told = !revocations.is_empty() || place.is_some_and(|place| place.feed_id() != reached.feed_id());
            if told || left.is_zero() {
                return Ok(FeedBatch { feed_id: reached.feed_id(), revocations, cursor: reached.to_cursor() });
            }
            self.listen(&reached, left.min(LOOK)).await?;
            place = Some(reached);
        }
    }
}
