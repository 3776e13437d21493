//! G02: what races at one account's contacts and factors. Many accounts that want one address are in `attacks::changes`.

use std::time::Duration;

use keystead_testkit::race::race;

use crate::support::{PASSWORD, Service, tally};

const WANTED: &str = "wanted@example.com";

#[tokio::test]
async fn g02_one_undo_link_raced_for_undoes_once() {
    let service = Service::start().await;
    let ada = service.registered("racer@example.com").await;
    let pending = ada.add_contact("email", WANTED).await.unwrap();
    ada.verify_contact(&pending, &service.code(WANTED).await).await.unwrap();
    let lost = service.mails_about("racer@example.com", "This address no longer", 1).await;
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
