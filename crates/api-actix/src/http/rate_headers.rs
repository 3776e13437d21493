//! How limits show: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), and the 429.

use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use keystead_application::ports::RateDecision;
use keystead_domain::Timestamp;

use super::error::whole_seconds;
use super::{ApiError, Code};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The two headers of an answer whose request was counted; none when nothing was.
///
/// `t` is the draft's effective window (section 4.1.2), "within which the client can use no more than the available quota"
/// `r`: it ends when one more than `r` is free. A `Retry-After` beside it is no earlier (section 6).
pub fn rate_headers(decisions: &[RateDecision], now: Timestamp) -> Vec<(HeaderName, HeaderValue)> {
    let (mut policies, mut limits) = (String::new(), String::new());
    for decision in decisions {
        let policy = &decision.policy;
        let separator = if policies.is_empty() { "" } else { ", " };
        let left = if decision.allowed { policy.limit.saturating_sub(decision.count) } else { 0 };
        let window = whole_seconds(decision.again_at().since(now));
        // Writing to a String cannot fail.
        let _ = write!(policies, "{separator}\"{}\";q={};w={}", policy.name, policy.limit, policy.window.as_secs());
        let _ = write!(limits, "{separator}\"{}\";r={left};t={window}", policy.name);
    }
    let values = [(POLICY, policies), (LIMIT, limits)].into_iter().filter(|(_, text)| !text.is_empty());
    values.filter_map(|(name, text)| HeaderValue::try_from(text).ok().map(|value| (name, value))).collect()
}

/// Adds the two headers to an answer.
pub fn show_limits(answer: &mut HeaderMap, decisions: &[RateDecision], now: Timestamp) {
    for (name, value) in rate_headers(decisions, now) {
        answer.insert(name, value);
    }
}

/// Refuses a request when one of its counters is used up. `Retry-After` is when the last of those lets one through again.
pub fn enforce_limits(decisions: &[RateDecision], now: Timestamp) -> Result<(), ApiError> {
    let waits = decisions.iter().filter(|decision| !decision.allowed).map(|decision| decision.again_at().since(now));
    match waits.max() {
        None => Ok(()),
        Some(wait) => Err(with_limits(limited(Code::RATE_LIMITED, wait), decisions, now)),
    }
}

/// Adds the two headers to an error of a request that was counted.
pub fn with_limits(error: ApiError, decisions: &[RateDecision], now: Timestamp) -> ApiError {
    rate_headers(decisions, now).into_iter().fold(error, |error, (name, value)| error.header(name, value))
}

/// A 429 (or another code that asks to wait) with a truthful `Retry-After`.
pub fn limited(code: Code, wait: Duration) -> ApiError {
    ApiError::new(code).retry_after(wait)
}

#[cfg(test)]
mod tests {
    use keystead_domain::limits::{LOGIN, LOGIN_ACCOUNT, RatePolicy};

    use super::*;

    fn decision(policy: RatePolicy, count: u32, allowed: bool, resets_in_millis: i64) -> RateDecision {
        RateDecision { policy, allowed, count, resets_at: Timestamp::from_micros(resets_in_millis * 1000) }
    }

    #[test]
    fn shows_every_counter() {
        // One comes back every 90 seconds: the seventh stands for what is left of its own.
        let decisions =
            [decision(LOGIN, 7, true, 6 * 90_000 + 29_001), decision(LOGIN_ACCOUNT, 10, true, 9 * 90_000 + 1)];
        let mut answer = HeaderMap::new();
        show_limits(&mut answer, &decisions, Timestamp::default());
        assert_eq!(answer.get(POLICY).unwrap(), "\"login\";q=10;w=900, \"login-account\";q=10;w=900");
        assert_eq!(answer.get(LIMIT).unwrap(), "\"login\";r=3;t=30, \"login-account\";r=0;t=1");
        assert!(enforce_limits(&decisions, Timestamp::default()).is_ok());
        assert!(rate_headers(&[], Timestamp::default()).is_empty());
    }

    #[test]
    fn a_refusal_tells_when_to_come_back() {
        let spent = |wait: i64| decision(LOGIN, 10, false, 9 * 90_000 + wait);
        let decisions = [spent(60_000), RateDecision { policy: LOGIN_ACCOUNT, ..spent(60_500) }];
        let error = enforce_limits(&decisions, Timestamp::default()).unwrap_err();
        let answer = error.to_response(None, crate::http::Language::English);
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers().get("retry-after").unwrap(), "61");
        assert_eq!(answer.headers().get(LIMIT).unwrap(), "\"login\";r=0;t=60, \"login-account\";r=0;t=61");
    }
}
