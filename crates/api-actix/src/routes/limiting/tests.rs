//! The middleware, with the composed stores of `keystead dev` or counters made for a test.

use std::sync::Mutex;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use async_trait::async_trait;
use futures_util::future::poll_immediate;
use keystead_application::ports::{EphemeralError, RateDecision, RateHit};
use keystead_domain::limits::{self, Gcra};
use keystead_domain::{SecretBytes, Timestamp};

use super::*;
use crate::compose::compose;
use crate::config::{Config, MASTER_KEY_BYTES};

const LOGIN: &str = "/api/v1/auth/login";
const PROFILE: &str = "/api/v1/users/me";

/// A clock that is moved by hand.
#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Exact counters, how often they were asked, and whether they are away.
#[derive(Default)]
struct Counters {
    counted: Mutex<Vec<(RateHit, Gcra)>>,
    asked: AtomicI64,
    away: bool,
}

#[async_trait]
impl RateLimiter for Counters {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away {
            return Err(EphemeralError("away".to_owned()));
        }
        let mut counters = self.counted.lock().unwrap();
        let mut decisions = Vec::new();
        for hit in hits {
            let at = counters.iter().position(|(known, _)| known == hit).unwrap_or_else(|| {
                counters.push((hit.clone(), Gcra::default()));
                counters.len() - 1
            });
            let counter = &mut counters[at].1;
            let allowed = counter.take(&hit.policy, now).is_ok();
            decisions.push(RateDecision::of(hit.policy, allowed, *counter, now));
        }
        Ok(decisions)
    }
}

/// Limits on stores of their own.
struct Bench {
    limits: Data<RequestLimits>,
    counters: Arc<Counters>,
    clock: Arc<Hand>,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(change: impl FnOnce(&mut LimitsConfig)) -> Self {
        Self::counting(Counters::default(), change)
    }

    fn counting(counters: Counters, change: impl FnOnce(&mut LimitsConfig)) -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let key = SecretBytes::new(vec![7; MASTER_KEY_BYTES]);
        let mut config = Config::for_dev(([127, 0, 0, 1], 0).into(), directory.path(), &key).unwrap();
        let services = compose(&config).unwrap().services;
        config.limits.mode = LimitsMode::Default;
        change(&mut config.limits);
        let (counters, clock) = (Arc::new(counters), Arc::new(Hand::default()));
        let limits = RequestLimits::new(
            Arc::clone(&counters) as Arc<dyn RateLimiter>,
            services.store.clone(),
            services.guard.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            config.limits,
            Arc::new(|| true),
        );
        Self { limits: Data::new(limits), counters, clock, _directory: directory }
    }

    fn asked(&self) -> i64 {
        self.counters.asked.load(Ordering::SeqCst)
    }

    fn advance(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Status and, where the request was counted, the `RateLimit` header of a request that begins and ends at once.
    async fn send(&self, method: Method, path: &str, from: &str) -> (u16, String) {
        let app = App::new().app_data(self.limits.clone()).service(
            web::scope("/api/v1")
                .default_service(web::to(HttpResponse::Ok))
                .wrap(actix_web::middleware::from_fn(limit)),
        );
        let app = init_service(app).await;
        let request =
            TestRequest::with_uri(path).method(method).peer_addr((from.parse::<std::net::IpAddr>().unwrap(), 1).into());
        let answer = call_service(&app, request.to_request()).await;
        let shown = answer.headers().get("ratelimit").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), shown.unwrap_or_default())
    }

    async fn log_in(&self, from: &str) -> u16 {
        self.send(Method::POST, LOGIN, from).await.0
    }
}

fn unslowed(config: &mut LimitsConfig) {
    let slow_down = config.policies.iter_mut().find(|policy| policy.name == limits::SLOW_DOWN.name).unwrap();
    slow_down.limit = 1_000_000;
}

#[actix_web::test]
async fn addresses_of_a_64_are_one_client_and_its_48_has_ten_times_as_much() {
    let bench = Bench::new(unslowed);
    let mut allowed = 0;
    for n in 0..1000 {
        allowed += u32::from(bench.log_in(&format!("2001:db8:1:2::{n:x}")).await == 200);
    }
    assert_eq!(allowed, limits::LOGIN.limit);
    for net in 3..200 {
        for host in 0..2 {
            allowed += u32::from(bench.log_in(&format!("2001:db8:1:{net:x}::{host:x}")).await == 200);
        }
    }
    // One of the many that were refused to the first net had reached the counters before it was known to be refused.
    assert_eq!(allowed, limits::LOGIN.limit * limits::SITE_FACTOR - 1);
    assert_eq!(bench.log_in("2001:db8:2:1::1").await, 200, "another site");
    assert_eq!(bench.log_in("192.0.2.1").await, 200, "an IPv4 address has no site");
}

#[actix_web::test]
async fn whoever_goes_on_asking_costs_no_round_trips_and_takes_nothing_from_the_neighbours() {
    let bench = Bench::new(unslowed);
    for _ in 0..500 {
        bench.log_in("2001:db8:1:2::1").await;
    }
    assert_eq!(bench.asked(), i64::from(limits::LOGIN.limit) + 1);
    assert_eq!(bench.log_in("2001:db8:1:3::1").await, 200);
    bench.advance(limits::LOGIN.interval());
    assert_eq!([bench.log_in("2001:db8:1:2::1").await, bench.log_in("2001:db8:1:2::1").await], [200, 429]);
}

#[actix_web::test]
async fn every_route_of_the_api_counts_requests() {
    let bench = Bench::new(|config| {
        config.policies.iter_mut().filter(|policy| policy.name == "requests").for_each(|policy| policy.limit = 2);
    });
    for path in [PROFILE, "/api/v1/social", "/api/v1/admin/users/7"] {
        let from = format!("192.0.2.{}", path.len());
        let statuses = [0; 3].map(|_| bench.send(Method::GET, path, &from));
        let statuses = futures_util::future::join_all(statuses).await;
        assert_eq!(statuses.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 429], "{path}");
        assert!(statuses[0].1.starts_with("\"requests\";r=1;t="), "{statuses:?}");
    }
    let asked = bench.asked();
    for path in ["/api/v1/openapi.json", "/api/v1/nowhere"] {
        assert_eq!(bench.send(Method::GET, path, "192.0.2.1").await, (200, String::new()), "{path}");
    }
    assert_eq!(bench.asked(), asked, "nothing is counted there");
}

#[actix_web::test]
async fn the_allowed_are_not_counted() {
    let bench =
        Bench::new(|config| config.allow = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
    for from in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        for _ in 0..20 {
            assert_eq!(bench.log_in(from).await, 200, "{from}");
        }
    }
    assert_eq!(bench.asked(), 0);
}

#[actix_web::test]
async fn without_counters_credentials_are_refused_and_the_rest_goes_on() {
    let bench = Bench::counting(Counters { away: true, ..Counters::default() }, |_| ());
    assert_eq!(bench.log_in("192.0.2.1").await, 503);
    let read = || bench.send(Method::GET, PROFILE, "192.0.2.1");
    assert_eq!(read().await.0, 200);
    let asked = bench.asked();
    assert_eq!(read().await.0, 200);
    assert_eq!(bench.asked(), asked, "nobody waits for what is known to be away");
    bench.advance(AWAY);
    read().await;
    assert_eq!(bench.asked(), asked + 1);
    assert_eq!(bench.log_in("192.0.2.1").await, 503);
}

#[actix_web::test]
async fn no_more_answers_wait_than_there_are_places_and_who_leaves_frees_theirs() {
    let bench = Bench::new(|_| ());
    let wait = Duration::from_secs(5);
    let mut waiting = Vec::new();
    for _ in 0..SLOWED_AT_ONCE {
        let mut answer = Box::pin(bench.limits.slow_down(wait));
        assert!(poll_immediate(&mut answer).await.is_none(), "it waits");
        waiting.push(answer);
    }
    let refused = bench.limits.slow_down(wait).await.unwrap_err();
    let refused = refused.to_response(None, crate::http::Language::English);
    assert_eq!(
        (refused.status().as_u16(), refused.headers().get("retry-after").unwrap()),
        (429, &"5".parse().unwrap())
    );
    assert!(bench.limits.slow_down(Duration::ZERO).await.is_ok(), "who need not wait needs no place");
    waiting.pop();
    assert!(poll_immediate(&mut Box::pin(bench.limits.slow_down(wait))).await.is_none(), "there is a place again");
}

#[actix_web::test]
async fn budgets_of_accounts_are_in_the_database() {
    let bench = Bench::new(|_| ());
    let (ada, bob) = (UserId::new(uuid::Uuid::from_u128(1)), UserId::new(uuid::Uuid::from_u128(2)));
    for _ in 0..limits::IMPERSONATION.limit {
        bench.limits.count_for(ada, &limits::IMPERSONATION).await.unwrap();
    }
    let refused = bench.limits.count_for(ada, &limits::IMPERSONATION).await.unwrap_err();
    assert_eq!(refused.code(), Code::ACCOUNT_LIMITED);
    bench.limits.count_for(bob, &limits::IMPERSONATION).await.unwrap();
    bench.limits.count_for(ada, &limits::ADMIN).await.unwrap();
    assert_eq!(bench.asked(), 0, "no counter that a flush forgets takes part");
    bench.advance(limits::IMPERSONATION.interval());
    bench.limits.count_for(ada, &limits::IMPERSONATION).await.unwrap();
}
