use std::net::IpAddr;

use ipnet::IpNet;
use keystead_domain::limits::{RATE_POLICIES, RatePolicy};

use super::reader::{Reader, Reading};
use super::values::{choice, network, rate};

/// `[limits]`: how often things may be tried.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Whether anything is limited.
    pub mode: LimitsMode,
    /// Every policy, as it is in force.
    pub policies: Vec<RatePolicy>,
    /// Networks that no limit applies to.
    pub allow: Vec<IpNet>,
    /// Networks that get nothing.
    pub deny: Vec<IpNet>,
}

/// Whether anything is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LimitsMode {
    /// As the policies say.
    #[default]
    Default,
    /// Nothing is limited or slowed down.
    Off,
}

impl LimitsConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let known = [("default", LimitsMode::Default), ("off", LimitsMode::Off)];
        let mode = r.value("limits.mode", |text| choice(text, &known));
        let allow = r.list("limits.allow", network);
        let deny = r.list("limits.deny", network);
        let read = |policy: &RatePolicy| -> Reading<RatePolicy> {
            let (limit, window) = r.value(&format!("limits.{}", policy.name), rate)?;
            Ok(RatePolicy { limit, window, ..*policy })
        };
        // Collected first, so that every wrong policy is told.
        let policies: Vec<Reading<RatePolicy>> = RATE_POLICIES.iter().map(read).collect();
        let policies = policies.into_iter().collect::<Reading<Vec<_>>>();
        Ok(Self { mode: mode?, policies: policies?, allow: allow?, deny: deny? })
    }

    /// The policy in force under the name of `policy`.
    pub fn policy(&self, policy: &RatePolicy) -> RatePolicy {
        self.policies.iter().find(|own| own.name == policy.name).copied().unwrap_or(*policy)
    }

    /// Whether no limit applies to a client.
    pub fn is_exempt(&self, client: IpAddr) -> bool {
        self.mode == LimitsMode::Off || contains(&self.allow, client)
    }

    /// Whether a client gets nothing.
    pub fn is_denied(&self, client: IpAddr) -> bool {
        contains(&self.deny, client)
    }
}

/// Whether an address lies in one of the networks; an IPv4 address in its IPv6 form (RFC 4291 section 2.5.5.2) counts as
/// itself.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
