//! O05: guesses, spread over questions, addresses, replicas and ways in.

use std::time::Duration;

use crate::attacks::support::Digest;
use crate::factors::{EMAIL, forgotten, locked, other_than, otp_invalid, with_email_codes};
use crate::support::{Anonymous, Authenticator, HalfWay, Mail, PASSWORD, Service, SignedIn};

/// The right form, and none of anybody's.
const WRONG_RECOVERY: &str = "0000-0000-0000-0000";

/// A client at an address of its own, which asks one replica.
fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.51.100.{}", number + 1)).through(&service.replica(number))
}

async fn asked(service: &Service, number: usize) -> HalfWay {
    stranger(service, number).login_asked(EMAIL, PASSWORD).await.unwrap()
}

/// Six digits that are no code of the next minutes.
fn never(service: &Service, program: &Authenticator) -> String {
    let step = service.step();
    other_than(&(0..12).map(|ahead| program.code(step + ahead)).chain([program.code(step - 1)]).collect::<Vec<_>>())
}

#[tokio::test]
async fn o05_six_wrong_codes_end_a_question() {
    let service = Service::start().await;
    let (_, program) = service.enrolled(EMAIL).await;
    let question = asked(&service, 0).await;
    let wrong = never(&service, &program);
    let before = Digest::of(&service).await;
    for number in 0..6 {
        let there = question.through(&service.replica(number));
        assert_eq!(there.answer("totp", &wrong).await.unwrap_err(), otp_invalid());
    }
    let right = service.fresh_code(&program).await;
    assert_eq!(question.answer("totp", &right).await.unwrap_err(), otp_invalid(), "the question is over");
    let now = Digest::of(&service).await;
    assert_eq!(now.audited_since(&before).keys().collect::<Vec<_>>(), ["authn_mfa_fail"]);
    asked(&service, 1).await.answer("totp", &right).await.expect("the code is not");

    // A code that was mailed goes with its question.
    with_email_codes(&service, "bob@example.com").await;
    let question = service.native().login_asked("bob@example.com", PASSWORD).await.unwrap();
    let right = service.mails_about("bob@example.com", "Your login code", 1).await[0].code().unwrap();
    let wrong = other_than(std::slice::from_ref(&right));
    for _ in 0..6 {
        assert_eq!(question.answer("email", &wrong).await.unwrap_err(), otp_invalid());
    }
    assert_eq!(question.answer("email", &right).await.unwrap_err(), otp_invalid());
}

/// Nobody's right code counts while the account's factors are blocked, on any way.
async fn assert_locked(service: &Service, ada: &SignedIn, program: &Authenticator, grant: &HalfWay) {
    let right = service.fresh_code(program).await;
    let question = asked(service, 60).await;
    ada.ask_step_up("authenticator").await.unwrap();
    let before = Digest::of(service).await;
    assert_eq!(question.answer("totp", &right).await.unwrap_err(), locked());
    let reply = question.through(&service.replica(1)).answer_reply("totp", &right).await;
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(ada.step_up(&right).await.unwrap_err(), locked());
    assert_eq!(ada.remove_totp(&right).await.unwrap_err(), locked());
    assert_eq!(grant.prove("totp", &right).await.unwrap_err(), locked());
    before.is_still_that_of_but_for(service, &[]).await;
}

#[tokio::test]
async fn o05_ten_wrong_codes_over_all_questions_ways_and_addresses_block_the_account() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let ada = service.registered_at(&stranger(&service, 100), EMAIL).await.through(service.api());
    let (ada, program) = ada.enrol(&service).await;
    let grant = forgotten(&service, EMAIL).await;
    let wrong = never(&service, &program);
    // A question each, an address each, one replica after the other.
    for number in 0..6 {
        let (method, code) = if number % 2 == 0 { ("totp", wrong.as_str()) } else { ("recovery", WRONG_RECOVERY) };
        let question = asked(&service, number).await;
        assert_eq!(question.answer(method, code).await.unwrap_err(), otp_invalid(), "{number}");
    }
    ada.ask_step_up("authenticator").await.unwrap();
    assert_eq!(ada.step_up(&wrong).await.unwrap_err(), otp_invalid());
    assert_eq!(ada.remove_totp(&wrong).await.unwrap_err(), otp_invalid());
    for _ in 0..2 {
        assert_eq!(grant.answer("totp", &wrong).await.unwrap_err(), otp_invalid());
    }
    service.advance(Duration::from_secs(31)).await;
    assert_locked(&service, &ada, &program, &grant).await;
    let told = service.mails_about(EMAIL, "Wrong second factors", 1).await;
    assert_eq!(told.len(), 1);

    service.advance(Duration::from_secs(15 * 60)).await;
    let code = service.fresh_code(&program).await;
    asked(&service, 70).await.answer("totp", &code).await.expect("a quarter of an hour later");
}

#[tokio::test]
async fn o05_a_code_sent_again_forgives_nothing() {
    let service = Service::start().await;
    with_email_codes(&service, EMAIL).await;
    let mut question = service.native().login_asked(EMAIL, PASSWORD).await.unwrap();
    for nth in 0..10 {
        let sent = service.mails_about(EMAIL, "Your login code", nth + 1).await;
        let wrong = other_than(&sent.iter().filter_map(Mail::code).collect::<Vec<_>>());
        assert_eq!(question.answer("email", &wrong).await.unwrap_err(), otp_invalid());
        question = question.send("email").await.unwrap();
    }
    let right = service.mails_about(EMAIL, "Your login code", 11).await[10].code().unwrap();
    let before = Digest::of(&service).await;
    assert_eq!(question.answer("email", &right).await.unwrap_err(), locked());
    before.is_still_that_of_but_for(&service, &[]).await;
}
