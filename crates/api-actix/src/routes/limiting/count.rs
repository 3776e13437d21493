//! What one request counts, and what the counters say.

use std::time::Duration;

use keystead_application::ports::{RateDecision, RateHit};
use keystead_domain::limits::{self, RatePolicy};

use super::table::PerAddress;
use crate::config::LimitsConfig;
use crate::http::ClientAddress;

/// The counters of one request.
///
/// Those of the host are hit first, in one round trip, and those of its site only for what the host let through: of
/// requests that are refused to one /64, however many come at once, the neighbours in its /48 pay for none.
pub(super) struct Plan {
    /// Of the host: those that refuse, the narrowest first; then the one that slows down.
    hosts: Vec<RateHit>,
    /// Of its site. They refuse, too, and are shown only when they do: how busy one's neighbours are is nobody's business.
    sites: Vec<RateHit>,
    /// How many requests are not slowed down, where the last of the host's counters slows down. It has no counter of the
    /// site: it never refuses, so a host would fill that one for its neighbours.
    free: Option<u32>,
}

impl Plan {
    /// What a route counts of a client.
    pub(super) fn of(address: PerAddress, client: ClientAddress, config: &LimitsConfig) -> Self {
        let hit = |key: &str, policy| RateHit { key: key.to_owned(), policy };
        let (host, site) = (client.limit_key(), client.site_key());
        let mut plan = Self { hosts: Vec::new(), sites: Vec::new(), free: None };
        for policy in address.limits() {
            let figures = config.policy(&policy.host);
            plan.hosts.push(hit(&host, figures));
            let limit = figures.limit.saturating_mul(limits::SITE_FACTOR);
            let of_site = RatePolicy { name: policy.site, limit, per: "IPv6 /48", ..figures };
            plan.sites.extend(site.iter().map(|site| hit(site, of_site)));
        }
        if let Some(policy) = address.slow_down() {
            let figures = config.policy(&policy);
            plan.free = Some(figures.limit);
            plan.hosts.push(hit(&host, with_room_to_slow_down(figures)));
        }
        plan
    }

    /// What to count of the host.
    pub(super) fn hosts(&self) -> &[RateHit] {
        &self.hosts
    }

    /// What to count of its site, of a request that the host's counters let through.
    pub(super) fn sites(&self) -> &[RateHit] {
        &self.sites
    }

    /// What the answers about [`Self::hosts`] mean.
    pub(super) fn read(&self, mut decisions: Vec<RateDecision>) -> Counted {
        let slow_down = self.free.and_then(|free| Some((free, decisions.pop()?)));
        let wait = slow_down.map_or(Duration::ZERO, |(free, decision)| delay(&decision, free));
        Counted { shown: decisions, wait }
    }
}

/// A request that was counted.
pub(super) struct Counted {
    /// The counters that refuse or are shown: the host's, the narrowest first, and those of its site that refuse.
    pub(super) shown: Vec<RateDecision>,
    /// How long the answer has to wait.
    pub(super) wait: Duration,
}

impl Counted {
    /// Whether no counter refuses.
    pub(super) fn is_let_through(&self) -> bool {
        self.shown.iter().all(|decision| decision.allowed)
    }

    /// Takes in the answers about [`Plan::sites`].
    pub(super) fn add_sites(&mut self, decisions: &[RateDecision]) {
        self.shown.extend(decisions.iter().filter(|decision| !decision.allowed));
    }
}

/// The slow-down goes on counting past its limit, up to where the delay is longest. What it forgives in a second stays the
/// same, so its window grows with its limit.
fn with_room_to_slow_down(policy: RatePolicy) -> RatePolicy {
    let steps = limits::SLOW_DOWN_CAP.as_millis() / limits::SLOW_DOWN_STEP.as_millis().max(1);
    let limit = policy.limit.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
    let window = policy.window.saturating_mul(limit).checked_div(policy.limit).unwrap_or(policy.window);
    RatePolicy { limit, window, ..policy }
}

fn delay(decision: &RateDecision, free: u32) -> Duration {
    if !decision.allowed {
        return limits::SLOW_DOWN_CAP;
    }
    limits::SLOW_DOWN_STEP.saturating_mul(decision.count.saturating_sub(free)).min(limits::SLOW_DOWN_CAP)
}

#[cfg(test)]
mod tests {
    use keystead_domain::Timestamp;

    use super::super::table;
    use super::*;
    use crate::config::LimitsMode;

    fn config(policies: Vec<RatePolicy>) -> LimitsConfig {
        LimitsConfig { mode: LimitsMode::Default, policies, allow: Vec::new(), deny: Vec::new() }
    }

    fn login() -> PerAddress {
        table::of(&actix_web::http::Method::POST, "/api/v1/auth/login").unwrap().address
    }

    fn plan(client: &str) -> Plan {
        Plan::of(login(), ClientAddress::of(client.parse().unwrap()), &config(limits::RATE_POLICIES.to_vec()))
    }

    fn told(hits: &[RateHit]) -> Vec<String> {
        hits.iter().map(|hit| format!("{} {} {}", hit.policy.name, hit.policy.limit, hit.key)).collect()
    }

    fn decisions(hits: &[RateHit], decide: impl Fn(&RateHit) -> (bool, u32)) -> Vec<RateDecision> {
        let decision = |hit: &RateHit| {
            let (allowed, count) = decide(hit);
            RateDecision { policy: hit.policy, allowed, count, resets_at: Timestamp::default() }
        };
        hits.iter().map(decision).collect()
    }

    #[test]
    fn an_ipv4_address_has_one_counter_per_limit() {
        let plan = plan("192.0.2.1");
        assert_eq!(told(plan.hosts()), ["login 10 192.0.2.1", "requests 1200 192.0.2.1", "slow-down 125 192.0.2.1"]);
        assert!(plan.sites().is_empty());
    }

    #[test]
    fn an_ipv6_address_is_limited_by_its_64_and_its_48_and_slowed_down_by_its_64() {
        let plan = plan("2001:db8:1:2:3:4:5:6");
        let hosts =
            ["login 10 2001:db8:1:2::/64", "requests 1200 2001:db8:1:2::/64", "slow-down 125 2001:db8:1:2::/64"];
        assert_eq!(told(plan.hosts()), hosts);
        assert_eq!(told(plan.sites()), ["login-site 100 2001:db8:1::/48", "requests-site 12000 2001:db8:1::/48"]);
    }

    #[test]
    fn a_site_may_ten_times_what_the_operator_lets_a_host() {
        let own = RatePolicy { limit: 7, window: Duration::from_secs(3), ..limits::LOGIN };
        let client = ClientAddress::of("2001:db8::1".parse().unwrap());
        let plan = Plan::of(login(), client, &config(vec![own]));
        let site = plan.sites().iter().find(|hit| hit.policy.name == "login-site").unwrap();
        assert_eq!((site.policy.limit, site.policy.window), (70, own.window));
    }

    #[test]
    fn a_site_is_shown_only_when_it_refuses() {
        let names = |counted: &Counted| counted.shown.iter().map(|shown| shown.policy.name).collect::<Vec<_>>();
        let plan = plan("2001:db8::1");
        let mut counted = plan.read(decisions(plan.hosts(), |_| (true, 1)));
        counted.add_sites(&decisions(plan.sites(), |_| (true, 1)));
        assert!(counted.is_let_through());
        assert_eq!(names(&counted), ["login", "requests"]);
        counted.add_sites(&decisions(plan.sites(), |hit| (hit.policy.name != "login-site", 1)));
        assert!(!counted.is_let_through());
        assert_eq!(names(&counted), ["login", "requests", "login-site"]);
    }

    #[test]
    fn delays_grow_by_step_up_to_the_cap() {
        let plan = plan("2001:db8::1");
        let wait = |answer| {
            let answer = |hit: &RateHit| if hit.policy.name == "slow-down" { answer } else { (true, 1) };
            plan.read(decisions(plan.hosts(), answer))
        };
        for (answer, expected) in [((true, 100), 0), ((true, 101), 200), ((true, 125), 5000), ((false, 125), 5000)] {
            let counted = wait(answer);
            assert_eq!(counted.wait, Duration::from_millis(expected), "{answer:?}");
            assert!(counted.is_let_through(), "it refuses nothing");
        }
    }

    #[test]
    fn room_to_slow_down_forgives_no_faster() {
        let with_room = with_room_to_slow_down(limits::SLOW_DOWN);
        let per_hit = |policy: RatePolicy| policy.window / policy.limit;
        assert_eq!((with_room.limit, per_hit(with_room)), (125, per_hit(limits::SLOW_DOWN)));
    }
}
