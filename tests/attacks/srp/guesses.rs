//! S04: a wrong proof is a guess like a wrong password, out of the same budget, and cannot be aimed at the owner.

use std::collections::BTreeMap;

use keystead_testkit::race::race;
use serde_json::json;

use super::actors::{knowing, with};
use super::{EMAIL, NEW, NOBODY, WRONG, invalid_credentials, limited, srp_invalid};
use crate::attacks::support::assert_refused;
use crate::captcha;
use crate::support::{Anonymous, PASSWORD, Reply, Service, SignedIn, refusal, tally};

/// Guesses of an account in a quarter of an hour.
const BUDGET: usize = 10;

async fn start() -> (Service, SignedIn) {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let ada = service.srp_registered(EMAIL).await;
    (service, ada)
}

/// A client at an address of its own.
fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.51.{}.{}", 100 + number / 250, number % 250 + 1))
}

/// Wrong proofs, each from another address.
async fn guess(service: &Service, identity: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let answer = stranger(service, number).srp_login(identity, WRONG).await;
        assert_eq!(answer.unwrap_err(), srp_invalid(), "guess {number}");
    }
}

#[tokio::test]
async fn s04_g09_ten_wrong_proofs_are_the_most_for_known_and_unknown_names() {
    let (service, _) = start().await;
    service.registered_at(&service.native().at("192.0.2.1"), "password@example.com").await;
    let mut replies: Vec<Reply> = Vec::new();
    for (nth, identity) in [EMAIL, NOBODY, "nobody", "password@example.com"].into_iter().enumerate() {
        guess(&service, identity, nth * 20..nth * 20 + BUDGET).await;
        for (password, at) in [(WRONG, 11), (PASSWORD, 12)] {
            let reply = stranger(&service, nth * 20 + at).srp_login_reply(identity, password).await;
            assert_eq!(reply.refusal(), limited(), "{identity}");
            let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=900).contains(&wait), "{wait}");
            replies.push(reply);
        }
    }
    assert!(replies.iter().all(|reply| reply.header_names() == replies[0].header_names()));
    service.advance(std::time::Duration::from_secs(901)).await;
    stranger(&service, 90).srp_login(EMAIL, PASSWORD).await.expect("the window is over");
}

#[tokio::test]
async fn s04_g09_passwords_and_proofs_are_one_budget() {
    let (service, ada) = start().await;
    for number in 0..5 {
        assert_eq!(stranger(&service, number).login(EMAIL, WRONG).await.unwrap_err(), invalid_credentials());
    }
    guess(&service, EMAIL, 5..BUDGET).await;
    assert_eq!(stranger(&service, 20).srp_login(EMAIL, PASSWORD).await.unwrap_err(), limited());
    assert_eq!(stranger(&service, 21).login(EMAIL, WRONG).await.unwrap_err(), limited());

    // The owner's device has a budget of its own, and it is that device's alone.
    let device = ada.device.clone().unwrap();
    let owner = |number: usize| (stranger(&service, number), device.clone());
    let log_in = async |(client, device): (Anonymous, String), password: &str| {
        let challenge = client.srp_challenge(EMAIL).await;
        let login = knowing(password).answer(&challenge).unwrap().attributes(EMAIL);
        client.srp_send(&with(login, json!({ "deviceToken": device }))).await.ok(200)
    };
    log_in(owner(30), PASSWORD).await.expect("the owner gets in");
    for number in 31..31 + BUDGET {
        assert_eq!(log_in(owner(number), WRONG).await.unwrap_err(), srp_invalid());
    }
    assert_eq!(log_in(owner(50), PASSWORD).await.unwrap_err(), limited());
    let invented = (stranger(&service, 51), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    assert_eq!(log_in(invented, PASSWORD).await.unwrap_err(), limited());
}

#[tokio::test]
async fn s04_g10_the_owner_gets_in_at_a_browser_that_was_there_before() {
    let (service, _) = start().await;
    let browser = service.browser().at("192.0.2.1").srp_login(EMAIL, PASSWORD).await.unwrap();
    guess(&service, EMAIL, 0..BUDGET).await;
    assert_eq!(service.browser().at("192.0.2.2").srp_login(EMAIL, PASSWORD).await.unwrap_err(), limited());
    let known = service.browser().at("192.0.2.3").on_device(&browser.device.unwrap());
    known.srp_login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn s04_g09_a_success_gives_back_its_own_guess_only() {
    let (service, _) = start().await;
    guess(&service, EMAIL, 0..BUDGET - 1).await;
    for number in 20..23 {
        stranger(&service, number).srp_login(EMAIL, PASSWORD).await.unwrap();
    }
    guess(&service, EMAIL, 23..24).await;
    assert_eq!(stranger(&service, 24).srp_login(EMAIL, WRONG).await.unwrap_err(), limited());
}

#[tokio::test]
async fn s04_g09_parallel_wrong_proofs_share_a_budget() {
    const RACERS: usize = 64;
    let (service, _) = start().await;
    for identity in [EMAIL, NOBODY] {
        let mut logins = Vec::new();
        for number in 0..RACERS {
            logins.push(stranger(&service, number).srp_answer(identity, WRONG).await.attributes(identity));
        }
        let answers = race(RACERS, |number| {
            let (client, login) = (stranger(&service, 100 + number), logins[number].clone());
            async move { client.srp_send(&login).await.ok(200) }
        });
        let (won, refused) = tally(answers.await);
        assert!(won.is_empty());
        let expected = BTreeMap::from([(srp_invalid(), BUDGET), (limited(), RACERS - BUDGET)]);
        assert_eq!(refused, expected, "{identity}");
    }
}

#[tokio::test]
async fn s04_a_thousand_challenges_are_answered_by_address_and_lock_nobody_out() {
    let (service, _) = start().await;
    for (address, identity) in [("192.0.2.1", EMAIL), ("192.0.2.2", NOBODY)] {
        let client = service.native().at(address);
        for number in 0..30 {
            let reply = client.srp_challenge_reply(identity).await;
            assert_eq!(reply.status, 200, "{number}: {}", reply.text);
        }
        for _ in 0..5 {
            assert_eq!(client.srp_challenge_reply(identity).await.refusal(), refusal(429, "RATE_LIMITED"));
        }
    }
    // Asking is no guess.
    guess(&service, EMAIL, 0..BUDGET - 1).await;
    stranger(&service, 50).srp_login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn s04_g09_a_proof_of_a_person_signed_in_has_the_budget_of_passwords() {
    let (service, _) = start().await;
    // Both kinds, so that either can be guessed.
    let ada = service.registered_at(&service.native().at("192.0.2.1"), "both@example.com").await;
    let ada = ada.add_srp(NEW).await.unwrap();
    for number in 0..BUDGET {
        let at = SignedIn { client: stranger(&service, number), ..ada.clone() };
        match number % 2 {
            0 => assert_eq!(at.srp_reauthenticate(WRONG).await.unwrap_err().code, "SRP_INVALID"),
            _ => assert_eq!(at.reauthenticate(WRONG).await.unwrap_err(), refusal(403, "PASSWORD_WRONG")),
        }
    }
    let at = SignedIn { client: stranger(&service, 20), ..ada.clone() };
    assert_eq!(at.srp_reauthenticate(NEW).await.unwrap_err(), limited());
    assert_eq!(at.reauthenticate(PASSWORD).await.unwrap_err(), limited());
}

#[tokio::test]
async fn s04_beyond_the_budget_a_guess_takes_a_captcha_and_only_success_proves_the_server() {
    let builder = Service::builder().default_limits().behind_a_proxy().configured(captcha::work);
    let service =
        builder.configured(|config| config.captcha.actions.retain(|action| action.as_str() == "login")).start().await;
    let ada = service.srp_registered(EMAIL).await;
    for number in 0..BUDGET {
        let reply = stranger(&service, number).srp_login_reply(EMAIL, WRONG).await;
        assert_eq!(reply.refusal(), srp_invalid());
        assert!(!reply.text.contains("serverProof"), "{}", reply.text);
    }
    let send = async |number: usize, password: &str, solution: Option<&str>| {
        let client = stranger(&service, number);
        let login = client.srp_answer(EMAIL, password).await;
        let reply = client.srp_send(&with(login.attributes(EMAIL), json!({ "captcha": solution }))).await;
        (login, reply)
    };
    for (solution, code) in [(None, "CAPTCHA_REQUIRED"), (Some("solved".to_owned()), "CAPTCHA_INVALID")] {
        let (_, reply) = send(20, PASSWORD, solution.as_deref()).await;
        assert_refused(code, &reply, 422, code);
    }
    let [first, second] = [captcha::solved(&ada.client, "login").await, captcha::solved(&ada.client, "login").await];
    let (_, wrong) = send(21, WRONG, Some(&first)).await;
    assert_refused("a wrong proof", &wrong, 401, "SRP_INVALID");
    let (_, again) = send(22, PASSWORD, Some(&first)).await;
    assert_refused("a used captcha", &again, 422, "CAPTCHA_INVALID");
    let (login, right) = send(23, PASSWORD, Some(&second)).await;
    assert!(login.accepts(&right.ok(200).unwrap().text_of("serverProof").unwrap()));
}
