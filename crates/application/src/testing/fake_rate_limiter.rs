use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use keystead_domain::Timestamp;

use super::lock;
use crate::ports::{EphemeralError, RateDecision, RateHit, RateLimiter};

#[derive(Clone, Copy, Debug)]
struct Window {
    count: u32,
    resets_at: Timestamp,
}

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
            let fresh = Window { count: 0, resets_at: now.plus(policy.window) };
            let window = windows.entry((policy.name, hit.key.clone())).or_insert(fresh);
            if now >= window.resets_at {
                *window = fresh;
            }
            let allowed = window.count < policy.limit;
            window.count += u32::from(allowed);
            RateDecision { policy, allowed, count: window.count, resets_at: window.resets_at }
        };
        Ok(hits.iter().map(count).collect())
    }
}
