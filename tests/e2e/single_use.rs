//! G02: whatever is single-use is used once.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use serde_json::json;

use crate::support::{PASSWORD, Service, refusal, tally};

const RACERS: usize = 64;

/// A code that is not this one.
pub fn wrong(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn all_refused_with(code: &str) -> BTreeMap<crate::support::Refusal, usize> {
    BTreeMap::from([(refusal(401, code), RACERS - 1)])
}

#[tokio::test]
async fn g02_one_code_verifies_once() {
    let service = Service::start().await;
    let half_way = service.native().register("ada@example.com", PASSWORD).await.unwrap();
    let code = service.code("ada@example.com").await;
    let answers = race(RACERS, |_| {
        let (half_way, code) = (half_way.clone(), code.clone());
        async move { half_way.verify(&code).await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert_eq!(refused, all_refused_with("CODE_INVALID"));
    won[0].verify().await.unwrap();
    let mut database = service.database();
    assert_eq!((database.count("users"), database.sessions(), database.audited("user_created")), (1, 1, 1));
    assert_eq!(half_way.verify(&code).await.unwrap_err(), refusal(401, "CODE_INVALID"));
}

#[tokio::test]
async fn g02_one_link_begins_one_reset() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    ada.client.forgot("ada@example.com").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let answers = race(RACERS, |_| {
        let (client, link) = (service.native(), link.clone());
        async move { client.begin_reset(&link).await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert_eq!(refused, all_refused_with("LINK_INVALID"));
    won[0].reset("copper-violin-meadow-17").await.unwrap();
}

#[tokio::test]
async fn g02_one_grant_resets_once() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    ada.client.forgot("ada@example.com").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    let password = |racer: usize| format!("copper-violin-meadow-{racer}");
    let answers = race(RACERS, |racer| {
        let grant = grant.clone();
        async move { grant.reset(&password(racer)).await.map(|()| racer) }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert_eq!(refused, all_refused_with("LINK_INVALID"));
    service.native().login("ada@example.com", &password(won[0])).await.unwrap();
    let loser = (won[0] + 1) % RACERS;
    let refused = service.native().login("ada@example.com", &password(loser)).await.unwrap_err();
    assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"));
    assert_eq!(service.database().audited("authn_password_reset"), 1);
}

#[tokio::test]
async fn g02_of_many_registrations_of_one_address_one_can_verify() {
    let service = Service::start().await;
    let answers = race(RACERS, |racer| {
        let client = service.native();
        let wish = json!({ "email": "ada@example.com", "fullName": format!("Racer {racer}"), "password": PASSWORD });
        async move { client.register_with(&wish).await }
    });
    let (registered, refused) = tally(answers.await);
    assert_eq!((registered.len(), refused), (RACERS, BTreeMap::new()));

    let mails = service.mails_about("ada@example.com", "Confirm", RACERS).await;
    let code_of = |racer: usize| {
        let mail = mails.iter().find(|mail| mail.text.contains(&format!("Hello Racer {racer},")));
        mail.unwrap().code().unwrap()
    };
    let answers = race(RACERS, |racer| {
        let (half_way, code) = (registered[racer].clone(), code_of(racer));
        async move { half_way.verify(&code).await.map(|who| (racer, who)) }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert_eq!(refused, all_refused_with("CODE_INVALID"));
    let (racer, ada) = &won[0];
    assert_eq!(ada.profile().await.unwrap()["fullName"], format!("Racer {racer}"));
    let mut database = service.database();
    assert_eq!((database.count("users"), database.count("pending_registrations")), (1, 0));
}

#[tokio::test]
async fn g02_a_code_dies_with_the_fifth_wrong_guess() {
    let service = Service::start().await;
    for (tries, dies) in [(4, false), (5, true)] {
        let email = format!("ada{tries}@example.com");
        let half_way = service.native().register(&email, PASSWORD).await.unwrap();
        let code = service.code(&email).await;
        for _ in 0..tries {
            assert_eq!(half_way.verify(&wrong(&code)).await.unwrap_err(), refusal(401, "CODE_INVALID"));
        }
        assert_eq!(half_way.verify(&code).await.is_err(), dies, "after {tries}");
    }
}

#[tokio::test]
async fn g02_a_code_dies_after_five_minutes_and_with_the_next() {
    let service = Service::start().await;
    let invalid = refusal(401, "CODE_INVALID");
    let first = service.native().register("ada@example.com", PASSWORD).await.unwrap();
    service.code("ada@example.com").await;
    service.advance(Duration::from_secs(301)).await;
    let codes = service.codes("ada@example.com", 1).await;
    assert_eq!(first.verify(&codes[0]).await.unwrap_err(), invalid);

    let second = first.resend().await.unwrap();
    service.codes("ada@example.com", 2).await;
    let third = second.resend().await.unwrap();
    let codes = service.codes("ada@example.com", 3).await;
    assert_eq!(second.verify(&codes[1]).await.unwrap_err(), invalid, "replaced");
    assert_eq!(second.verify(&codes[2]).await.unwrap_err(), invalid, "bound to the newer token");
    assert_eq!(third.verify(&codes[1]).await.unwrap_err(), invalid, "bound to the older token");
    service.advance(Duration::from_secs(290)).await;
    third.verify(&codes[2]).await.unwrap();
    assert_eq!(third.resend().await.unwrap_err(), invalid, "nothing is left to prove");
}

#[tokio::test]
async fn g02_a_newer_link_replaces_the_older_and_lives_half_an_hour() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let invalid = refusal(401, "LINK_INVALID");
    ada.client.forgot("ada@example.com").await.unwrap();
    service.link_tokens("ada@example.com", 1).await;
    ada.client.forgot("ada@example.com").await.unwrap();
    let links = service.link_tokens("ada@example.com", 2).await;
    assert_eq!(ada.client.begin_reset(&links[0]).await.unwrap_err(), invalid);
    service.advance(Duration::from_secs(1790)).await;
    let grant = ada.client.begin_reset(&links[1]).await.unwrap();
    service.advance(Duration::from_secs(1790)).await;
    grant.reset("copper-violin-meadow-17").await.unwrap();

    ada.client.forgot("ada@example.com").await.unwrap();
    let links = service.link_tokens("ada@example.com", 3).await;
    service.advance(Duration::from_secs(1801)).await;
    assert_eq!(ada.client.begin_reset(&links[2]).await.unwrap_err(), invalid);
}
