//! L02: clients that own many IPv6 addresses.

use keystead_domain::limits::{LINK, SITE_FACTOR};
use keystead_testkit::race::race;

use super::{burst, hourly_links, use_a_link, was_let_through};
use crate::support::Service;

/// Addresses tried in one /64.
const ADDRESSES: u32 = 1000;
/// The /64s of a /56.
const NETS: u32 = 256;

#[tokio::test]
async fn l02_a_thousand_addresses_of_a_64_are_one_client_and_a_site_has_one_coarse_limit() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(hourly_links).start().await;
    let mut through = 0;
    for number in 0..ADDRESSES {
        let host = service.native().at(&format!("2001:db8:1:2:{number:x}:{:x}::{:x}", number * 7, number % 13));
        through += u32::from(was_let_through(&use_a_link(&host).await));
    }
    assert_eq!(through, LINK.limit);

    let site = LINK.limit * SITE_FACTOR;
    for net in 0..NETS {
        let reply = use_a_link(&service.native().at(&format!("2001:db8:1:{:x}::1", 0x100 + net))).await;
        let allowed = was_let_through(&reply);
        let shown = reply.header("ratelimit").unwrap();
        assert_eq!(!allowed, shown.contains("\"link-site\";r=0;t="), "{shown}");
        through += u32::from(allowed);
    }
    assert_eq!(through, site, "of those refused to the first net none counts for the site");

    for other in ["2001:db8:2:2::1", "2001:db7:1:2::1", "198.51.100.7"] {
        assert_eq!(burst(&service.native().at(other), 1).await, 1, "{other} is another site");
    }
}

#[tokio::test]
async fn l02_a_burst_of_one_64_leaves_the_rest_to_its_neighbours() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(hourly_links).start().await;
    let uses = race(100, |number| {
        let host = service.native().at(&format!("2001:db8:1:2::{number:x}"));
        async move { u32::from(was_let_through(&use_a_link(&host).await)) }
    });
    let mut through: u32 = uses.await.iter().sum();
    assert_eq!(through, LINK.limit);
    for net in 0..SITE_FACTOR * LINK.limit {
        let host = service.native().at(&format!("2001:db8:1:{:x}::1", 0x100 + net));
        through += u32::from(was_let_through(&use_a_link(&host).await));
    }
    assert_eq!(through, LINK.limit * SITE_FACTOR);
}

#[tokio::test]
async fn l02_addresses_of_ipv4_are_no_neighbours_of_each_other() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(hourly_links).start().await;
    for number in 1..=SITE_FACTOR + 2 {
        let client = service.native().at(&format!("198.51.100.{number}"));
        assert_eq!(burst(&client, LINK.limit + 1).await, LINK.limit, "{number}");
        // The same address in its IPv6 form has nothing of its own.
        assert_eq!(burst(&service.native().at(&format!("::ffff:198.51.100.{number}")), 1).await, 0);
    }
}
