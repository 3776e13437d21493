use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use keystead_application::ports::{EphemeralError, RateDecision, RateHit, RateLimiter};
use keystead_domain::Timestamp;
use keystead_domain::limits::Gcra;

use crate::connection::{CallError, Repeat, Script};
use crate::keys::window_time_to_live;
use crate::link::Link;

static HIT: Script = Script::new(include_str!("scripts/rate_hit.lua"));

/// Counters in Redis. Cheap to clone.
#[derive(Clone)]
pub struct RedisRateLimiter {
    link: Arc<Link>,
}

impl RedisRateLimiter {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    async fn count(&self, hit: &RateHit, now: Timestamp) -> Result<RateDecision, CallError> {
        let (policy, ends) = (hit.policy, now.plus(hit.policy.refill()));
        if policy.limit == 0 {
            return Ok(RateDecision::never(policy, now));
        }
        let key = self.link.keys.rate(policy.name, &hit.key);
        let interval = u64::try_from(policy.interval().as_micros()).unwrap_or(u64::MAX);
        let life = window_time_to_live(now, ends);
        let arguments = [
            now.as_micros().into(),
            policy.limit.into(),
            interval.into(),
            ends.as_micros().into(),
            life.into(),
            policy.latest_end(now).as_micros().into(),
        ];
        // A hit whose answer is lost may have counted: counting it again would use up somebody's limit.
        let (allowed, count, ends): (bool, u32, i64) =
            HIT.run(&self.link.route, &[&key], &arguments, Repeat::Never).await?;
        let counter = Gcra::of_window(&policy, count, Timestamp::from_micros(ends));
        Ok(RateDecision::of(policy, allowed, counter, now))
    }

    /// Every hit, one after the other.
    async fn count_in_turn(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, CallError> {
        let mut decisions = Vec::with_capacity(hits.len());
        for hit in hits {
            decisions.push(self.count(hit, now).await?);
        }
        Ok(decisions)
    }
}

/// Whether one counter is hit twice.
fn has_twins(hits: &[RateHit]) -> bool {
    let same = |one: &RateHit, other: &RateHit| one.key == other.key && one.policy.name == other.policy.name;
    hits.iter().enumerate().any(|(at, hit)| hits.iter().take(at).any(|earlier| same(earlier, hit)))
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn hit(&self, hits: &[RateHit], now: Timestamp) -> Result<Vec<RateDecision>, EphemeralError> {
        // Sent together all hits cost one round trip; but twins must be numbered in their order.
        if has_twins(hits) {
            return self.link.within(self.count_in_turn(hits, now)).await;
        }
        self.link.within(try_join_all(hits.iter().map(|hit| self.count(hit, now)))).await
    }
}
