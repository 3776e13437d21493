//! G03: refreshing never logs an honest client out and never lets a thief stay.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;

use crate::support::{Kind, PASSWORD, Refusal, Service, SignedIn, refusal, tally};

const RACERS: usize = 64;
const DAY: u64 = 86_400;
const EMAIL: &str = "ada@example.com";

fn reused() -> Refusal {
    refusal(401, "REFRESH_REUSED")
}

/// The session is over for every token of it; its owner was told once, and the log says so once.
async fn assert_ended_once(service: &Service, tokens: &[&SignedIn], event: &str) {
    for token in tokens {
        assert_eq!(token.refused().await, refusal(401, "TOKEN_REVOKED"));
        assert_eq!(token.refresh().await.unwrap_err().status, 401);
    }
    service.mail_settled().await;
    assert_eq!(service.mails_about(EMAIL, "We ended a session", 1).await.len(), 1);
    assert_eq!(service.database().audited(event), 1);
}

#[tokio::test]
async fn g03_parallel_refreshes_rotate_once() {
    // With limits: repeats are no rotations. At an address each, so that neither is slowed down.
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    for (kind, address) in [(Kind::Native, "192.0.2.1"), (Kind::Browser, "192.0.2.2")] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let ada = service.registered_at(&service.client(kind).at(address), &email).await;
        let answers = race(RACERS, |_| {
            let ada = ada.clone();
            async move { ada.refresh().await }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!((won.len(), refused), (RACERS, BTreeMap::new()));
        assert!(won.iter().all(|next| next.refresh == won[0].refresh && next.refresh != ada.refresh));
        assert_eq!(service.database().generation(ada.session_id()), 2);
        won[RACERS - 1].refresh().await.unwrap().verify().await.unwrap();
    }
}

#[tokio::test]
async fn g03_a_lost_answer_is_given_again() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let lost = ada.refresh().await.unwrap();
    service.advance(Duration::from_secs(25)).await;
    let again = ada.refresh().await.unwrap();
    assert_eq!(again.refresh, lost.refresh);
    service.advance(Duration::from_secs(60)).await;
    again.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn g03_a_token_shown_again_ends_the_session() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bystander = service.native().login(EMAIL, PASSWORD).await.unwrap();
    let next = ada.refresh().await.unwrap();
    service.advance(Duration::from_secs(31)).await;
    next.verify().await.unwrap();
    assert_eq!(ada.refresh().await.unwrap_err(), reused());
    assert_eq!(next.refresh().await.unwrap_err(), reused());
    assert_eq!(ada.refresh().await.unwrap_err(), reused());
    assert_ended_once(&service, &[&ada, &next], "authn_token_reuse").await;
    bystander.refresh().await.expect("other sessions go on");
}

#[tokio::test]
async fn g03_parallel_replays_end_the_session_once() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let next = ada.refresh().await.unwrap();
    service.advance(Duration::from_secs(31)).await;
    let answers = race(RACERS, |_| {
        let ada = ada.clone();
        async move { ada.refresh().await }
    });
    let (won, refused) = tally(answers.await);
    assert!(won.is_empty());
    assert_eq!(refused, BTreeMap::from([(reused(), RACERS)]));
    assert_ended_once(&service, &[&next], "authn_token_reuse").await;
}

#[tokio::test]
async fn g03_two_rotations_end_the_grace_of_the_first() {
    let service = Service::start().await;
    let first = service.registered(EMAIL).await;
    let second = first.refresh().await.unwrap();
    let third = second.refresh().await.unwrap();
    assert_eq!(second.refresh().await.unwrap().refresh, third.refresh);
    assert_eq!(first.refresh().await.unwrap_err(), reused());
    assert_ended_once(&service, &[&first, &second, &third], "authn_token_reuse").await;
}

#[tokio::test]
async fn g03_another_client_ends_the_session() {
    let service = Service::start().await;
    for kind in [Kind::Native, Kind::Browser] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let ada = service.registered_at(&service.client(kind), &email).await;
        let thief = SignedIn { client_id: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(), ..ada.clone() };
        let refused = thief.refresh_reply().await;
        assert_eq!(refused.refusal(), refusal(401, "FINGERPRINT_MISMATCH"));
        assert!(!refused.text.contains("ksr_"));
        assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
        assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "FINGERPRINT_MISMATCH"));
    }
    assert_eq!(service.database().audited("authn_fingerprint_mismatch"), 2);
}

#[tokio::test]
async fn g03_a_forged_token_changes_nothing() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    let parts: Vec<&str> = ada.refresh.split('.').collect();
    let [key, session, generation, mac] = parts[..] else { panic!("{}", ada.refresh) };
    let flipped = mac.replace('0', "1");
    let flipped = if flipped == mac { mac.replace('1', "0") } else { flipped };
    let bobs: Vec<&str> = bob.refresh.split('.').collect();
    for forged in [
        format!("{key}.{session}.{generation}.{flipped}"),
        format!("{key}.{session}.2.{mac}"),
        format!("{key}.{session}.0.{mac}"),
        format!("{key}.{}.{generation}.{mac}", bobs[1]),
        format!("ksr_unknown.{session}.{generation}.{mac}"),
        format!("{key}.{session}.{generation}.{}", "0".repeat(64)),
        format!("{key}.{session}.{generation}."),
        ada.refresh.to_uppercase(),
        ada.access.clone(),
        "ksr_".into(),
    ] {
        let thief = SignedIn { refresh: forged.clone(), ..ada.clone() };
        assert_eq!(thief.refresh().await.unwrap_err(), refusal(401, "REFRESH_INVALID"), "{forged}");
    }
    ada.refresh().await.unwrap().verify().await.unwrap();
    bob.refresh().await.unwrap();
    assert_eq!(service.database().audited("authn_token_reuse"), 0);
}

#[tokio::test]
async fn g03_a_session_nobody_refreshes_ends_after_seven_days() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    service.advance(Duration::from_secs(7 * DAY - 60)).await;
    assert_eq!(ada.verify().await.unwrap_err(), refusal(401, "TOKEN_EXPIRED"));
    let ada = ada.refresh().await.expect("the refresh token outlives the access token");
    ada.verify().await.unwrap();
    service.advance(Duration::from_secs(7 * DAY)).await;
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "REFRESH_EXPIRED"));
}

#[tokio::test]
async fn g03_a_session_ends_after_fifteen_days_whatever_happens() {
    let service = Service::start().await;
    let mut ada = service.registered(EMAIL).await;
    for _ in 0..2 {
        service.advance(Duration::from_secs(6 * DAY)).await;
        ada = ada.refresh().await.unwrap();
    }
    service.advance(Duration::from_secs(3 * DAY - 120)).await;
    let ada = ada.refresh().await.unwrap();
    ada.verify().await.unwrap();
    service.advance(Duration::from_secs(130)).await;
    assert_eq!(ada.verify().await.unwrap_err(), refusal(401, "TOKEN_EXPIRED"));
    let refused = ada.refresh().await.unwrap_err();
    assert!([refusal(401, "REFRESH_EXPIRED"), refusal(401, "REFRESH_INVALID")].contains(&refused), "{refused:?}");
}

#[tokio::test]
async fn g03_rotations_are_limited_per_session_and_the_token_stays_good() {
    let service = Service::builder().default_limits().start().await;
    let ada = service.registered(EMAIL).await;
    let mut newest = ada.clone();
    for _ in 0..30 {
        newest = newest.refresh().await.unwrap();
    }
    let reply = newest.refresh_reply().await;
    assert_eq!(reply.refusal(), refusal(429, "RATE_LIMITED"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    service.advance(Duration::from_secs(60)).await;
    newest.refresh().await.unwrap();
}
