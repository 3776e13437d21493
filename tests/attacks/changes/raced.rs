//! M04: many accounts and claims want one address at once, over every replica: one gets it.

use std::collections::BTreeMap;

use keystead_testkit::race::race;
use serde_json::json;

use crate::support::{Mail, PASSWORD, Service, SignedIn, tally};

const ACCOUNTS: usize = 16;
const CLAIMS: usize = 48;
const EACH: usize = 2;
const WANTED: &str = "wanted@example.com";

async fn named(service: &Service, racer: usize) -> SignedIn {
    let email = format!("racer{racer}@example.com");
    let wish = json!({ "email": email, "fullName": format!("Racer {racer}"), "password": PASSWORD });
    let half_way = service.native().register_with(&wish).await.unwrap();
    half_way.verify(&service.code(&email).await).await.unwrap()
}

/// The code that was sent to the wanted address for this racer.
fn code_of(mails: &[Mail], racer: usize) -> String {
    let mail = mails.iter().find(|mail| mail.text.contains(&format!("Hello Racer {racer},")));
    mail.unwrap().code().unwrap()
}

#[tokio::test]
async fn m04_one_address_that_64_want_at_once_gets_one_owner_and_nobody_is_told_who() {
    let service = Service::start().await;
    let mut racers = Vec::new();
    for racer in 0..ACCOUNTS {
        racers.push(named(&service, racer).await);
    }
    // Everybody begins at once: accounts that want it, and claims of new accounts.
    let begun = race(ACCOUNTS + CLAIMS, |racer| {
        let (known, client) = (racers.get(racer).cloned(), service.native());
        let wish = json!({ "email": WANTED, "fullName": format!("Racer {racer}"), "password": PASSWORD });
        async move {
            match known {
                Some(ada) => ada.add_contact("email", WANTED).await.map(|id| (Some(id), None)),
                None => client.register_with(&wish).await.map(|claim| (None, Some(claim))),
            }
        }
    });
    let (begun, refused) = tally(begun.await);
    assert_eq!((begun.len(), refused), (ACCOUNTS + CLAIMS, BTreeMap::new()));
    let mails = service.mails_about(WANTED, "Confirm", ACCOUNTS + CLAIMS).await;

    let answers = race((ACCOUNTS + CLAIMS) * EACH, |number| {
        let racer = number % (ACCOUNTS + CLAIMS);
        let (begun, known, code) = (begun[racer].clone(), racers.get(racer).cloned(), code_of(&mails, racer));
        async move {
            match (begun, known) {
                ((Some(id), _), Some(ada)) => ada.verify_contact(&id, &code).await.map(|_| racer),
                ((_, Some(claim)), None) => claim.verify(&code).await.map(|_| racer),
                other => panic!("{other:?}"),
            }
        }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1, "{refused:?}");
    assert!(refused.keys().all(|refusal| matches!(refusal.status, 401 | 404 | 409)), "{refused:?}");
    assert_eq!(service.database().count(&format!("users WHERE email = '{WANTED}'")), 1);
    let winner = service.native().login(WANTED, PASSWORD).await.unwrap();
    assert_eq!(winner.profile().await.unwrap()["fullName"], format!("Racer {}", won[0]));
    // The others are as they were.
    for (racer, ada) in racers.iter().enumerate().filter(|(racer, _)| *racer != won[0]) {
        assert_eq!(ada.profile().await.unwrap()["email"], format!("racer{racer}@example.com"));
    }
}
