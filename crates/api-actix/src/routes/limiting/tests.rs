//! The middleware, with the composed stores of `keystead dev` or counters made for a test.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use async_trait::async_trait;
use futures_util::future::poll_immediate;
use keystead_application::ports::{EphemeralError, RateDecision, RateHit};
use keystead_domain::limits::{self, Gcra, SLOWED_AT_ONCE};
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
    /// Holds answers back until others asked, too.
    far: bool,
}

#[async_trait]
impl RateLimiter for Counters {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.away {
            return Err(EphemeralError("away".to_owned()));
        }
        if self.far {
            tokio::task::yield_now().await;
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
    /// Time that goes on, in microseconds.
    elapsed: Arc<AtomicI64>,
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
        let mut limits = RequestLimits::new(
            Arc::clone(&counters) as Arc<dyn RateLimiter>,
            services.store.clone(),
            services.guard.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            config.limits,
            Arc::new(|| true),
        );
        let (begin, elapsed) = (Instant::now(), Arc::new(AtomicI64::new(0)));
        let since = Arc::clone(&elapsed);
        let now = move || begin + Duration::from_micros(since.load(Ordering::SeqCst).unsigned_abs());
        limits.instant = Arc::new(now);
        Self { limits: Data::new(limits), counters, clock, elapsed, _directory: directory }
    }

    fn asked(&self) -> i64 {
        self.counters.asked.load(Ordering::SeqCst)
    }

    fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap();
        self.elapsed.fetch_add(micros, Ordering::SeqCst);
        self.clock.0.fetch_add(micros, Ordering::SeqCst);
    }

    fn set_clock_back(&self, span: Duration) {
        self.clock.0.fetch_sub(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
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
    assert_eq!(allowed, limits::LOGIN.limit * limits::SITE_FACTOR);
    assert_eq!(bench.log_in("2001:db8:2:1::1").await, 200, "another site");
    assert_eq!(bench.log_in("192.0.2.1").await, 200, "an IPv4 address has no site");
}

#[actix_web::test]
async fn a_burst_of_one_64_takes_from_its_48_only_what_it_was_let_through() {
    let bench = Bench::counting(Counters { far: true, ..Counters::default() }, unslowed);
    let burst = (0..100).map(|n| bench.log_in(["2001:db8:1:2::1", "2001:db8:1:2::2"][n % 2]));
    let mut allowed = 0;
    for status in futures_util::future::join_all(burst).await {
        allowed += u32::from(status == 200);
    }
    assert_eq!(allowed, limits::LOGIN.limit);
    assert_eq!(bench.asked(), 100 + i64::from(limits::LOGIN.limit), "all were under way before one was refused");
    for net in 3..60 {
        for host in 0..2 {
            allowed += u32::from(bench.log_in(&format!("2001:db8:1:{net:x}::{host:x}")).await == 200);
        }
    }
    assert_eq!(allowed, limits::LOGIN.limit * limits::SITE_FACTOR);
}

#[actix_web::test]
async fn nobody_is_slowed_down_for_the_neighbours() {
    let bench = Bench::new(|config| {
        config.policies.iter_mut().filter(|policy| policy.name == "slow-down").for_each(|policy| policy.limit = 1);
    });
    for n in 0..100 {
        let from = format!("2001:db8:1:2::{n:x}");
        let wait = poll_immediate(Box::pin(bench.send(Method::POST, "/api/v1/auth/logout", &from))).await;
        assert_eq!(wait.is_some(), n == 0, "{n}");
    }
    for net in 3..100 {
        let from = format!("2001:db8:1:{net:x}::1");
        let wait = poll_immediate(Box::pin(bench.send(Method::POST, "/api/v1/auth/logout", &from))).await;
        assert!(wait.is_some(), "{net}");
    }
}

#[actix_web::test]
async fn whoever_goes_on_asking_costs_no_round_trips_and_takes_nothing_from_the_neighbours() {
    let bench = Bench::new(unslowed);
    for _ in 0..500 {
        bench.log_in("2001:db8:1:2::1").await;
    }
    // Each that is let through is counted for its site, too; one is refused, and no more are asked for.
    assert_eq!(bench.asked(), 2 * i64::from(limits::LOGIN.limit) + 1);
    assert_eq!(bench.log_in("2001:db8:1:3::1").await, 200);
    bench.advance(limits::LOGIN.interval());
    assert_eq!([bench.log_in("2001:db8:1:2::1").await, bench.log_in("2001:db8:1:2::1").await], [200, 429]);
}

#[actix_web::test]
async fn every_route_of_the_api_counts_requests() {
    let bench = Bench::new(|config| {
        config.policies.iter_mut().filter(|policy| policy.name == "requests").for_each(|policy| policy.limit = 2);
    });
    let unknown = ["/api/v1/nowhere", "/api/v1/users/me/nowhere"];
    for path in [PROFILE, "/api/v1/social", "/api/v1/admin/users/7", "/api/v1/openapi.json"].into_iter().chain(unknown)
    {
        let from = format!("192.0.2.{}", path.len());
        let statuses = [0; 3].map(|_| bench.send(Method::GET, path, &from));
        let statuses = futures_util::future::join_all(statuses).await;
        assert_eq!(statuses.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 429], "{path}");
        assert!(statuses[0].1.starts_with("\"requests\";r=1;t="), "{statuses:?}");
    }
    let asked = bench.asked();
    let hot = bench.send(Method::POST, "/api/v1/auth/token/verify", "192.0.2.1").await;
    assert_eq!((hot, bench.asked()), ((200, String::new()), asked), "nothing is counted there");
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
async fn a_clock_that_is_set_back_leaves_nothing_uncounted_and_nobody_refused_for_longer() {
    let bench = Bench::counting(Counters { away: true, ..Counters::default() }, |_| ());
    bench.send(Method::GET, PROFILE, "192.0.2.1").await;
    bench.set_clock_back(Duration::from_hours(24));
    bench.advance(AWAY);
    let asked = bench.asked();
    bench.send(Method::GET, PROFILE, "192.0.2.1").await;
    assert_eq!(bench.asked(), asked + 1, "counters are asked again in time");

    let bench = Bench::new(unslowed);
    for _ in 0..=limits::LOGIN.limit {
        bench.log_in("192.0.2.1").await;
    }
    bench.set_clock_back(Duration::from_hours(24));
    bench.advance(limits::LOGIN.interval());
    let asked = bench.asked();
    bench.log_in("192.0.2.1").await;
    assert_eq!(bench.asked(), asked + 1, "nothing but the counter itself refuses any longer");
}

#[actix_web::test]
async fn no_more_answers_wait_than_there_are_places_and_who_leaves_frees_theirs() {
    let bench = Bench::new(|_| ());
    let wait = Duration::from_secs(5);
    let client = |n: usize| ClientAddress::of(format!("192.0.2.{n}").parse().unwrap());
    let mut waiting = Vec::new();
    for n in 0..SLOWED_AT_ONCE {
        let mut answer = Box::pin(bench.limits.slow_down(client(n / SLOWED_PER_CLIENT), wait));
        assert!(poll_immediate(&mut answer).await.is_none(), "it waits");
        waiting.push(answer);
    }
    let refused = bench.limits.slow_down(client(99), wait).await.unwrap_err();
    let refused = refused.to_response(None, crate::http::Language::English);
    assert_eq!(
        (refused.status().as_u16(), refused.headers().get("retry-after").unwrap()),
        (429, &"5".parse().unwrap())
    );
    assert!(bench.limits.slow_down(client(99), Duration::ZERO).await.is_ok(), "who need not wait needs no place");
    waiting.pop();
    assert!(
        poll_immediate(&mut Box::pin(bench.limits.slow_down(client(99), wait))).await.is_none(),
        "there is a place again"
    );
}

#[actix_web::test]
async fn one_client_takes_no_more_than_its_own_places() {
    let bench = Bench::new(|_| ());
    let (wait, flood) = (Duration::from_secs(5), ClientAddress::of("192.0.2.1".parse().unwrap()));
    let mut waiting = Vec::new();
    for n in 0..2 * SLOWED_PER_CLIENT {
        let mut answer = Box::pin(bench.limits.slow_down(flood, wait));
        let told = poll_immediate(&mut answer).await;
        assert_eq!(told.is_some_and(|answer| answer.is_err()), n >= SLOWED_PER_CLIENT, "{n}");
        waiting.push(answer);
    }
    let other = ClientAddress::of("192.0.2.2".parse().unwrap());
    assert!(poll_immediate(&mut Box::pin(bench.limits.slow_down(other, wait))).await.is_none(), "others wait");
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
