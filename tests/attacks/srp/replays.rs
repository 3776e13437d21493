//! S02: a challenge is answered once, on whichever replica, within two minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;

use super::actors::{as_proof, knowing, signed_in};
use super::{EMAIL, WRONG, srp_invalid};
use crate::support::{PASSWORD, Service, tally};

const RACERS: usize = 64;
/// Races; `cargo xtask test` has no day.
const ROUNDS: usize = 3;

#[tokio::test]
async fn s02_an_answer_counts_once_here_and_on_the_other_replica() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    let login = client.srp_answer(EMAIL, PASSWORD).await.attributes(EMAIL);
    signed_in(&client, &client.srp_send(&login).await.ok(200).unwrap()).verify().await.unwrap();
    let sessions = service.database().sessions();
    for wait in [0, 1, 60, 70, 86_400] {
        service.advance(Duration::from_secs(wait)).await;
        for replica in service.api().each() {
            let reply = client.through(&replica).srp_send(&login).await;
            assert_eq!(reply.refusal(), srp_invalid(), "{wait} s later");
            assert!(!reply.text.contains("serverProof"), "{}", reply.text);
        }
    }
    let mut database = service.database();
    let replicas = i64::try_from(service.api().each().len()).unwrap();
    assert_eq!(database.sessions(), sessions);
    // Within two minutes it is a replay; later it is no challenge at all.
    assert_eq!(database.audited("authn_srp_replay"), 3 * replicas);
    assert_eq!(database.audited("authn_login_fail"), 2 * replicas);
}

#[tokio::test]
async fn s02_g02_of_many_parallel_answers_to_one_challenge_one_counts() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let sessions = service.database().sessions();
    for round in 1..=ROUNDS {
        let login = service.native().srp_answer(EMAIL, PASSWORD).await;
        let answers = race(RACERS, |_| {
            let (client, login) = (service.native(), login.clone());
            async move { client.srp_send(&login.attributes(EMAIL)).await.ok(200) }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!((won.len(), refused), (1, BTreeMap::from([(srp_invalid(), RACERS - 1)])));
        assert!(login.accepts(&won[0].text_of("serverProof").unwrap()));
        assert_eq!(service.database().sessions(), sessions + round);
    }
}

#[tokio::test]
async fn s02_g02_different_answers_to_one_challenge_are_one_guess() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    service.srp_registered(EMAIL).await;
    let challenge = service.native().srp_challenge(EMAIL).await;
    // One right answer among wrong ones, each with an A of its own: at most it counts, and at most one guess is made.
    let answers = race(RACERS, |racer| {
        let password = if racer == RACERS / 2 { PASSWORD } else { WRONG };
        let login = knowing(password).answer(&challenge).unwrap();
        let client = service.native().at(&format!("198.51.100.{}", racer + 1));
        async move { client.srp_send(&login.attributes(EMAIL)).await.ok(200) }
    });
    let (won, refused) = tally(answers.await);
    assert!(won.len() <= 1);
    assert!(refused.keys().all(|refusal| *refusal == srp_invalid() || *refusal == super::limited()), "{refused:?}");
    // Whoever came second gave its guess back: nine more are left, at least.
    for number in 0..9 {
        let client = service.native().at(&format!("203.0.113.{}", number + 1));
        assert_eq!(client.srp_login(EMAIL, WRONG).await.unwrap_err(), srp_invalid(), "guess {number}");
    }
}

#[tokio::test]
async fn s02_a_challenge_lives_two_minutes() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    let client = service.native();
    let [in_time, late] = [client.srp_answer(EMAIL, PASSWORD).await, client.srp_answer(EMAIL, PASSWORD).await];
    let for_proof = as_proof(&client.srp_answer(EMAIL, PASSWORD).await);
    let reply = client.srp_challenge_reply(EMAIL).await;
    service.advance(Duration::from_secs(110)).await;
    client.srp_send(&in_time.attributes(EMAIL)).await.ok(200).unwrap();
    service.advance(Duration::from_secs(11)).await;
    assert_eq!(client.srp_send(&late.attributes(EMAIL)).await.refusal(), srp_invalid());
    let proof = ada.call(reqwest::Method::POST, "/auth/reauth").json(&for_proof).send().await;
    assert_eq!(proof.refusal().code, "SRP_INVALID");
    // It said so.
    assert!(reply.text_of("expiresAt").is_some_and(|at| at.ends_with('Z')), "{}", reply.text);
}

#[tokio::test]
async fn s02_a_used_challenge_stays_used_over_a_restart_and_an_open_one_stays_open() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    let [used, open] = [client.srp_answer(EMAIL, PASSWORD).await, client.srp_answer(EMAIL, PASSWORD).await];
    client.srp_send(&used.attributes(EMAIL)).await.ok(200).unwrap();
    let service = service.restart().await;
    assert_eq!(client.srp_send(&used.attributes(EMAIL)).await.refusal(), srp_invalid());
    let reply = service.native().srp_send(&open.attributes(EMAIL)).await.ok(200).unwrap();
    assert!(open.accepts(&reply.text_of("serverProof").unwrap()));
}

#[tokio::test]
async fn s02_a_login_is_no_proof_of_a_person_signed_in_nor_the_other_way_round() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    let login = ada.client.srp_answer(EMAIL, PASSWORD).await;
    ada.client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
    let prove = |login| ada.call(reqwest::Method::POST, "/auth/reauth").json(&as_proof(login)).send();
    assert_eq!(prove(&login).await.refusal().code, "SRP_INVALID", "the challenge was answered");
    let login = ada.client.srp_answer(EMAIL, PASSWORD).await;
    prove(&login).await.ok(200).unwrap();
    assert_eq!(ada.client.srp_send(&login.attributes(EMAIL)).await.refusal(), srp_invalid());
}
