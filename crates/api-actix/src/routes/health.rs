//! `/health/live`, `/health/ready` and their aliases.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use futures_util::future::join;
use keystead_application::ports::{Clock, SessionStore, Store};
use keystead_application::revocation::RevocationView;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::ApiError;

/// How long what the stores said is told again, from when they were asked.
const KEPT: Duration = Duration::from_secs(1);

/// What readiness looks at.
///
/// Probes are counted by nothing and always answered, so what they cost is bounded here: however many come, the stores are
/// asked by one at a time and once in [`KEPT`]. Whoever floods them takes one connection of each pool.
pub struct Readiness {
    store: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    view: Arc<RevocationView>,
    clock: Arc<dyn Clock>,
    latest: Mutex<Option<Asked>>,
    /// Time that is never set.
    instant: fn() -> Instant,
}

/// A question to the stores: since when, and what they said as soon as they did.
struct Asked {
    since: Instant,
    answer: watch::Receiver<Option<Answers>>,
}

/// Which stores answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answers {
    store: bool,
    sessions: bool,
}

impl Asked {
    /// Whether this is still to be told at `now`: it is fresh, or under way.
    fn serves(&self, now: Instant) -> bool {
        let is_fresh = now.duration_since(self.since) < KEPT;
        // Without an answer, and without anybody who could still give one, it was given up.
        is_fresh || (self.answer.borrow().is_none() && self.answer.has_changed().is_ok())
    }
}

impl Readiness {
    /// The checks.
    pub fn new(
        store: Arc<dyn Store>,
        sessions: Arc<dyn SessionStore>,
        view: Arc<RevocationView>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, sessions, view, clock, latest: Mutex::new(None), instant: Instant::now }
    }

    /// What the stores say, or said less than [`KEPT`] ago.
    async fn answers(&self) -> Answers {
        let mut answer = self.question();
        let given = answer.wait_for(Option::is_some).await.ok().and_then(|answers| *answers);
        given.unwrap_or(Answers { store: false, sessions: false })
    }

    /// The question that is under way or was answered just now, or a new one.
    fn question(&self) -> watch::Receiver<Option<Answers>> {
        let now = (self.instant)();
        // What is behind the lock is whole whatever panicked beside it.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = latest.as_ref().filter(|asked| asked.serves(now)) {
            return asked.answer.clone();
        }
        let (told, answer) = watch::channel(None);
        let (store, sessions) = (Arc::clone(&self.store), Arc::clone(&self.sessions));
        // On its own: a client that hangs up neither ends the question nor begins another.
        tokio::spawn(async move {
            let (store, sessions) = join(store.ping(), sessions.ping()).await;
            told.send_replace(Some(Answers { store: store.is_ok(), sessions: sessions.is_ok() }));
        });
        *latest = Some(Asked { since: now, answer: answer.clone() });
        answer
    }
}

/// A health report.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `ok` or `failing`.
    status: &'static str,
    /// Each check.
    checks: Checks,
}

/// The checks of a report.
#[derive(Serialize, utoipa::ToSchema)]
struct Checks {
    /// The database answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'static str>,
    /// The store of sessions and limits answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<&'static str>,
    /// Revocations are read in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<&'static str>,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "operations",
    responses((status = 200, description = "It runs", body = inline(Health), content_type = "application/json")))]
pub(super) async fn live() -> HttpResponse {
    report(true, Checks { store: None, sessions: None, revocations: None })
}

/// The service can do its work.
#[utoipa::path(get, path = "/health/ready", tag = "operations",
    responses((status = 200, description = "It can", body = inline(Health), content_type = "application/json"),
        (status = 503, description = "It cannot", body = inline(Health), content_type = "application/json")))]
pub(super) async fn ready(readiness: Data<Readiness>) -> Result<HttpResponse, ApiError> {
    let Answers { store, sessions } = readiness.answers().await;
    let revocations = readiness.view.is_confirmed(readiness.clock.now());
    let word = |good: bool| Some(if good { "ok" } else { "failing" });
    let checks = Checks { store: word(store), sessions: word(sessions), revocations: word(revocations) };
    Ok(report(store && sessions && revocations, checks))
}

fn report(good: bool, checks: Checks) -> HttpResponse {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = Health { status: if good { "ok" } else { "failing" }, checks };
    let body = serde_json::to_vec(&health).unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::future::{join_all, poll_immediate};
    use keystead_application::ports::{StoreError, Tx};
    use keystead_domain::SecretBytes;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::compose::compose;
    use crate::config::{Config, MASTER_KEY_BYTES};

    /// A store that answers when it is let, and counts how often it was asked.
    struct Held {
        inner: Arc<dyn Store>,
        asked: AtomicUsize,
        answers: Semaphore,
        is_away: bool,
    }

    #[async_trait]
    impl Store for Held {
        async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
            self.inner.begin().await
        }

        async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
            self.inner.read().await
        }

        async fn ping(&self) -> Result<(), StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
            if self.is_away { Err(StoreError::Unavailable("away".to_owned())) } else { self.inner.ping().await }
        }
    }

    fn bench(is_away: bool) -> (Arc<Held>, Readiness, tempfile::TempDir) {
        let directory = tempfile::TempDir::new().unwrap();
        let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
        let composed = compose(&Config::for_dev(([127, 0, 0, 1], 0).into(), directory.path(), &key).unwrap()).unwrap();
        let (inner, background) = (composed.services.store.clone(), composed.background);
        let store = Arc::new(Held { inner, asked: AtomicUsize::new(0), answers: Semaphore::new(0), is_away });
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let clock = composed.services.clock.clone();
        let mut readiness =
            Readiness::new(shared, Arc::clone(&background.sessions), Arc::clone(&background.view), clock);
        // No time passes but for the test that says so.
        readiness.instant = || *BEGIN;
        (store, readiness, directory)
    }

    static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    const GOOD: Answers = Answers { store: true, sessions: true };

    #[actix_web::test]
    async fn however_many_ask_the_stores_are_asked_by_one_and_once_in_a_while() {
        let (store, mut readiness, _directory) = bench(false);
        let all = join_all((0..1000).map(|_| readiness.answers()));
        let mut all = Box::pin(all);
        assert!(poll_immediate(&mut all).await.is_none(), "the store has not answered");
        store.answers.add_permits(1);
        assert!(all.await.iter().all(|answers| *answers == GOOD));
        assert_eq!(readiness.answers().await, GOOD);
        assert_eq!(store.asked.load(Ordering::SeqCst), 1);

        readiness.instant = || *BEGIN + KEPT - Duration::from_nanos(1);
        assert_eq!(readiness.answers().await, GOOD);
        assert_eq!(store.asked.load(Ordering::SeqCst), 1);
        readiness.instant = || *BEGIN + KEPT;
        store.answers.add_permits(1);
        assert_eq!(readiness.answers().await, GOOD);
        assert_eq!(store.asked.load(Ordering::SeqCst), 2, "nothing older is told");
    }

    #[actix_web::test]
    async fn who_hangs_up_ends_no_question_and_begins_none() {
        let (store, mut readiness, _directory) = bench(false);
        for _ in 0..100 {
            assert!(poll_immediate(Box::pin(readiness.answers())).await.is_none());
        }
        readiness.instant = || *BEGIN + 10 * KEPT;
        let mut late = Box::pin(readiness.answers());
        assert!(poll_immediate(&mut late).await.is_none(), "one question at a time, however long it takes");
        store.answers.add_permits(1);
        assert_eq!(late.await, GOOD);
        assert_eq!(store.asked.load(Ordering::SeqCst), 1);
    }

    #[actix_web::test]
    async fn a_store_that_is_away_is_told_and_asked_again() {
        let (store, mut readiness, _directory) = bench(true);
        store.answers.add_permits(2);
        assert_eq!(readiness.answers().await, Answers { store: false, sessions: true });
        readiness.instant = || *BEGIN + KEPT;
        assert_eq!(readiness.answers().await, Answers { store: false, sessions: true });
        assert_eq!(store.asked.load(Ordering::SeqCst), 2);
    }

    #[actix_web::test]
    async fn a_question_that_was_given_up_is_asked_again() {
        let (store, readiness, _directory) = bench(false);
        store.answers.close();
        assert_eq!(readiness.answers().await, Answers { store: false, sessions: false });
        let asked = readiness.latest.lock().unwrap().take().unwrap();
        assert!(asked.serves(*BEGIN) && !asked.serves(*BEGIN + KEPT));
    }
}
