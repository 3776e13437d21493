use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::limits::Gcra;

use super::lock;
use crate::ports::{EphemeralError, RateDecision, RateHit, RateLimiter};

/// Hits, and the end of their window: a counter as stores keep it.
type Window = (u32, Timestamp);

/// Counters in memory, exact.
#[derive(Debug, Default)]
pub struct FakeRateLimiter(Mutex<HashMap<(&'static str, String), Window>>);

impl FakeRateLimiter {
    /// A limiter nobody hit yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RateLimiter for FakeRateLimiter {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let mut windows = lock(&self.0);
        let count = |hit: &RateHit| {
            let policy = hit.policy;
            if policy.limit == 0 {
                return RateDecision::never(policy, now);
            }
            let key = (policy.name, hit.key.clone());
            let standing = |(count, ends_at): &Window| Gcra::standing(&policy, *count, *ends_at, now);
            let mut counter = windows.get(&key).map(standing).unwrap_or_default();
            let allowed = counter.take(&policy, now).is_ok();
            if allowed {
                windows.insert(key, counter.as_window(&policy, now));
            }
            RateDecision::of(policy, allowed, counter, now)
        };
        Ok(hits.iter().map(count).collect())
    }
}
