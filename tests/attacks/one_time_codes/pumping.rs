//! O12: nobody makes the service send all day, whatever the route, the account and the address they come from.

use std::time::Duration;

use keystead_domain::limits;
use serde_json::json;

use crate::attacks::support::{Digest, assert_refused};
use crate::factors::{EMAIL, PHONE, with_phones, without_passwords};
use crate::support::{Anonymous, PASSWORD, Service, SignedIn, refusal};

async fn limited() -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        without_passwords(config);
        with_phones(config);
    };
    Service::builder().default_limits().behind_a_proxy().configured(change).start().await
}

/// A client at an address of its own.
fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.51.100.{}", number + 1))
}

async fn registered(service: &Service) -> SignedIn {
    service.registered_at(&service.native().at("192.0.2.1"), EMAIL).await
}

fn limit(policy: keystead_domain::limits::RatePolicy) -> usize {
    usize::try_from(policy.limit).unwrap()
}

#[tokio::test]
async fn o12_logins_send_an_address_no_more_than_its_share() {
    let service = limited().await;
    let ada = registered(&service).await;
    let contact = ada.contact("email").await;
    ada.set_otp(&contact, true).await.unwrap();
    let most = limit(limits::ADDRESS);
    for number in 0..most + 10 {
        let question = stranger(&service, number).login_asked(EMAIL, PASSWORD).await.unwrap();
        assert_eq!(question.default.as_deref(), Some("email"), "the answer says nothing of it");
    }
    service.mail_settled().await;
    assert_eq!(service.mails_about(EMAIL, "Your login code", most).await.len(), most);
    // Asking for one more is told. What strangers ask for is counted apart: they cannot use it up for its owner.
    let question = stranger(&service, 100).login_asked(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(question.send("email").await.unwrap_err(), refusal(429, "ACCOUNT_LIMITED"));
    service.advance(Duration::from_secs(3601)).await;
    let question = stranger(&service, 102).login_asked(EMAIL, PASSWORD).await.unwrap();
    let code = service.mails_about(EMAIL, "Your login code", most + 1).await[most].code().unwrap();
    question.answer("email", &code).await.unwrap();
}

#[tokio::test]
async fn o12_step_ups_and_codes_in_the_place_of_passwords_are_counted() {
    let service = limited().await;
    let ada = registered(&service).await;
    ada.ask_step_up("email").await.unwrap();
    let reply = ada.call(reqwest::Method::POST, "/auth/otp?media=email").send().await;
    assert_eq!(reply.status, 429, "{}", reply.text);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    service.advance(Duration::from_secs(31)).await;
    ada.ask_step_up("email").await.unwrap();
    let most = limit(limits::PASSWORDLESS_ACCOUNT);
    for number in 0..most {
        stranger(&service, number).passwordless(EMAIL).await.unwrap();
    }
    assert_eq!(stranger(&service, most).passwordless("ADA@Example.com").await.unwrap_err().status, 429);
    service.mail_settled().await;
    assert_eq!(service.mails_about(EMAIL, "Log in to", most).await.len(), most);
}

#[tokio::test]
async fn o12_one_account_reaches_few_numbers() {
    let service = limited().await;
    let ada = registered(&service).await;
    let most = limit(limits::CONTACT_ADD);
    let number = |nth: usize| format!("+4420794609{nth:02}");
    for nth in 0..most {
        ada.add_contact("phone", &number(nth)).await.unwrap();
    }
    assert_eq!(ada.add_contact("phone", &number(most)).await.unwrap_err().status, 429);
    service.mail_settled().await;
    for nth in 0..most {
        assert_eq!(service.mails(&number(nth)).await.len(), 1, "what was granted is sent: {nth}");
    }
    assert!(service.mails(&number(most)).await.is_empty(), "what was refused is not sent");
}

#[tokio::test]
async fn o12_registrations_send_a_number_no_more_than_its_share() {
    let service = limited().await;
    let most = limit(limits::ADDRESS);
    for number in 0..most + 10 {
        let wish = json!({ "phone": PHONE, "password": PASSWORD });
        let answer = stranger(&service, number).register_with(&wish).await;
        assert!(answer.is_ok() || number >= most, "{number}: {answer:?}");
    }
    service.mail_settled().await;
    assert_eq!(service.mails(PHONE).await.len(), most, "text messages to one number");
}

/// Numbers nobody wrote to yet, of two countries, and addresses: what one client starts is counted together.
#[tokio::test]
async fn o12_one_client_reaches_few_numbers_and_prefixes() {
    let service = limited().await;
    let attacker = stranger(&service, 0);
    let most = limit(limits::REGISTER);
    let contact = |nth: usize| match nth % 3 {
        0 => ("phone", format!("+4420794608{nth:02}")),
        1 => ("phone", format!("+120255501{nth:02}")),
        _ => ("email", format!("victim{nth}@example.com")),
    };
    let register = async |nth: usize| {
        let (kind, address) = contact(nth);
        attacker.post("/auth/register", &json!({ kind: address, "password": PASSWORD })).await
    };
    for nth in 0..most {
        register(nth).await.ok(201).unwrap();
    }
    let before = Digest::of(&service).await;
    for nth in most..most + 20 {
        assert_refused(&contact(nth).1, &register(nth).await, 429, "RATE_LIMITED");
    }
    // Neither a row of the outbox nor a message more.
    before.is_still_that_of(&service).await;
    for nth in 0..most + 20 {
        assert_eq!(service.mails(&contact(nth).1).await.len(), usize::from(nth < most), "{nth}");
    }
}
