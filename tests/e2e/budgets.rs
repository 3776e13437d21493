//! G09 and G10: budgets of guesses sit on the account and the secret, and cannot be aimed at the owner.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use serde_json::json;

use crate::single_use::wrong;
use crate::support::{Anonymous, PASSWORD, Refusal, Reply, Service, SignedIn, refusal, tally};

const EMAIL: &str = "ada@example.com";
const WRONG: &str = "copper-violin-meadow-17";
const RACERS: usize = 200;

fn invalid() -> Refusal {
    refusal(401, "INVALID_CREDENTIALS")
}

fn limited() -> Refusal {
    refusal(429, "ACCOUNT_LIMITED")
}

async fn start() -> (Service, SignedIn) {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let wish = json!({ "email": EMAIL, "username": "ada_l", "password": PASSWORD });
    let half_way = service.native().register_with(&wish).await.unwrap();
    let ada = half_way.verify(&service.code(EMAIL).await).await.unwrap();
    (service, ada)
}

/// A client at an address of its own.
fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.51.{}.{}", 100 + number / 250, number % 250 + 1))
}

/// Wrong passwords, each from another address.
async fn guess(service: &Service, identity: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(stranger(service, number).login(identity, WRONG).await.unwrap_err(), invalid(), "guess {number}");
    }
}

#[tokio::test]
async fn g09_ten_wrong_passwords_are_the_most_for_known_and_unknown_names() {
    let (service, _) = start().await;
    let mut replies: Vec<Reply> = Vec::new();
    for (nth, identity) in [EMAIL, "nobody@example.com", "nobody"].into_iter().enumerate() {
        guess(&service, identity, nth * 20..nth * 20 + 10).await;
        let before = service.hashes();
        for (password, at) in [(WRONG, 11), (PASSWORD, 12)] {
            let reply = stranger(&service, nth * 20 + at).login_reply(identity, password).await;
            assert_eq!(reply.refusal(), limited(), "{identity}");
            let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=900).contains(&wait), "{wait}");
            replies.push(reply);
        }
        assert_eq!(service.hashes(), before, "what is not compared is not hashed");
    }
    assert!(replies.iter().all(|reply| reply.header_names() == replies[0].header_names()));

    service.advance(Duration::from_secs(901)).await;
    stranger(&service, 90).login(EMAIL, PASSWORD).await.expect("the window is over");
}

#[tokio::test]
async fn g09_aliases_share_a_budget() {
    let (service, _) = start().await;
    guess(&service, EMAIL, 0..4).await;
    guess(&service, "ada_l", 4..7).await;
    guess(&service, "ADA@Example.COM", 7..10).await;
    for (nth, identity) in [EMAIL, "ada_l", "ADA_L", "Ada@example.com"].into_iter().enumerate() {
        assert_eq!(stranger(&service, 20 + nth).login(identity, WRONG).await.unwrap_err(), limited(), "{identity}");
    }
}

#[tokio::test]
async fn g09_a_success_gives_back_its_own_guess_only() {
    let (service, _) = start().await;
    guess(&service, EMAIL, 0..9).await;
    for number in 10..13 {
        stranger(&service, number).login(EMAIL, PASSWORD).await.unwrap();
    }
    guess(&service, EMAIL, 13..14).await;
    assert_eq!(stranger(&service, 14).login(EMAIL, WRONG).await.unwrap_err(), limited());
}

#[tokio::test]
async fn g09_parallel_guesses_share_a_budget() {
    let (service, _) = start().await;
    let before = service.hashes();
    let answers = race(RACERS, |number| {
        let client = stranger(&service, number);
        async move { client.login(EMAIL, WRONG).await }
    });
    let (won, refused) = tally(answers.await);
    assert!(won.is_empty());
    assert_eq!(refused, BTreeMap::from([(invalid(), 10), (limited(), RACERS - 10)]));
    assert_eq!(service.hashes() - before, 10);
}

#[tokio::test]
async fn g09_parallel_wrong_codes_use_a_code_up() {
    let service = Service::start().await;
    let half_way = service.native().register(EMAIL, PASSWORD).await.unwrap();
    let code = service.code(EMAIL).await;
    let answers = race(RACERS, |_| {
        let (half_way, guess) = (half_way.clone(), wrong(&code));
        async move { half_way.verify(&guess).await }
    });
    let (won, refused) = tally(answers.await);
    assert!(won.is_empty());
    assert_eq!(refused, BTreeMap::from([(refusal(401, "CODE_INVALID"), RACERS)]));
    assert_eq!(half_way.verify(&code).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    let next = half_way.resend().await.expect("the claim lives");
    next.verify(&service.codes(EMAIL, 2).await[1]).await.unwrap();
}

#[tokio::test]
async fn g09_reauthentication_and_password_change_have_budgets() {
    let (service, ada) = start().await;
    for _ in 0..10 {
        assert_eq!(ada.reauthenticate(WRONG).await.unwrap_err(), refusal(403, "PASSWORD_WRONG"));
    }
    assert_eq!(ada.reauthenticate(PASSWORD).await.unwrap_err(), limited());
    for _ in 0..2 {
        assert_eq!(ada.change_password(WRONG, "granite-otter-sunday-93").await.unwrap_err().status, 403);
    }
    assert_eq!(ada.change_password(PASSWORD, "granite-otter-sunday-93").await.unwrap_err(), limited());
    service.advance(Duration::from_secs(901)).await;
    ada.change_password(PASSWORD, "granite-otter-sunday-93").await.unwrap();
}

#[tokio::test]
async fn g10_the_owner_gets_in_at_a_browser_that_was_there_before() {
    let (service, ada) = start().await;
    let browser = service.browser().at("192.0.2.1").login(EMAIL, PASSWORD).await.unwrap();
    guess(&service, EMAIL, 0..10).await;
    assert_eq!(stranger(&service, 20).login(EMAIL, PASSWORD).await.unwrap_err(), limited());

    let (phone, laptop) = (ada.device.unwrap(), browser.device.unwrap());
    service.native().at("192.0.2.2").on_device(&phone).login(EMAIL, PASSWORD).await.unwrap();
    service.browser().at("192.0.2.3").on_device(&laptop).login("ada_l", PASSWORD).await.unwrap();

    // A known device has a budget, too, and it is that device's alone.
    for number in 0..10 {
        let known = stranger(&service, 30 + number).on_device(&phone);
        assert_eq!(known.login(EMAIL, WRONG).await.unwrap_err(), invalid());
    }
    assert_eq!(stranger(&service, 50).on_device(&phone).login(EMAIL, PASSWORD).await.unwrap_err(), limited());
    service.browser().at("192.0.2.4").on_device(&laptop).login(EMAIL, PASSWORD).await.unwrap();

    // Another account's device, or an invented one, is unknown here.
    let bob = service.registered_at(&service.native().at("192.0.2.5"), "bob@example.com").await;
    for device in [bob.device.unwrap(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()] {
        let foreign = service.native().at("192.0.2.6").on_device(&device);
        assert_eq!(foreign.login(EMAIL, PASSWORD).await.unwrap_err(), limited());
    }
}

/// A phone and a browser that this account's owner signed in with, and one of somebody else's.
async fn devices(service: &Service) -> (Anonymous, Anonymous, Anonymous) {
    let ada = service.registered_at(&service.native().at("192.0.2.1"), EMAIL).await;
    let browser = service.browser().at("192.0.2.2").login(EMAIL, PASSWORD).await.unwrap();
    let bob = service.registered_at(&service.native().at("192.0.2.3"), "bob@example.com").await;
    let native = |device: Option<String>| service.native().at("192.0.2.4").on_device(&device.unwrap());
    let laptop = service.browser().at("192.0.2.5").on_device(&browser.device.unwrap());
    (native(ada.device), laptop, native(bob.device))
}

#[tokio::test]
async fn g10_strangers_keep_no_reset_link_from_the_owner() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let (phone, laptop, foreign) = devices(&service).await;
    for number in 0..2 {
        stranger(&service, number).forgot(EMAIL).await.unwrap();
    }
    for client in [stranger(&service, 2), foreign] {
        assert_eq!(client.forgot(EMAIL).await.unwrap_err(), limited());
    }
    phone.forgot(EMAIL).await.expect("the owner's phone");
    // Mails that are sent together may overtake each other.
    service.link_tokens(EMAIL, 3).await;
    laptop.forgot(EMAIL).await.expect("the owner's browser");
    let link = service.link_tokens(EMAIL, 4).await.remove(3);
    laptop.begin_reset(&link).await.unwrap();
}

#[tokio::test]
async fn g10_strangers_keep_no_code_from_the_owner() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(crate::factors::without_passwords);
    let service = service.start().await;
    let (phone, laptop, foreign) = devices(&service).await;
    for number in 0..5 {
        stranger(&service, number).passwordless(EMAIL).await.unwrap();
    }
    for client in [stranger(&service, 5), foreign] {
        assert_eq!(client.passwordless(EMAIL).await.map(drop).unwrap_err(), limited());
    }
    phone.passwordless(EMAIL).await.map(drop).expect("the owner's phone");
    service.mails_about(EMAIL, "Log in to", 6).await;
    let half_way = laptop.passwordless(EMAIL).await.expect("the owner's browser");
    let code = service.mails_about(EMAIL, "Log in to", 7).await[6].code().unwrap();
    half_way.verify_passwordless(&code).await.unwrap();
}

#[tokio::test]
async fn limits_per_address_are_counted_and_shown() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let client = service.native().at("192.0.2.1");
    for nth in 0..10 {
        let reply = client.login_reply(&format!("nobody{nth}@example.com"), WRONG).await;
        assert_eq!(reply.refusal(), invalid());
        assert!(reply.header("ratelimit").is_some() && reply.header("ratelimit-policy").is_some(), "{reply:?}");
    }
    let reply = client.login_reply("nobody10@example.com", WRONG).await;
    assert_eq!(reply.refusal(), refusal(429, "RATE_LIMITED"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(service.native().at("192.0.2.2").login("nobody@example.com", WRONG).await.unwrap_err(), invalid());

    for nth in 0..5 {
        client.register(&format!("new{nth}@example.com"), PASSWORD).await.unwrap();
    }
    let refused = client.register("new5@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(429, "RATE_LIMITED"));
    // An IPv6 host has a whole /64 to itself.
    for nth in 1..=6 {
        let host = service.native().at(&format!("2001:db8::{nth}"));
        let answer = host.register(&format!("six{nth}@example.com"), PASSWORD).await;
        assert_eq!(answer.is_ok(), nth <= 5, "{nth}");
    }
    service.native().at("2001:db8:0:1::1").register("other@example.com", PASSWORD).await.unwrap();
}
