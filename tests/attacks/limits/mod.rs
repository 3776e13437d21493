//! L01 to L04: who is counted, where, and whom it hurts. `lists` is about the networks an operator allows or denies.

mod edges;
mod forged;
mod lists;
mod lockout;
mod networks;
mod shown;
mod unknown;
mod waiting;

use std::time::Duration;

use keystead_api_actix::config::Config;
use keystead_domain::limits::{LINK, RatePolicy};
use serde_json::json;

use crate::support::{Anonymous, Refusal, Reply, Service, refusal};

const HOUR: Duration = Duration::from_hours(1);

/// Sets a limit. Those of these tests come back slowly, so that no machine is slow enough for one to come back unasked.
fn set(config: &mut Config, policy: &RatePolicy, limit: u32, window: Duration) {
    let own = config.limits.policies.iter_mut().find(|own| own.name == policy.name).unwrap();
    (own.limit, own.window) = (limit, window);
}

/// A limit of uses of links per address whose every unit takes an hour to come back.
fn hourly_links(config: &mut Config) {
    set(config, &LINK, LINK.limit, LINK.limit * HOUR);
}

/// A request that is limited per address and changes nothing: the use of a link nobody was sent.
async fn use_a_link(client: &Anonymous) -> Reply {
    client.post("/auth/password/reset/begin", &json!({ "token": "A".repeat(43) })).await
}

/// Whether the request of [`use_a_link`] was let through.
///
/// # Panics
/// When it was answered in a third way.
fn was_let_through(reply: &Reply) -> bool {
    let refused = reply.refusal();
    assert!(refused == dead_link() || refused == too_many(), "{reply:?}");
    refused == dead_link()
}

fn dead_link() -> Refusal {
    refusal(401, "LINK_INVALID")
}

fn too_many() -> Refusal {
    refusal(429, "RATE_LIMITED")
}

/// How many of so many uses of links in a row are let through.
async fn burst(client: &Anonymous, size: u32) -> u32 {
    let mut through = 0;
    for _ in 0..size {
        through += u32::from(was_let_through(&use_a_link(client).await));
    }
    through
}

/// A native client at an address of its own.
fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.{}.{}.{}", 18 + number / 62_500, number / 250 % 250, number % 250 + 1))
}
