//! L03: the edge of a window, several replicas, a restart, a Redis that was emptied.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use keystead_domain::limits::{LINK, LOGIN_ACCOUNT, TOKEN_REVOKE};
use keystead_testkit::race::race;
use serde_json::json;

use super::{HOUR, burst, hourly_links, set, stranger, too_many, use_a_link, was_let_through};
use crate::single_use::wrong;
use crate::support::{HalfWay, PASSWORD, Refusal, Reply, Service, SignedIn, refusal, tally};

const ADA: &str = "ada@example.com";
const WRONG: &str = "copper-violin-meadow-17";
const GUESSES: u32 = 3;

fn wrong_password() -> Refusal {
    refusal(401, "INVALID_CREDENTIALS")
}

fn account_limited() -> Refusal {
    refusal(429, "ACCOUNT_LIMITED")
}

/// Limits of an address and of an account of which one comes back every hour.
async fn start() -> Service {
    let builder = Service::builder().default_limits().behind_a_proxy().configured(hourly_links);
    let builder = builder.configured(|config| {
        set(config, &LOGIN_ACCOUNT, GUESSES, GUESSES * HOUR);
        set(config, &TOKEN_REVOKE, GUESSES, GUESSES * HOUR);
    });
    builder.start().await
}

/// How many of so many wrong passwords, each from another address, are compared.
async fn compared(service: &Service, addresses: Range<usize>) -> u32 {
    let (before, mut compared) = (service.hashes(), 0);
    for number in addresses {
        let refused = stranger(service, number).login(ADA, WRONG).await.unwrap_err();
        assert!(refused == wrong_password() || refused == account_limited(), "{refused:?}");
        compared += u32::from(refused == wrong_password());
    }
    assert_eq!(service.hashes() - before, u64::from(compared));
    compared
}

#[tokio::test]
async fn l03_the_edge_of_a_window_gives_no_second_burst() {
    let service = start().await;
    service.registered_at(&stranger(&service, 900), ADA).await;
    let client = service.native().at("192.0.2.1");
    // The first request of a window, and most of the window after it: everything is free.
    assert_eq!((burst(&client, 1).await, compared(&service, 0..1).await), (1, 1));
    service.advance((2 * LINK.limit - 1) * (HOUR / 2)).await;
    assert_eq!(burst(&client, 2 * LINK.limit).await, LINK.limit);
    assert_eq!(compared(&service, 10..16).await, GUESSES);
    // Past the end of that window: one came back, for the hour that went by.
    service.advance(HOUR).await;
    assert_eq!(burst(&client, 2 * LINK.limit).await, 1);
    assert_eq!(compared(&service, 20..26).await, 1);
    // A refusal says when the next one is free, and that is so.
    let wait = |reply: &Reply| reply.header("retry-after").unwrap().parse::<u64>().unwrap();
    let refused = [use_a_link(&client).await, stranger(&service, 30).login_reply(ADA, WRONG).await];
    let waits: Vec<u64> = refused.iter().map(wait).collect();
    assert!(waits.iter().all(|wait| (1..=3600).contains(wait)), "{waits:?}");
    service.advance(Duration::from_secs(waits.into_iter().max().unwrap())).await;
    assert_eq!((burst(&client, 2).await, compared(&service, 40..42).await), (1, 1));
}

#[tokio::test]
async fn l03_replicas_share_every_limit() {
    let service = start().await;
    let ada = service.registered_at(&stranger(&service, 900), ADA).await;
    let limit = usize::try_from(LINK.limit).unwrap();
    let uses = race(4 * limit, |nth| {
        let client = service.native().at("2001:db8:1:2::1").through(&service.replica(nth));
        async move { was_let_through(&use_a_link(&client).await) }
    });
    assert_eq!(uses.await.into_iter().filter(|through| *through).count(), limit);

    let limit = usize::try_from(GUESSES).unwrap();
    let before = service.hashes();
    let guesses = race(40, |nth| {
        let client = stranger(&service, nth).through(&service.replica(nth));
        async move { client.login(ADA, WRONG).await }
    });
    let (_, refused) = tally(guesses.await);
    assert_eq!(refused, BTreeMap::from([(wrong_password(), limit), (account_limited(), 40 - limit)]));
    assert_eq!(service.hashes() - before, u64::from(GUESSES));

    let revocations = race(40, |nth| {
        let (ada, made_up) = (ada.through(&service.replica(nth)), format!("{}.made-up-{nth}", ada.session_id()));
        async move { ada.revoke_token(&made_up).await }
    });
    let (done, refused) = tally(revocations.await);
    assert_eq!((done.len(), refused), (limit, BTreeMap::from([(account_limited(), 40 - limit)])));
}

/// Somebody whose limits are used up: of their address, of their account, of a code.
struct Spent {
    ada: SignedIn,
    address: &'static str,
    code: String,
    half_way: HalfWay,
}

impl Spent {
    async fn on(service: &Service) -> Self {
        let ada = service.registered_at(&stranger(service, 900), ADA).await;
        let address = "192.0.2.1";
        assert_eq!(burst(&service.native().at(address), LINK.limit).await, LINK.limit);
        assert_eq!(compared(service, 0..usize::try_from(GUESSES).unwrap()).await, GUESSES);
        for nth in 0..GUESSES {
            ada.revoke_token(&format!("{}.made-up-{nth}", ada.session_id())).await.unwrap();
        }
        let half_way = stranger(service, 901).register("bob@example.com", PASSWORD).await.unwrap();
        let code = service.code("bob@example.com").await;
        for _ in 0..5 {
            assert_eq!(half_way.verify(&wrong(&code)).await.unwrap_err(), refusal(401, "CODE_INVALID"));
        }
        Self { ada, address, code, half_way }
    }

    /// What accounts and codes had left is what they have left: nothing.
    async fn account_and_code_stay_spent(&self, service: &Service) {
        assert_eq!(compared(service, 50..53).await, 0);
        assert_eq!(stranger(service, 54).login(ADA, PASSWORD).await.unwrap_err(), account_limited());
        let one_more = format!("{}.made-up", self.ada.session_id());
        assert_eq!(self.ada.revoke_token(&one_more).await, Err(account_limited()));
        assert_eq!(self.half_way.verify(&self.code).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    }
}

#[tokio::test]
async fn l03_a_restart_gives_nothing_back() {
    let service = start().await;
    let spent = Spent::on(&service).await;
    let service = service.restart().await;
    assert_eq!(use_a_link(&service.native().at(spent.address)).await.refusal(), too_many());
    spent.account_and_code_stay_spent(&service).await;
    let body = json!({ "email": "eve@example.com", "password": PASSWORD });
    let others = service.native().at("192.0.2.2").register_with(&body).await;
    others.expect("everybody else goes on");
}

#[tokio::test]
async fn l03_an_emptied_redis_gives_back_the_limits_of_addresses_and_no_others() {
    let service = start().await;
    let spent = Spent::on(&service).await;
    service.forget_what_passes().await;
    assert_eq!(burst(&service.native().at(spent.address), 1).await, 1);
    spent.account_and_code_stay_spent(&service).await;
}
