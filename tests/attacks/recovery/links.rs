//! P01: a link is used once, in its time, as it was sent, for its own account.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use serde_json::json;

use super::{ADA, BEGIN, BOB, NEW, RESET, forgotten};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{PASSWORD, Service, refusal, tally};

const RACERS: usize = 64;

/// What is nearly this token.
fn altered(token: &str) -> Vec<(&'static str, String)> {
    let (kept, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = alphabet.find(last).unwrap();
    let neighbour = &alphabet[digit ^ 1..][..1];
    let swap = |letter: char| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter };
    vec![
        ("nothing", String::new()),
        ("a space", " ".into()),
        ("truncated", kept.into()),
        ("half", token[..token.len() / 2].into()),
        ("longer", format!("{token}A")),
        ("the same bits, written otherwise", format!("{kept}{neighbour}")),
        ("padded", format!("{token}=")),
        ("a space behind", format!("{token} ")),
        ("a line behind", format!("{token}\n")),
        ("a zero behind", format!("{token}\0")),
        ("lower case", token.to_lowercase()),
        ("upper case", token.chars().map(swap).collect()),
        ("with its fragment", format!("#token={token}")),
        ("of nobody", "A".repeat(token.len())),
        ("a pattern", "%".into()),
        ("long", "A".repeat(30_000)),
    ]
}

#[tokio::test]
async fn p01_a_link_counts_once_in_its_time_as_it_was_sent_for_its_own_account() {
    let service = Service::start().await;
    let client = service.native();
    for email in [ADA, BOB] {
        service.registered(email).await;
    }
    let older = forgotten(&service, ADA).await;
    let link = forgotten(&service, ADA).await;
    let refused = async |attack: &str, token: &str| {
        let reply = client.post(BEGIN, &json!({ "token": token })).await;
        assert_refused(attack, &reply, 401, "LINK_INVALID");
    };
    let before = Digest::of(&service).await;
    refused("a newer one was asked for", &older).await;
    for (attack, token) in altered(&link) {
        refused(attack, &token).await;
    }
    // A link says by itself whose it is.
    for name in ["identity", "email", "user", "userId"] {
        let reply = client.post(BEGIN, &json!({ "token": link, name: BOB })).await;
        assert_refused(name, &reply, 422, "UNKNOWN_ATTRIBUTE");
    }
    before.is_still_that_of(&service).await;

    let answers = race(RACERS, |racer| {
        let (client, link) = (client.through(&service.replica(racer)), link.clone());
        async move { client.begin_reset(&link).await }
    });
    let (mut won, lost) = tally(answers.await);
    assert_eq!((won.len(), lost), (1, BTreeMap::from([(refusal(401, "LINK_INVALID"), RACERS - 1)])));
    let grant = won.remove(0);
    let before = Digest::of(&service).await;
    refused("used", &link).await;
    let reply = grant.post(RESET, &json!({ "newPassword": NEW, "identity": BOB })).await;
    assert_refused("somebody else's", &reply, 422, "UNKNOWN_ATTRIBUTE");
    before.is_still_that_of(&service).await;

    grant.reset(NEW).await.unwrap();
    let before = Digest::of(&service).await;
    let again = grant.post(RESET, &json!({ "newPassword": PASSWORD })).await;
    assert_refused("a second time", &again, 401, "LINK_INVALID");
    before.is_still_that_of(&service).await;
    client.login(ADA, NEW).await.unwrap();
    client.login(BOB, PASSWORD).await.expect("bob's is as it was");
}

#[tokio::test]
async fn p01_a_link_and_what_it_gave_lapse_after_half_an_hour() {
    let service = Service::start().await;
    service.registered(ADA).await;
    service.registered(BOB).await;
    let grant = service.native().begin_reset(&forgotten(&service, BOB).await).await.unwrap();
    let late = forgotten(&service, ADA).await;
    service.advance(Duration::from_secs(1801)).await;
    let before = Digest::of(&service).await;
    let reply = service.native().post(BEGIN, &json!({ "token": late })).await;
    assert_refused("half an hour later", &reply, 401, "LINK_INVALID");
    // Clocks may differ by five seconds.
    service.advance(Duration::from_secs(6)).await;
    let reply = grant.post(RESET, &json!({ "newPassword": NEW })).await;
    assert_refused("half an hour later", &reply, 401, "TOKEN_EXPIRED");
    before.is_still_that_of(&service).await;
    for email in [ADA, BOB] {
        service.native().login(email, PASSWORD).await.unwrap();
    }
}
