//! S06: a client that is not ours signs in, whatever its numbers begin with. Hundreds of logins of clients in other languages
//! are in [`crate::srp_clients`], the numbers of RFC 5054 where the arithmetic is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keystead_testkit::race::race;
use keystead_testkit::srp_client::{Challenge, Login, ProofForm};
use serde_json::json;

use super::EMAIL;
use super::actors::{knowing, signed_in};
use crate::support::{PASSWORD, Service};

/// Bytes of a value of the group.
const WIDTH: usize = 512;

#[tokio::test]
async fn s06_both_forms_of_m1_are_accepted() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    for form in [ProofForm::Padded, ProofForm::Bare] {
        let challenge = client.srp_challenge(EMAIL).await;
        let login = knowing(PASSWORD).proving(form).answer(&challenge).unwrap();
        let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "{form:?}");
        signed_in(&client, &reply).verify().await.unwrap();
    }
}

/// What begins with a zero byte, and how that is seen.
type Forced = (&'static str, fn(&Login) -> bool);

#[tokio::test]
async fn s06_numbers_that_begin_with_zeros_sign_in() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    let forced: [Forced; 5] = [
        ("A", |login| login.client_key.len() < WIDTH),
        ("S", |login| login.premaster.len() < WIDTH),
        ("K", |login| login.session_key[0] == 0),
        ("M1", |login| login.proof[0] == 0),
        ("M2", |login| login.server_proof()[0] == 0),
    ];
    for (name, wanted) in forced {
        let challenge = client.srp_challenge(EMAIL).await;
        let search = move || knowing(PASSWORD).answer_where(&challenge, wanted).unwrap();
        let login = tokio::task::spawn_blocking(search).await.unwrap().unwrap_or_else(|| panic!("no such {name}"));
        let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "{name}");
    }
}

#[tokio::test]
async fn s06_a_and_b_with_leading_zeros_on_the_wire_are_the_same_numbers() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    // A at the width of the group, with the zeros in front that its shortest form leaves out.
    let challenge = client.srp_challenge(EMAIL).await;
    let search = move || knowing(PASSWORD).answer_where(&challenge, |login| login.client_key.len() < WIDTH).unwrap();
    let login = tokio::task::spawn_blocking(search).await.unwrap().unwrap();
    let mut attributes = login.attributes(EMAIL);
    let short = attributes["clientPublicKey"].as_str().unwrap().to_owned();
    attributes["clientPublicKey"] = json!(format!("{short:0>1024}"));
    assert!(short.len() < 1024);
    client.srp_send(&attributes).await.ok(200).unwrap();

    // B comes without leading zeros, and begins with some in one of 256 challenges: 4,096 without any do not happen.
    let found = Arc::new(AtomicBool::new(false));
    let challenges = race(8, |_| {
        let (client, found) = (service.native(), Arc::clone(&found));
        async move {
            for _ in 0..512 {
                if found.load(Ordering::SeqCst) {
                    return None;
                }
                let reply = client.srp_challenge_reply(EMAIL).await.ok(200).unwrap();
                let key = reply.text_of("serverPublicKey").unwrap();
                assert!(!key.starts_with("00"), "{key}");
                if key.len() < 2 * WIDTH {
                    found.store(true, Ordering::SeqCst);
                    return Some(reply);
                }
            }
            None
        }
    });
    let found: Vec<_> = challenges.await.into_iter().flatten().collect();
    let short = Challenge::from_attributes(&found[0].attributes()).unwrap();
    let login = knowing(PASSWORD).answer(&short).unwrap();
    let reply = client.srp_send(&login.attributes(EMAIL)).await.ok(200).unwrap();
    assert!(login.accepts(&reply.text_of("serverProof").unwrap()));
}
