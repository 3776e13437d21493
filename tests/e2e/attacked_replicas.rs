//! Attacks on what replicas share: on Redis by whoever can read or write it, on what one replica does while another ends
//! it, on what everybody waits for. On a SQLite file the same tests run with one process.

use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{PASSWORD, Service, eventually, refusal, tally};

const ADA: &str = "ada@example.com";
/// Without the lock on both names a circle showed within a hundred.
const ROUNDS: usize = 300;
const NEW: &str = "copper-violin-meadow-17";

/// A record of a repeated request is compared with the body of the next one. A bare hash of a body that holds a password
/// could be searched at the speed of a graphics card, whatever Argon2 costs.
#[tokio::test]
async fn g06_no_hash_of_a_password_is_kept_that_needs_no_server_key() {
    let service = Service::start().await;
    let body = json!({ "email": ADA, "password": PASSWORD });
    let call = service.native().call(Method::POST, "/auth/register").header("idempotency-key", "key-1").json(&body);
    call.send().await.ok(201).unwrap();
    let mut database = service.database();
    assert!(database.dump(&[])["ceremonies"].iter().any(|row| row.contains("idempotency")), "the record is there");
    let (bytes, rows) = (database.bytes(), database.dump(&[]));
    for guess in [body.to_string().as_bytes(), PASSWORD.as_bytes()] {
        let bare = Sha256::digest(guess);
        let digits = bare.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02X}"));
        assert!(!bytes.windows(bare.len()).any(|window| window == &bare[..]));
        assert!(!rows.values().flatten().any(|row| row.to_uppercase().contains(&digits)));
    }
}

/// A password change that had begun when the ban was committed must not give its session the epoch after the ban.
#[tokio::test]
async fn g04_a_password_change_beside_a_ban_outlives_nothing() {
    let service = Service::start().await;
    let operator = service.other_process().await;
    // A change compares one password and hashes another: the ban comes before, between and after.
    for round in 0..6 {
        let email = format!("ada{round}@example.com");
        let ada = service.registered(&email).await;
        let wanted = service.hashes() + round % 3;
        let changing = ada.change_password(PASSWORD, NEW);
        let banning = async {
            eventually("the hashes before the ban", || async { (service.hashes() >= wanted).then_some(()) }).await;
            operator.operator.set_banned(&email, true).await.unwrap();
        };
        let (changed, ()) = tokio::join!(changing, banning);
        ada.refused_within_a_second().await;
        if let Ok(changed) = changed {
            changed.refused_within_a_second().await;
            changed.refresh().await.unwrap_err();
        }
        ada.refresh().await.unwrap_err();
    }
}

/// Names swapped by two people at once, over and over: no statement waits in a circle (the harness looks into the log of
/// PostgreSQL), and nobody is refused for another reason than that the name is taken.
#[tokio::test]
async fn names_that_are_swapped_are_never_waited_for_in_a_circle() {
    const PEOPLE: usize = 2;
    let service = Service::start().await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let person = service.registered(&format!("person{number}@example.com")).await;
        person.update_profile(&json!({ "username": format!("name{number}") })).await.unwrap();
        people.push(person);
    }
    for round in 1..=ROUNDS {
        let people = &people;
        let answers = race(PEOPLE, |number| {
            let (person, name) = (people[number].clone(), format!("name{}", (number + round) % PEOPLE));
            async move { person.update_profile(&json!({ "username": name })).await }
        });
        let (_, refused) = tally(answers.await);
        assert!(refused.keys().all(|why| *why == refusal(409, "USERNAME_TAKEN")), "{refused:?}");
    }
}
