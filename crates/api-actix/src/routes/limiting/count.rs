//! What one request counts, and what the counters say.

use std::time::Duration;

use keystead_application::ports::{RateDecision, RateHit};
use keystead_domain::limits::{self, RatePolicy};

use super::table::{AddressPolicy, PerAddress};
use crate::config::LimitsConfig;
use crate::http::ClientAddress;

/// What a counter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Refuses, and is shown.
    Host,
    /// Refuses, and is shown only when it does: how busy one's neighbours are is nobody's business.
    Site,
    /// Slows down what goes beyond so many.
    SlowDown { free: u32 },
}

/// The counters of one request, all of them hit in one round trip.
pub(super) struct Plan {
    hits: Vec<RateHit>,
    roles: Vec<Role>,
}

impl Plan {
    /// What a route counts of a client.
    pub(super) fn of(address: PerAddress, client: ClientAddress, config: &LimitsConfig) -> Self {
        let mut plan = Self { hits: Vec::new(), roles: Vec::new() };
        for policy in address.limits() {
            for (is_site, key, figures) in counters(policy, client, config) {
                plan.add(if is_site { Role::Site } else { Role::Host }, key, figures);
            }
        }
        if let Some(policy) = address.slow_down() {
            for (_, key, figures) in counters(policy, client, config) {
                plan.add(Role::SlowDown { free: figures.limit }, key, with_room_to_slow_down(figures));
            }
        }
        plan
    }

    fn add(&mut self, role: Role, key: String, policy: RatePolicy) {
        self.hits.push(RateHit { key, policy });
        self.roles.push(role);
    }

    /// What to count.
    pub(super) fn hits(&self) -> &[RateHit] {
        &self.hits
    }

    /// The counters that refuse, of an answer in the order of the hits.
    pub(super) fn refusals(&self, decisions: &[RateDecision]) -> impl Iterator<Item = (&RateHit, RateDecision)> {
        let refuses = |(role, (hit, decision)): (&Role, (_, &RateDecision))| {
            let refused = !decision.allowed && matches!(role, Role::Host | Role::Site);
            refused.then_some((hit, *decision))
        };
        self.roles.iter().zip(self.hits.iter().zip(decisions)).filter_map(refuses)
    }

    /// What that answer means.
    pub(super) fn read(&self, decisions: Vec<RateDecision>) -> Counted {
        let (mut shown, mut wait) = (Vec::new(), Duration::ZERO);
        for (role, decision) in self.roles.iter().zip(decisions) {
            match role {
                Role::SlowDown { free } => wait = wait.max(delay(&decision, *free)),
                Role::Site if decision.allowed => {}
                Role::Host | Role::Site => shown.push(decision),
            }
        }
        Counted { shown, wait }
    }
}

/// A request that was counted.
pub(super) struct Counted {
    /// The counters that refuse or are shown, the narrowest first.
    pub(super) shown: Vec<RateDecision>,
    /// How long the answer has to wait.
    pub(super) wait: Duration,
}

/// The counter of a host and, where it has one, of its site: whether it is the site's, its key, its figures.
fn counters(
    policy: AddressPolicy,
    client: ClientAddress,
    config: &LimitsConfig,
) -> impl Iterator<Item = (bool, String, RatePolicy)> {
    let host = config.policy(&policy.host);
    let limit = host.limit.saturating_mul(limits::SITE_FACTOR);
    let site = RatePolicy { name: policy.site, limit, per: "IPv6 /48", ..host };
    let of_site = client.site_key().map(|key| (true, key, site));
    std::iter::once((false, client.limit_key(), host)).chain(of_site)
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

    fn told(plan: &Plan) -> Vec<String> {
        plan.hits().iter().map(|hit| format!("{} {} {}", hit.policy.name, hit.policy.limit, hit.key)).collect()
    }

    fn decide(plan: &Plan, decide: impl Fn(&RateHit) -> (bool, u32)) -> Counted {
        let decision = |hit: &RateHit| {
            let (allowed, count) = decide(hit);
            RateDecision { policy: hit.policy, allowed, count, resets_at: Timestamp::default() }
        };
        plan.read(plan.hits().iter().map(decision).collect())
    }

    #[test]
    fn an_ipv4_address_has_one_counter_per_limit() {
        let expected = ["login 10 192.0.2.1", "requests 1200 192.0.2.1", "slow-down 125 192.0.2.1"];
        assert_eq!(told(&plan("192.0.2.1")), expected);
    }

    #[test]
    fn an_ipv6_address_is_counted_by_its_64_and_its_48() {
        let expected = [
            "login 10 2001:db8:1:2::/64",
            "login-site 100 2001:db8:1::/48",
            "requests 1200 2001:db8:1:2::/64",
            "requests-site 12000 2001:db8:1::/48",
            "slow-down 125 2001:db8:1:2::/64",
            "slow-down-site 1025 2001:db8:1::/48",
        ];
        assert_eq!(told(&plan("2001:db8:1:2:3:4:5:6")), expected);
    }

    #[test]
    fn a_site_may_ten_times_what_the_operator_lets_a_host() {
        let own = RatePolicy { limit: 7, window: Duration::from_secs(3), ..limits::LOGIN };
        let client = ClientAddress::of("2001:db8::1".parse().unwrap());
        let plan = Plan::of(login(), client, &config(vec![own]));
        let site = plan.hits().iter().find(|hit| hit.policy.name == "login-site").unwrap();
        assert_eq!((site.policy.limit, site.policy.window), (70, own.window));
    }

    #[test]
    fn a_site_is_shown_only_when_it_refuses() {
        let names = |counted: &Counted| counted.shown.iter().map(|shown| shown.policy.name).collect::<Vec<_>>();
        let plan = plan("2001:db8::1");
        assert_eq!(names(&decide(&plan, |_| (true, 1))), ["login", "requests"]);
        let refused = decide(&plan, |hit| (hit.policy.name != "login-site", 1));
        assert_eq!(names(&refused), ["login", "login-site", "requests"]);
    }

    #[test]
    fn delays_grow_by_step_up_to_the_cap() {
        let plan = plan("2001:db8::1");
        let wait = |of: &str, answer| decide(&plan, |hit| if hit.policy.name == of { answer } else { (true, 1) }).wait;
        for (name, free) in [("slow-down", 100), ("slow-down-site", 1000)] {
            assert_eq!(wait(name, (true, free)), Duration::ZERO);
            assert_eq!(wait(name, (true, free + 1)), Duration::from_millis(200));
            assert_eq!(wait(name, (true, free + 25)), Duration::from_secs(5));
            assert_eq!(wait(name, (false, free + 25)), Duration::from_secs(5));
        }
    }

    #[test]
    fn room_to_slow_down_forgives_no_faster() {
        let with_room = with_room_to_slow_down(limits::SLOW_DOWN);
        let per_hit = |policy: RatePolicy| policy.window / policy.limit;
        assert_eq!((with_room.limit, per_hit(with_room)), (125, per_hit(limits::SLOW_DOWN)));
    }
}
