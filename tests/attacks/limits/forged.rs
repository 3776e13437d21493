//! L01: addresses a client claims.

use keystead_api_actix::config::{Config, ForwardedHeader};
use keystead_domain::limits::LINK;
use reqwest::Method;
use serde_json::json;

use super::{hourly_links, was_let_through};
use crate::attacks::support::Digest;
use crate::support::{Call, Reply, Service};

/// As many values as the attack has.
const VALUES: usize = 1000;
/// Headers some product believes.
const OTHERS: [&str; 10] = [
    "x-real-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-forwarded",
    "forwarded-for",
    "fastly-client-ip",
];
const CLIENT: &str = "198.51.100.7";

/// What somebody claims their address is; every value is another one.
fn claim(number: usize) -> String {
    let (high, low) = (number / 250, number % 250 + 1);
    match number % 12 {
        0..=3 => format!("203.0.{high}.{low}"),
        4 => format!("2001:db8:{high:x}:{low:x}::1"),
        5 => format!("::ffff:203.0.{high}.{low}"),
        6 => format!("[2001:db8:{high:x}::{low:x}]:4711"),
        7 => format!("203.0.{high}.{low}:4711, 10.0.{high}.{low}"),
        8 => format!("127.0.{high}.{low}, 127.0.0.1, ::1"),
        9 => format!("unknown-{number}, ' OR {number}=1 --, \"{number}"),
        10 => vec![format!("203.0.{high}.{low}"); 40].join(","),
        _ => format!("0x7f.{number}, 1.2.3, {}", "9".repeat(300)),
    }
}

/// A use of a link nobody was sent, with a claim in every header but those the proxy writes.
async fn claiming(service: &Service, number: usize, written: impl FnOnce(&str, Call) -> Call) -> Reply {
    let claim = claim(number);
    let call = service.native().call(Method::POST, "/auth/password/reset/begin");
    let call = OTHERS.into_iter().fold(call, |call, header| call.header(header, &claim));
    written(&claim, call).json(&json!({ "token": "A".repeat(43) })).send().await
}

fn plainly(claim: &str, call: Call) -> Call {
    call.header("x-forwarded-for", claim).header("forwarded", &format!("for=\"{}\"", claim.replace('"', "")))
}

/// What a proxy that appends to `X-Forwarded-For` and knows no other header passes on of a client at that address.
fn through_a_proxy(claim: &str, call: Call, client: &str) -> Call {
    call.header("x-forwarded-for", &format!("{claim}, {client}")).header("forwarded", &format!("for={client};{claim}"))
}

/// The same of one that appends to `Forwarded`.
fn through_a_proxy_of_today(claim: &str, call: Call, client: &str) -> Call {
    let quoted = claim.replace(['"', '\\'], "");
    // A quotation mark that is never closed is one more way to be heard.
    let open = if claim.len().is_multiple_of(2) { "\"" } else { "" };
    let forwarded = format!("for=\"{quoted}\";host={open}, for={client};proto=https");
    call.header("forwarded", &forwarded).header("x-forwarded-for", claim)
}

/// Counts what is let through of a thousand claims.
async fn let_through(service: &Service, written: impl Fn(&str, Call) -> Call) -> u32 {
    let before = Digest::of(service).await;
    let mut through = 0;
    for number in 0..VALUES {
        through += u32::from(was_let_through(&claiming(service, number, &written).await));
    }
    before.is_still_that_of(service).await;
    through
}

#[tokio::test]
async fn l01_a_client_that_no_proxy_speaks_for_has_the_address_it_comes_from() {
    for forwarded in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let configured = |config: &mut Config| {
            hourly_links(config);
            config.http.forwarded = forwarded;
        };
        let service = Service::builder().default_limits().configured(configured).start().await;
        assert_eq!(let_through(&service, plainly).await, LINK.limit);
    }
}

#[tokio::test]
async fn l01_a_client_of_a_trusted_proxy_has_the_address_the_proxy_saw() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(hourly_links).start().await;
    assert_eq!(let_through(&service, |claim, call| through_a_proxy(claim, call, CLIENT)).await, LINK.limit);
    let neighbour = claiming(&service, 1, |claim, call| through_a_proxy(claim, call, "198.51.100.8")).await;
    assert!(was_let_through(&neighbour), "{neighbour:?}");
    let nobody_said = claiming(&service, 2, |_, call| call).await;
    assert!(was_let_through(&nobody_said), "without the header the proxy itself is the client");
}

#[tokio::test]
async fn l01_a_client_of_a_trusted_proxy_that_writes_forwarded_has_the_address_it_saw() {
    let builder = Service::builder().default_limits().behind_a_proxy().configured(hourly_links);
    let service = builder.configured(|config| config.http.forwarded = ForwardedHeader::Forwarded).start().await;
    let proxied = |claim: &str, call: Call| through_a_proxy_of_today(claim, call, CLIENT);
    assert_eq!(let_through(&service, proxied).await, LINK.limit);
    let as_mapped = claiming(&service, 1, |claim, call| {
        through_a_proxy_of_today(claim, call, &format!("\"[::ffff:{CLIENT}]:4711\""))
    });
    assert!(!was_let_through(&as_mapped.await), "an address in its IPv6 form is the same one");
    for other in ["198.51.100.8", "\"198.51.100.9:_port\"", "\"[2001:db8::7]\""] {
        let neighbour = claiming(&service, 1, |claim, call| through_a_proxy_of_today(claim, call, other)).await;
        assert!(was_let_through(&neighbour), "{neighbour:?}");
    }
}
