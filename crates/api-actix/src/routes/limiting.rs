//! Limits per client address: counted before a body is read or a password hashed, shown on every limited answer.

use std::sync::Arc;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use keystead_application::ports::{Clock, RateDecision, RateHit, RateLimiter};
use keystead_domain::account::UserId;
use keystead_domain::limits::{self, RatePolicy};

use super::failure::account_limited;
use crate::config::{LimitsConfig, LimitsMode};
use crate::http::{ApiError, ClientAddress, Code, client_address, enforce_limits, show_limits};

/// Method, path, policy.
type Rule = (&'static str, &'static str, Option<RatePolicy>);

/// Routes that are limited per address, and the policy of each. All of them are also slowed down together.
const LIMITED: &[Rule] = &[
    ("POST", "/api/v1/auth/register", Some(limits::REGISTER)),
    ("POST", "/api/v1/auth/register/verify", Some(limits::REGISTER_VERIFY)),
    ("POST", "/api/v1/captcha/challenge", Some(limits::CAPTCHA)),
    ("POST", "/api/v1/auth/login", Some(limits::LOGIN)),
    ("POST", "/api/v1/auth/srp/register", Some(limits::REGISTER)),
    ("POST", "/api/v1/auth/srp/challenge", Some(limits::SRP_CHALLENGE)),
    ("POST", "/api/v1/auth/srp/login", Some(limits::LOGIN)),
    ("POST", "/api/v1/auth/srp/verifier", None),
    ("POST", "/api/v1/auth/login/otp", Some(limits::REGISTER_VERIFY)),
    ("POST", "/api/v1/auth/login/code", Some(limits::LOGIN_FACTOR)),
    ("POST", "/api/v1/auth/login/passkey", Some(limits::LOGIN_FACTOR)),
    ("POST", "/api/v1/auth/login/passkey/options", Some(limits::LOGIN_FACTOR)),
    ("POST", "/api/v1/auth/passwordless", Some(limits::PASSWORDLESS)),
    ("POST", "/api/v1/auth/passwordless/verify", Some(limits::LOGIN_FACTOR)),
    ("POST", "/api/v1/auth/otp", None),
    ("PUT", "/api/v1/auth/otp", None),
    ("POST", "/api/v1/auth/otp/passkey", None),
    ("POST", "/api/v1/auth/otp/passkey/options", None),
    ("POST", "/api/v1/totp", None),
    ("POST", "/api/v1/totp/confirm", None),
    ("DELETE", "/api/v1/totp", None),
    ("POST", "/api/v1/recovery-codes", None),
    ("POST", "/api/v1/passkeys", None),
    ("POST", "/api/v1/passkeys/options", None),
    ("POST", "/api/v1/contacts", None),
    ("POST", "/api/v1/contacts/undo", Some(limits::LINK)),
    ("POST", "/api/v1/social/{provider}", Some(limits::SOCIAL)),
    ("POST", "/api/v1/social/{provider}/callback", Some(limits::SOCIAL)),
    ("POST", "/api/v1/users/me/social/{provider}", Some(limits::SOCIAL)),
    ("POST", "/api/v1/users/me/social/{provider}/callback", Some(limits::SOCIAL)),
    ("POST", "/api/v1/auth/activate", Some(limits::LINK)),
    ("POST", "/api/v1/auth/reauth", None),
    ("POST", "/api/v1/auth/refresh", None),
    ("POST", "/api/v1/auth/logout", None),
    ("GET", "/api/v1/auth/token", None),
    ("GET", "/api/v1/auth/status", None),
    ("POST", "/api/v1/auth/password/forgot", Some(limits::FORGOT)),
    ("POST", "/api/v1/auth/password/reset/begin", Some(limits::LINK)),
    ("POST", "/api/v1/auth/password/reset", Some(limits::LINK)),
    ("PATCH", "/api/v1/auth/password", None),
];

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

/// Whether one more password can wait for the hasher.
pub type HashingRoom = Arc<dyn Fn() -> bool + Send + Sync>;

/// The limits of a deployment.
pub struct RequestLimits {
    limiter: Arc<dyn RateLimiter>,
    clock: Arc<dyn Clock>,
    config: LimitsConfig,
    has_room: HashingRoom,
}

impl RequestLimits {
    /// The limits as configured, counted by `limiter`; passwords wait while `has_room`.
    pub fn new(
        limiter: Arc<dyn RateLimiter>,
        clock: Arc<dyn Clock>,
        config: LimitsConfig,
        has_room: HashingRoom,
    ) -> Self {
        Self { limiter, clock, config, has_room }
    }

    fn sheds(&self, req: &ServiceRequest) -> bool {
        HASHING.contains(&req.path()) && req.method() != Method::GET && !(self.has_room)()
    }

    /// Counts a request. `None` when nothing is counted for it.
    async fn count(&self, req: &ServiceRequest, client: ClientAddress) -> Result<Option<Counted>, ApiError> {
        if client.ip().is_none_or(|ip| self.config.is_exempt(ip)) {
            return Ok(None);
        }
        let Some((_, _, policy)) = rule(req.method(), req.path()) else { return Ok(None) };
        let key = client.limit_key();
        let slow_down = self.config.policy(&limits::SLOW_DOWN);
        let mut hits = vec![RateHit { key: key.clone(), policy: with_room_to_slow_down(slow_down) }];
        hits.extend(policy.map(|policy| RateHit { key, policy: self.config.policy(&policy) }));
        let now = self.clock.now();
        let mut decisions = self.limiter.hit(&hits, now).await.map_err(ApiError::unavailable)?;
        let wait = decisions.drain(..1).next().map_or(Duration::ZERO, |decision| delay(&decision, slow_down.limit));
        Ok(Some(Counted { decisions, wait }))
    }

    /// Counts what somebody signed in does, wherever they do it from.
    pub(super) async fn count_for(&self, user: UserId, policy: &RatePolicy) -> Result<(), ApiError> {
        if self.config.mode == LimitsMode::Off {
            return Ok(());
        }
        let (hit, now) = (RateHit { key: user.to_string(), policy: self.config.policy(policy) }, self.clock.now());
        let decisions = self.limiter.hit(&[hit], now).await.map_err(ApiError::unavailable)?;
        match decisions.iter().find(|decision| !decision.allowed) {
            Some(spent) => Err(account_limited(spent.resets_at, now)),
            None => Ok(()),
        }
    }
}

/// The entry a request is counted by.
fn rule(method: &Method, path: &str) -> Option<&'static Rule> {
    // HEAD does what GET does.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    LIMITED.iter().find(|(m, p, _)| *m == method.as_str() && is_path_of(p, path))
}

/// Whether a path is one of a route, whose parameters are in braces.
fn is_path_of(route: &str, path: &str) -> bool {
    if !route.contains('{') {
        return route == path;
    }
    let mut segments = path.split('/');
    let fits =
        |own: &str| segments.next().is_some_and(|it| if own.starts_with('{') { !it.is_empty() } else { own == it });
    route.split('/').all(fits) && segments.next().is_none()
}

/// A request that was counted.
struct Counted {
    decisions: Vec<RateDecision>,
    wait: Duration,
}

/// The slow-down goes on counting past its limit, up to where the delay is longest.
fn with_room_to_slow_down(policy: RatePolicy) -> RatePolicy {
    let steps = limits::SLOW_DOWN_CAP.as_millis() / limits::SLOW_DOWN_STEP.as_millis().max(1);
    RatePolicy { limit: policy.limit.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX)), ..policy }
}

fn delay(decision: &RateDecision, limit: u32) -> Duration {
    if !decision.allowed {
        return limits::SLOW_DOWN_CAP;
    }
    limits::SLOW_DOWN_STEP.saturating_mul(decision.count.saturating_sub(limit)).min(limits::SLOW_DOWN_CAP)
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
    if let Err(error) = enforce_limits(&counted.decisions, now) {
        return Ok(req.error_response(error));
    }
    if !counted.wait.is_zero() {
        actix_web::rt::time::sleep(counted.wait).await;
    }
    let mut response = next.call(req).await?.map_into_boxed_body();
    show_limits(response.headers_mut(), &counted.decisions, now);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use keystead_domain::Timestamp;

    use super::*;

    #[test]
    fn head_is_counted_as_get() {
        let is_counted = |method| rule(&method, "/api/v1/auth/token").is_some();
        assert_eq!([Method::HEAD, Method::GET, Method::POST].map(is_counted), [true, true, false]);
    }

    #[test]
    fn parameters_stand_for_one_segment() {
        let is_counted = |path| rule(&Method::POST, path).is_some();
        for path in ["/api/v1/social/idp", "/api/v1/social/idp/callback", "/api/v1/users/me/social/idp"] {
            assert!(is_counted(path), "{path}");
        }
        for path in ["/api/v1/social", "/api/v1/social/", "/api/v1/social/idp/callback/x", "/api/v1/social/idp/other"] {
            assert!(!is_counted(path), "{path}");
        }
    }

    #[test]
    fn delays_grow_by_step_up_to_the_cap() {
        let at = |count, allowed| {
            let policy = with_room_to_slow_down(limits::SLOW_DOWN);
            delay(&RateDecision { policy, allowed, count, resets_at: Timestamp::default() }, limits::SLOW_DOWN.limit)
        };
        assert_eq!(at(100, true), Duration::ZERO);
        assert_eq!(at(101, true), Duration::from_millis(200));
        assert_eq!(at(125, true), Duration::from_secs(5));
        assert_eq!(at(125, false), Duration::from_secs(5));
    }
}
