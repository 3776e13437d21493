//! Networks that get nothing, and networks no limit applies to: over HTTP, in every form an address has.

use keystead_api_actix::config::Config;
use keystead_domain::limits::{LINK, LOGIN_ACCOUNT};
use reqwest::Method;

use super::{HOUR, burst, hourly_links, set};
use crate::support::{PASSWORD, Service, refusal};

fn networks(of: &[&str]) -> Vec<ipnet::IpNet> {
    of.iter().map(|network| network.parse().unwrap()).collect()
}

/// Everything answers 403: pages, figures, keys and the API alike.
async fn gets_nothing(service: &Service, address: &str) {
    for (method, path) in [
        (Method::GET, "/health/live"),
        (Method::GET, "/.well-known/jwks.json"),
        (Method::GET, "/api/v1/openapi.json"),
        (Method::POST, "/api/v1/auth/token/verify"),
        (Method::POST, "/api/v1/auth/login"),
        (Method::OPTIONS, "/api/v1/auth/login"),
        (Method::GET, "/nowhere"),
    ] {
        let reply = service.api().at(method, path).header("x-forwarded-for", address).send().await;
        assert_eq!(reply.refusal(), refusal(403, "FORBIDDEN"), "{path} to {address}");
    }
}

#[tokio::test]
async fn networks_that_are_denied_get_nothing() {
    let denied = |config: &mut Config| {
        config.limits.deny = networks(&["203.0.113.0/24", "2001:db8:dead::/48", "198.51.100.7/32"]);
        config.limits.allow = networks(&["203.0.113.0/25"]);
    };
    let service = Service::builder().behind_a_proxy().configured(denied).start().await;
    for address in [
        "203.0.113.1",
        "203.0.113.255",
        "::ffff:203.0.113.1",
        "[::ffff:cb00:7101]:4711",
        "2001:db8:dead::1",
        "2001:DB8:DEAD:ffff::1",
        "198.51.100.7",
    ] {
        gets_nothing(&service, address).await;
    }
    for address in ["203.0.112.255", "203.0.114.0", "::ffff:198.51.100.6", "2001:db8:deae::1", "198.51.100.8"] {
        let health = service.api().at(Method::GET, "/health/live");
        let answer = health.header("x-forwarded-for", address).send().await;
        assert_eq!(answer.status, 200, "{address}");
    }
    // Nobody becomes somebody else by saying so to the left of what the proxy wrote.
    gets_nothing(&service, "192.0.2.1, 203.0.113.1").await;
}

#[tokio::test]
async fn networks_that_are_allowed_are_limited_by_nothing_but_what_accounts_have() {
    let allowed = |config: &mut Config| {
        config.limits.allow = networks(&["203.0.113.0/24", "2001:db8:a::/48"]);
        hourly_links(config);
        set(config, &LOGIN_ACCOUNT, 2, 2 * HOUR);
    };
    let service = Service::builder().default_limits().behind_a_proxy().configured(allowed).start().await;
    for address in ["203.0.113.1", "::ffff:203.0.113.1", "2001:db8:a:1::1"] {
        let client = service.native().at(address);
        assert_eq!(burst(&client, 2 * LINK.limit).await, 2 * LINK.limit, "{address}");
    }
    for address in ["203.0.114.1", "2001:db8:b:1::1"] {
        assert_eq!(burst(&service.native().at(address), 2 * LINK.limit).await, LINK.limit, "{address}");
    }
    let client = service.native().at("203.0.113.1");
    for guess in 0..3 {
        let refused = client.login("ada@example.com", PASSWORD).await.unwrap_err();
        let expected = if guess < 2 { refusal(401, "INVALID_CREDENTIALS") } else { refusal(429, "ACCOUNT_LIMITED") };
        assert_eq!(refused, expected, "{guess}");
    }
}
