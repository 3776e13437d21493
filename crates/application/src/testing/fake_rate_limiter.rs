use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::limits::Gcra;

use super::lock;
use crate::ports::{EphemeralError, RateDecision, RateHit, RateLimiter};

/// Counters in memory, exact.
#[derive(Debug, Default)]
pub struct FakeRateLimiter(Mutex<HashMap<(&'static str, String), Gcra>>);

impl FakeRateLimiter {
    /// A limiter nobody hit yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RateLimiter for FakeRateLimiter {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        let mut counters = lock(&self.0);
        let count = |hit: &RateHit| {
            let policy = hit.policy;
            if policy.limit == 0 {
                return RateDecision::never(policy, now);
            }
            let counter = counters.entry((policy.name, hit.key.clone())).or_default();
            let allowed = counter.take(&policy, now).is_ok();
            RateDecision::of(policy, allowed, *counter, now)
        };
        Ok(hits.iter().map(count).collect())
    }
}
