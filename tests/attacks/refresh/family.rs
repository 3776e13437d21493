//! R01 to R05: rotation, and copies of tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::json;

use super::{assert_ended_once, mismatch, reused};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Call, Kind, PASSWORD, Service, SignedIn, tally};

const RACERS: usize = 64;
/// As long as a token's successor is given again.
const GRACE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Somebody at each kind of client.
async fn people(service: &Service, of: &str) -> Vec<(String, SignedIn)> {
    let mut people = Vec::new();
    for kind in [Kind::Native, Kind::Browser] {
        let email = format!("{of}-{kind:?}@example.com").to_lowercase();
        let person = service.registered_at(&service.client(kind), &email).await;
        people.push((email, person));
    }
    people
}

#[tokio::test]
async fn r01_a_token_is_exchanged_once() {
    let service = Service::start().await;
    for (email, ada) in people(&service, "ada").await {
        let before = Digest::of(&service).await;
        let next = ada.refresh().await.unwrap();
        assert_ne!(next.refresh, ada.refresh);
        assert_ne!(next.token_id, ada.token_id);
        assert_eq!(next.session_id(), ada.session_id());
        assert_eq!(service.database().generation(ada.session_id()), 2);
        next.verify().await.unwrap();
        service.advance(GRACE + SECOND).await;
        assert_eq!(ada.refresh().await.unwrap_err(), reused());
        assert_ended_once(&service, &email, &[&ada, &next], &before, "authn_token_reuse").await;
    }
}

#[tokio::test]
async fn r02_a_token_shown_again_ends_the_whole_family() {
    let service = Service::start().await;
    // Long after one rotation, or at once after three more.
    for (of, rotations) in [("late", 1), ("older", 4)] {
        for (email, ada) in people(&service, of).await {
            let bystander = service.native().login(&email, PASSWORD).await.unwrap();
            let before = Digest::of(&service).await;
            let mut family = vec![ada.clone()];
            for _ in 0..rotations {
                let next = family.last().unwrap().refresh().await.unwrap();
                family.push(next);
            }
            if rotations == 1 {
                service.advance(GRACE + SECOND).await;
            }
            family.last().unwrap().verify().await.expect("nothing is wrong yet");
            assert_eq!(ada.refresh().await.unwrap_err(), reused());
            let family: Vec<&SignedIn> = family.iter().collect();
            assert_ended_once(&service, &email, &family, &before, "authn_token_reuse").await;
            bystander.refresh().await.expect("another session of hers goes on").verify().await.unwrap();
        }
    }
}

#[tokio::test]
async fn r03_of_many_parallel_exchanges_one_happens() {
    let service = Service::start().await;
    for (_, ada) in people(&service, "ada").await {
        let mut ada = ada;
        // At one replica, then at all of them.
        for (round, api) in [service.replica(0), service.api().clone(), service.replica(1)].into_iter().enumerate() {
            let racer = ada.through(&api);
            let answers = race(RACERS, |_| {
                let racer = racer.clone();
                async move { racer.refresh().await }
            });
            let (won, refused) = tally(answers.await);
            assert_eq!((won.len(), refused), (RACERS, BTreeMap::new()));
            assert!(won.iter().all(|next| next.refresh == won[0].refresh && next.refresh != ada.refresh));
            let generation = i64::try_from(round).unwrap() + 2;
            assert_eq!(service.database().generation(ada.session_id()), generation);
            ada = won[round].through(service.api());
        }
        ada.refresh().await.unwrap().verify().await.expect("the family lives");
    }
    let mut database = service.database();
    assert_eq!((database.audited("authn_token_reuse"), database.audited("authn_fingerprint_mismatch")), (0, 0));
}

#[tokio::test]
async fn r04_the_grace_is_the_clients_own_and_ends_with_the_next_rotation() {
    let service = Service::start().await;
    for (email, ada) in people(&service, "used").await {
        let before = Digest::of(&service).await;
        let second = ada.refresh().await.unwrap();
        assert_eq!(ada.refresh().await.unwrap().refresh, second.refresh, "within the grace");
        let third = second.refresh().await.unwrap();
        assert_eq!(ada.refresh().await.unwrap_err(), reused(), "its successor was used");
        assert_ended_once(&service, &email, &[&ada, &second, &third], &before, "authn_token_reuse").await;
    }
    for (attack, show) in COPIES {
        for (email, ada) in people(&service, attack).await {
            let other = service.client(ada.client.kind).login(&email, PASSWORD).await.unwrap();
            let before = Digest::of(&service).await;
            let second = ada.refresh().await.unwrap();
            let reply = show(&ada, &other).send().await;
            assert_refused(attack, &reply, 401, "FINGERPRINT_MISMATCH");
            assert!(!reply.text.contains("ksr_"), "{attack}");
            assert_ended_once(&service, &email, &[&ada, &second], &before, "authn_fingerprint_mismatch").await;
        }
    }
}

#[tokio::test]
async fn r05_a_stolen_token_that_was_never_used_ends_the_session() {
    let service = Service::start().await;
    for (attack, show) in COPIES {
        for (email, ada) in people(&service, attack).await {
            let other = service.client(ada.client.kind).login(&email, PASSWORD).await.unwrap();
            let before = Digest::of(&service).await;
            let reply = show(&ada, &other).send().await;
            assert_refused(attack, &reply, 401, "FINGERPRINT_MISMATCH");
            assert_eq!(ada.refresh().await.unwrap_err(), mismatch(), "its owner signs in again");
            assert_ended_once(&service, &email, &[&ada], &before, "authn_fingerprint_mismatch").await;
            other.refresh().await.expect("another session of hers goes on");
            ada.client.login(&email, PASSWORD).await.unwrap();
        }
    }
}

/// A way to show somebody's refresh token without their client id; `other` is another session of theirs.
type Copy = (&'static str, fn(&SignedIn, &SignedIn) -> Call);

const COPIES: [Copy; 3] = [
    ("nothing", |ada, _| shown(ada, None)),
    ("invented", |ada, _| shown(ada, Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))),
    ("anothers", |ada, other| shown(ada, Some(&other.client_id))),
];

fn shown(ada: &SignedIn, client_id: Option<&str>) -> Call {
    let call = ada.client.call(Method::POST, "/auth/refresh");
    match ada.client.kind {
        Kind::Native => {
            let call = call.json(&json!({ "refreshToken": ada.refresh }));
            client_id.into_iter().fold(call, |call, id| call.header("keystead-client-id", id))
        }
        Kind::Browser => {
            let call = call.cookie("keystead-refresh", &ada.refresh);
            client_id.into_iter().fold(call, |call, id| call.cookie("keystead-client", id))
        }
    }
}

/// A browser's token does not come out of its cookie by way of a client that says it is a program, nor the other way round.
#[tokio::test]
async fn r05_a_token_of_one_kind_of_client_is_not_moved_to_the_other() {
    let service = Service::start().await;
    for (_, ada) in people(&service, "ada").await {
        let before = Digest::of(&service).await;
        let reply = match ada.client.kind {
            Kind::Browser => {
                let call = service.native().call(Method::POST, "/auth/refresh");
                call.header("keystead-client-id", &ada.client_id).json(&json!({ "refreshToken": ada.refresh }))
            }
            Kind::Native => {
                let call = service.browser().call(Method::POST, "/auth/refresh");
                call.cookie("keystead-client", &ada.client_id).cookie("keystead-refresh", &ada.refresh)
            }
        };
        let reply = reply.send().await;
        assert_refused("of the other kind", &reply, 400, "CLIENT_KIND_MISMATCH");
        assert!(!reply.text.contains("ksr_") && reply.cookies().is_empty(), "{reply:?}");
        before.is_still_that_of_but_for(&service, &[]).await;
        ada.refresh().await.unwrap().verify().await.unwrap();
    }
}
