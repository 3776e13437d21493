//! M04: many accounts want one address at once, over every replica: one gets it.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;
use serde_json::json;

use crate::support::{Mail, PASSWORD, Service, SignedIn, tally};

const ACCOUNTS: usize = 16;
const CLAIMS: usize = 8;
const EACH: usize = 4;
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
async fn m04_one_address_raced_for_by_accounts_and_claims_gets_one_owner() {
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

#[tokio::test]
async fn g02_one_undo_link_raced_for_undoes_once() {
    let service = Service::start().await;
    let ada = named(&service, 0).await;
    let pending = ada.add_contact("email", WANTED).await.unwrap();
    ada.verify_contact(&pending, &service.code(WANTED).await).await.unwrap();
    let lost = service.mails_about("racer0@example.com", "This address no longer", 1).await;
    let link = lost[0].link_token().unwrap();
    let answers = race(64, |_| {
        let (client, link) = (service.native(), link.clone());
        async move { client.undo_contact(&link).await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!(won.len(), 1);
    assert!(refused.keys().all(|refusal| refusal.code == "LINK_INVALID"), "{refused:?}");
    assert_eq!(service.database().audited("contact_change_undone"), 1);
}

/// What can be done to one account's factors at once, in every order: nothing fails on our side, and PostgreSQL never has
/// to end a transaction that waited in a circle (the harness looks for that).
#[tokio::test]
async fn g02_changes_of_one_accounts_factors_at_once_fail_for_no_reason_but_each_other() {
    let service = Service::builder().configured(|config| config.mfa.max_failures = 100).start().await;
    for round in 0..2 {
        let email = format!("ada{round}@example.com");
        let (ada, program) = service.enrolled(&email).await;
        let contact = ada.contact("email").await;
        let question = service.native().login_asked(&email, PASSWORD).await.unwrap();
        ada.ask_step_up("authenticator").await.unwrap();
        let code = service.fresh_code(&program).await;
        let (next, moved) = (format!("next{round}@example.com"), format!("moved{round}@example.com"));
        let pending = ada.add_contact("email", &moved).await.unwrap();
        let moving = service.mails_about(&moved, "Confirm this address", 1).await[0].code().unwrap();
        let answers = race(36, |racer| {
            let (ada, question, code, contact) = (ada.clone(), question.clone(), code.clone(), contact.clone());
            let (next, email, pending, moving) = (next.clone(), email.clone(), pending.clone(), moving.clone());
            async move {
                match racer % 9 {
                    0 => question.answer("totp", &code).await.map(drop),
                    1 => ada.step_up(&code).await.map(drop),
                    2 => ada.set_otp(&contact, true).await.map(drop),
                    3 => ada.recovery_codes().await.map(drop),
                    4 => ada.add_contact("email", &next).await.map(drop),
                    5 => ada.begin_totp().await.map(drop),
                    6 => ada.client.login_asked(&email, PASSWORD).await.map(drop),
                    7 => ada.verify_contact(&pending, &moving).await.map(drop),
                    _ => ada.change_password(PASSWORD, super::NEW).await.map(drop),
                }
            }
        });
        let (_, refused) = tally(answers.await);
        let expected = |status: u16| matches!(status, 401 | 403 | 404 | 409 | 410 | 429);
        assert!(refused.keys().all(|refusal| expected(refusal.status)), "{refused:?}");
        service.advance(Duration::from_secs(60)).await;
    }
}
