//! C02, G02: a solution is used once, at whichever replica and route, in its time.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use serde_json::{Value, json};

use super::{invalid, solved, start};
use crate::attacks::support::{Digest, assert_refused};
use crate::srp::actors::{credential, with};
use crate::support::{PASSWORD, Service, tally};

const RACERS: usize = 64;
/// Two ways to an account, and what they take.
const ROUTES: [&str; 2] = ["/auth/register", "/auth/srp/register"];

fn wish(route: &str, email: &str, solution: &str) -> Value {
    let own = if route == ROUTES[0] { json!({ "password": PASSWORD }) } else { credential(PASSWORD) };
    with(own, json!({ "email": email, "captcha": solution }))
}

#[tokio::test]
async fn c02_g02_of_parallel_requests_with_one_solution_one_is_served() {
    let service = start().await;
    for round in 0..3 {
        let solution = solved(&service.native(), "register").await;
        let (before, rows) = (service.hashes(), service.database().count("pending_registrations"));
        let answers = race(RACERS, |number| {
            let client = service.native().through(&service.replica(number));
            // Each way at each replica.
            let route = ROUTES[number / 2 % 2];
            let wish = wish(route, &format!("racer-{round}-{number}@example.com"), &solution);
            async move { client.post(route, &wish).await.ok(201) }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!(won.len(), 1);
        assert_eq!(refused, BTreeMap::from([(invalid(), RACERS - 1)]));
        assert!(service.hashes() - before <= 1, "nothing is hashed for the others");
        assert_eq!(service.database().count("pending_registrations") - rows, 1);
    }
}

/// Every way to an account at every replica refuses a solution, and nothing comes of it.
async fn assert_refused_everywhere(attack: &str, service: &Service, solution: &str) {
    let before = Digest::of(service).await;
    for replica in service.api().each() {
        for route in ROUTES {
            let wish = wish(route, "eve@example.com", solution);
            let reply = service.native().through(&replica).post(route, &wish).await;
            assert_refused(&format!("{attack} at {route}"), &reply, 422, "CAPTCHA_INVALID");
        }
    }
    before.is_still_that_of(service).await;
}

#[tokio::test]
async fn c02_a_solution_that_was_used_or_is_late_is_refused_at_every_replica_and_route() {
    let service = start().await;
    let client = service.native();
    let [used, late] = [solved(&client, "register").await, solved(&client, "register").await];
    client.post(ROUTES[0], &wish(ROUTES[0], "ada@example.com", &used)).await.ok(201).unwrap();
    assert_refused_everywhere("used", &service, &used).await;
    service.advance(Duration::from_secs(301)).await;
    assert_refused_everywhere("five minutes later", &service, &late).await;
    assert_refused_everywhere("used, and five minutes later", &service, &used).await;
}
