//! Limits per client address: counted before a body is read or a password hashed, shown on every limited answer. Limits per
//! account that no use-case counts, because they are about requests.

mod count;
mod slowed;
mod spent;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use keystead_application::ports::{Clock, EphemeralError, RateDecision, RateHit, RateLimiter, Store};
use keystead_application::service::GuessGuard;
use keystead_domain::account::UserId;
use keystead_domain::limits::RatePolicy;
use tokio::time::Instant;

use self::count::{Counted, Plan};
pub use self::slowed::SLOWED_PER_CLIENT;
use self::slowed::Slowed;
use self::spent::{Moment, Spent};
pub use self::table::{ADDRESS_POLICIES, AddressPolicy, LIMITS, PerAddress, RouteLimits};
use super::failure::account_limited;
use crate::config::{LimitsConfig, LimitsMode};
use crate::http::pressure::Line;
use crate::http::{ApiError, ClientAddress, Code, client_address, enforce_limits, limited, show_limits, with_limits};

/// Routes that hash a password or compute SRP. While the queue in front of the hasher is full they are refused before
/// anything is read, counted or written, so that what is shed costs next to nothing (G14).
const HASHING: &[&str] = &[
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/srp/challenge",
    "/api/v1/auth/srp/login",
    "/api/v1/auth/reauth",
    "/api/v1/auth/activate",
    "/api/v1/auth/password",
    "/api/v1/auth/password/reset",
    "/api/v1/recovery-codes",
];
/// When a shed request makes sense again.
const SHED_WAIT: Duration = Duration::from_secs(1);
/// How long counters that did not answer are not asked for what goes on without them.
const AWAY: Duration = Duration::from_secs(1);

/// Whether one more password can wait for the hasher.
pub type HashingRoom = Arc<dyn Fn() -> bool + Send + Sync>;

/// The limits of a deployment.
pub struct RequestLimits {
    limiter: Arc<dyn RateLimiter>,
    store: Arc<dyn Store>,
    guard: GuessGuard,
    clock: Arc<dyn Clock>,
    config: LimitsConfig,
    has_room: HashingRoom,
    spent: Spent,
    slowed: Slowed,
    /// Until when the counters are taken to be away.
    away_until: Mutex<Option<Instant>>,
    /// Time that is never set, as the clock may be.
    instant: Arc<dyn Fn() -> Instant + Send + Sync>,
}

impl RequestLimits {
    /// The limits as configured: those of addresses counted by `limiter`, those of accounts in `store`, where no flush and
    /// no restart forgets them. Passwords wait while `has_room`.
    pub fn new(
        limiter: Arc<dyn RateLimiter>,
        store: Arc<dyn Store>,
        guard: GuessGuard,
        clock: Arc<dyn Clock>,
        config: LimitsConfig,
        has_room: HashingRoom,
    ) -> Self {
        let (spent, slowed, away_until) = (Spent::default(), Slowed::default(), Mutex::default());
        let instant = Arc::new(Instant::now);
        Self { limiter, store, guard, clock, config, has_room, spent, slowed, away_until, instant }
    }

    fn sheds(&self, req: &ServiceRequest) -> bool {
        HASHING.contains(&req.path()) && req.method() != Method::GET && !(self.has_room)()
    }

    /// Counts a request. `None` when nothing is counted for it.
    async fn count(&self, req: &ServiceRequest, client: ClientAddress) -> Result<Option<Counted>, ApiError> {
        if client.ip().is_none_or(|ip| self.config.is_exempt(ip)) {
            return Ok(None);
        }
        // Asking for what is not there, or in a way it is not served, is a request as well.
        let address = table::of(req.method(), req.path()).map_or(PerAddress::Requests, |line| line.address);
        let plan = Plan::of(address, client, &self.config);
        let now = Moment { clock: self.clock.now(), instant: (self.instant)() };
        // What is only protected from floods is not worth an outage: it goes on while the counters are away. Credentials
        // are never taken uncounted.
        let goes_on_without = address == PerAddress::Requests;
        if plan.hosts().is_empty() || (goes_on_without && self.are_away(now.instant)) {
            return Ok(None);
        }
        if let Some(refusal) = self.spent.find(plan.hosts().iter().chain(plan.sites()), now) {
            return Ok(Some(Counted { shown: vec![refusal], wait: Duration::ZERO }));
        }
        match self.hit(&plan, now).await {
            Ok(counted) => Ok(Some(counted)),
            Err(error) if goes_on_without => {
                tracing::debug!(%error, "a request was not counted");
                *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.instant + AWAY);
                Ok(None)
            }
            Err(error) => Err(ApiError::unavailable(error)),
        }
    }

    /// Counts for the host and, where it lets the request through, for its site.
    async fn hit(&self, plan: &Plan, now: Moment) -> Result<Counted, EphemeralError> {
        let mut counted = plan.read(self.limiter.hit(plan.hosts(), now.clock).await?);
        self.note(plan.hosts(), &counted.shown, now);
        if counted.is_let_through() && !plan.sites().is_empty() {
            let decisions = self.limiter.hit(plan.sites(), now.clock).await?;
            self.note(plan.sites(), &decisions, now);
            counted.add_sites(&decisions);
        }
        Ok(counted)
    }

    fn note(&self, hits: &[RateHit], decisions: &[RateDecision], now: Moment) {
        for (hit, refusal) in hits.iter().zip(decisions).filter(|(_, decision)| !decision.allowed) {
            self.spent.note(hit, *refusal, now);
        }
    }

    fn are_away(&self, now: Instant) -> bool {
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }

    /// Counts what somebody signed in does, wherever they do it from.
    pub(super) async fn count_for(&self, user: UserId, policy: &RatePolicy) -> Result<(), ApiError> {
        if self.config.mode == LimitsMode::Off {
            return Ok(());
        }
        let ticket = self.guard.account(self.config.policy(policy), user);
        let now = self.clock.now();
        let mut tx = self.store.begin().await.map_err(ApiError::unavailable)?;
        let counted = self.guard.reserve(&mut *tx, &ticket, now).await.map_err(ApiError::unavailable)?;
        if let Err(again_at) = counted {
            return Err(account_limited(again_at, now));
        }
        tx.commit().await.map_err(ApiError::unavailable)
    }

    /// Waits as long as an answer has to. The time costs no thread, and a place while it lasts: who finds none is refused,
    /// and who hangs up leaves theirs.
    async fn slow_down(&self, client: ClientAddress, wait: Duration) -> Result<(), ApiError> {
        if wait.is_zero() {
            return Ok(());
        }
        let Some(_place) = self.slowed.take(client.limit_key()) else {
            return Err(limited(Code::RATE_LIMITED, wait));
        };
        actix_web::rt::time::sleep(wait).await;
        Ok(())
    }
}

/// The middleware around every route of the API but the hot path.
pub(super) async fn limit(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(limits) = req.app_data::<Data<RequestLimits>>().cloned() else {
        return Ok(req.error_response(ApiError::internal("limits are not composed")));
    };
    if limits.sheds(&req) {
        return Ok(req.error_response(ApiError::new(Code::OVERLOADED).retry_after(SHED_WAIT)));
    }
    let client = client_address(req.request());
    let counted = match limits.count(&req, client).await {
        Ok(Some(counted)) => counted,
        Ok(None) => return next.call(req).await.map(ServiceResponse::map_into_boxed_body),
        Err(error) => return Ok(req.error_response(error)),
    };
    let now = limits.clock.now();
    if let Err(error) = enforce_limits(&counted.shown, now) {
        return Ok(req.error_response(error));
    }
    if let Some(line) = Line::of(req.request()) {
        line.slow_down(counted.wait);
    }
    if let Err(error) = limits.slow_down(client, counted.wait).await {
        return Ok(req.error_response(with_limits(error, &counted.shown, now)));
    }
    let mut response = next.call(req).await?.map_into_boxed_body();
    show_limits(response.headers_mut(), &counted.shown, now);
    Ok(response)
}
