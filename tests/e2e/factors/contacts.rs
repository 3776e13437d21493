//! Addresses of an account: added, replaced, taken back, removed; and who is told (M01, G04).

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{EMAIL, NEW, PHONE, forgotten, otp_invalid, with_phones};
use crate::support::{PASSWORD, Service, SignedIn, refusal};

const LOST: &str = "This address no longer belongs";

/// The account's e-mail address becomes this one.
async fn moved(service: &Service, ada: &SignedIn, address: &str) -> SignedIn {
    let pending = ada.add_contact("email", address).await.unwrap();
    let code = service.mails_about(address, "Confirm this address", 1).await.pop().unwrap().code().unwrap();
    ada.verify_contact(&pending, &code).await.unwrap()
}

/// The password is void once a change was undone: whoever made the change had it. A link to the address leads to a new one.
async fn back_in(service: &Service) -> SignedIn {
    let refused = service.native().login(EMAIL, PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"));
    let grant = forgotten(service, EMAIL).await;
    assert_eq!(grant.default, None, "no factor of the thief's is asked for");
    grant.reset(NEW).await.unwrap();
    service.native().login(EMAIL, NEW).await.unwrap()
}

#[tokio::test]
async fn m01_an_address_is_replaced_once_the_new_one_is_proved() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let other = service.native().login(EMAIL, PASSWORD).await.unwrap();
    let pending = ada.add_contact("email", "new@example.com").await.unwrap();
    let code = service.mails_about("new@example.com", "Confirm this address", 1).await[0].code().unwrap();
    let listed = ada.contacts().await.unwrap();
    let states: Vec<bool> = listed.iter().map(|contact| contact["attributes"]["verified"].as_bool().unwrap()).collect();
    assert_eq!(states, [true, false], "{listed:?}");
    service.native().login(EMAIL, PASSWORD).await.expect("the old one counts until then");
    let refused = service.native().login("new@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"));

    // Not by another person, not with another code.
    let mallory = service.registered("mallory@example.com").await;
    assert_eq!(mallory.verify_contact(&pending, &code).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    let wrong = super::other_than(std::slice::from_ref(&code));
    assert_eq!(ada.verify_contact(&pending, &wrong).await.unwrap_err(), otp_invalid());
    let ada = ada.verify_contact(&pending, &code).await.unwrap();
    assert_eq!(ada.verify_contact(&pending, &code).await.unwrap_err(), refusal(404, "NOT_FOUND"), "once");

    assert_eq!(ada.profile().await.unwrap()["email"], "new@example.com");
    service.native().login("new@example.com", PASSWORD).await.unwrap();
    assert_eq!(service.native().login(EMAIL, PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    let told = service.mails_about(EMAIL, LOST, 1).await;
    assert!(told[0].link_token().is_some() && told[0].text.contains("72 hours"), "{}", told[0].text);
    // Sessions stay, their access tokens are renewed.
    other.refused().await;
    other.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn m01_who_lost_an_address_takes_it_back_without_signing_in() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    // A thief at ada's open session: moves the address, enrols a program of their own.
    let thief = moved(&service, &ada, "thief@example.com").await;
    let (thief, _) = thief.enrol(&service).await;
    thief.recovery_codes().await.unwrap();
    let link = service.mails_about(EMAIL, LOST, 1).await[0].link_token().unwrap();

    assert_eq!(service.native().undo_contact("AAAA").await.unwrap_err(), refusal(401, "LINK_INVALID"));
    service.native().undo_contact(&link).await.unwrap();
    assert_eq!(service.native().undo_contact(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"), "once");
    assert_eq!(thief.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(thief.refresh().await.unwrap_err().status, 401);
    let back = back_in(&service).await;
    assert_eq!(back.profile().await.unwrap()["email"], EMAIL);
    let refused = service.native().login("thief@example.com", PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"));
    service.mails_about(EMAIL, "This address belongs to your account", 1).await;
}

#[tokio::test]
async fn an_address_is_taken_back_for_three_days_and_not_from_somebody_else() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let ada = moved(&service, &ada, "new@example.com").await;
    let first = service.mails_about(EMAIL, LOST, 1).await[0].link_token().unwrap();
    // Somebody else registers what was given up, and proves it.
    let half_way = service.native().register(EMAIL, NEW).await.unwrap();
    let code = service.mails_about(EMAIL, "Confirm your e-mail", 2).await[1].code().unwrap();
    let owner = half_way.verify(&code).await.unwrap();
    assert_eq!(service.native().undo_contact(&first).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    owner.verify().await.unwrap();
    ada.verify().await.unwrap();

    let bob = service.registered("bob@example.com").await;
    moved(&service, &bob, "bob2@example.com").await;
    let late = service.mails_about("bob@example.com", LOST, 1).await[0].link_token().unwrap();
    service.advance(Duration::from_secs(72 * 3600 + 1)).await;
    assert_eq!(service.native().undo_contact(&late).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    service.native().login("bob2@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn g04_a_pending_change_dies_with_a_change_of_credentials_and_with_time() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let pending = ada.add_contact("email", "new@example.com").await.unwrap();
    let code = service.mails_about("new@example.com", "Confirm this address", 1).await[0].code().unwrap();
    let ada = ada.change_password(PASSWORD, NEW).await.unwrap();
    let ada = ada.reauthenticate(NEW).await.unwrap();
    assert_eq!(ada.verify_contact(&pending, &code).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    assert_eq!(ada.contacts().await.unwrap().len(), 1);

    let pending = ada.add_contact("email", "newer@example.com").await.unwrap();
    let code = service.mails_about("newer@example.com", "Confirm this address", 1).await[0].code().unwrap();
    service.advance(Duration::from_secs(301)).await;
    let ada = ada.reauthenticate(NEW).await.unwrap();
    assert_eq!(ada.verify_contact(&pending, &code).await.unwrap_err(), otp_invalid(), "five minutes later");
    service.advance(Duration::from_secs(1500)).await;
    let ada = ada.refresh().await.unwrap().reauthenticate(NEW).await.unwrap();
    assert_eq!(ada.verify_contact(&pending, &code).await.unwrap_err(), refusal(404, "NOT_FOUND"), "half an hour later");
}

#[tokio::test]
async fn m01_a_newer_pending_change_and_a_wrong_session_are_kept_apart() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let first = ada.add_contact("email", "first@example.com").await.unwrap();
    let second = ada.add_contact("email", "second@example.com").await.unwrap();
    let code = |address: &'static str| {
        let service = &service;
        async move { service.mails_about(address, "Confirm this address", 1).await[0].code().unwrap() }
    };
    let (of_first, of_second) = (code("first@example.com").await, code("second@example.com").await);
    if of_first != of_second {
        assert_eq!(ada.verify_contact(&second, &of_first).await.unwrap_err(), otp_invalid());
        assert!(ada.verify_contact(&first, &of_second).await.is_err());
    }
    let ada = ada.verify_contact(&second, &of_second).await.unwrap();
    // The first was begun in an older epoch.
    assert_eq!(ada.verify_contact(&first, &of_first).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    assert_eq!(ada.profile().await.unwrap()["email"], "second@example.com");
}

#[tokio::test]
async fn a_second_kind_of_contact_is_added_and_the_last_one_stays() {
    let service = Service::builder().configured(with_phones).start().await;
    let ada = service.registered(EMAIL).await;
    let email = ada.contact("email").await;
    assert_eq!(ada.remove_contact(&email).await.unwrap_err(), refusal(409, "LAST_CONTACT"));
    let pending = ada.add_contact("phone", "+44 20 7946 0923").await.unwrap();
    let ada = ada.verify_contact(&pending, &service.code(PHONE).await).await.unwrap();
    let told = service.mails_about(EMAIL, "An address was added", 1).await;
    assert!(!told[0].text.contains(PHONE), "masked: {}", told[0].text);
    assert_eq!(ada.profile().await.unwrap()["phone"], PHONE);
    service.native().login(PHONE, PASSWORD).await.expect("a number is a name to log in with");

    // A factor that is a contact goes with it.
    let ada = ada.set_otp(&email, true).await.unwrap();
    ada.ask_step_up("email").await.unwrap();
    let code = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    let ada = ada.step_up(&code).await.unwrap();
    let ada = ada.remove_contact(&email).await.unwrap();
    service.mails_about(EMAIL, LOST, 1).await;
    service.native().login(PHONE, PASSWORD).await.expect("no factor is left");
    assert_eq!(service.native().login(EMAIL, PASSWORD).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    let phone = ada.contact("phone").await;
    let last = ada.reauthenticate(PASSWORD).await.unwrap().remove_contact(&phone).await.unwrap_err();
    assert_eq!(last, refusal(409, "LAST_CONTACT"));
}

#[tokio::test]
async fn a_pending_contact_is_given_up_and_other_peoples_are_not_found() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    let pending = ada.add_contact("email", "new@example.com").await.unwrap();
    let of_ada = ada.contact("email").await;
    for id in [pending.as_str(), of_ada.as_str(), "0f8fad5b-d9cb-469f-a165-70867728950e", "no-id"] {
        let there = |method: Method| bob.call(method, &format!("/contacts/{id}"));
        assert_eq!(there(Method::DELETE).send().await.refusal(), refusal(404, "NOT_FOUND"), "{id}");
        let patched = there(Method::PATCH).json(&json!({ "otpEnabled": true })).send().await;
        assert_eq!(patched.refusal(), refusal(404, "NOT_FOUND"), "{id}");
    }
    let gone = ada.call(Method::DELETE, &format!("/contacts/{pending}")).send().await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(ada.contacts().await.unwrap().len(), 1);
    ada.verify().await.expect("which changed nothing of the account");
}

#[tokio::test]
async fn addresses_have_one_form() {
    let service = Service::builder().configured(with_phones).start().await;
    let ada = service.registered(EMAIL).await;
    for (kind, address) in [
        ("email", "no address"),
        ("email", PHONE),
        ("phone", "12345"),
        ("phone", "new@example.com"),
        ("fax", PHONE),
        ("email", ""),
    ] {
        let refused = ada.add_contact(kind, address).await.unwrap_err();
        assert_eq!(refused.status, 422, "{kind} {address}: {refused:?}");
    }
    // M03: the same address in another spelling is the same address.
    service.registered("bob@example.com").await;
    ada.add_contact("email", "BOB@Example.com").await.unwrap();
    let told = service.mails_about("bob@example.com", "You already have an account", 1).await;
    assert!(told[0].code().is_none());
}
/// A thief who moves an address twice was told, at the first of their own addresses, how to take that one back.
#[tokio::test]
async fn m01_whoever_moves_an_address_twice_gets_no_link_of_their_own() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let thief = moved(&service, &ada, "thief@example.com").await;
    moved(&service, &thief, "thief2@example.com").await;
    let of_owner = service.mails_about(EMAIL, LOST, 1).await[0].link_token().unwrap();
    service.mail_settled().await;
    let to_thief = service.mails("thief@example.com").await;
    assert!(to_thief.iter().all(|mail| mail.link_token().is_none()), "an address that just came in gets no link");
    service.native().undo_contact(&of_owner).await.unwrap();
    let back = back_in(&service).await;
    assert_eq!(back.profile().await.unwrap()["email"], EMAIL);
}

/// A thief may also have added a number of their own, and made its codes a factor.
#[tokio::test]
async fn m01_a_number_added_since_neither_locks_the_owner_out_nor_lets_the_thief_in() {
    let change = |config: &mut keystead_api_actix::config::Config| {
        with_phones(config);
        config.login.passwordless = true;
    };
    let service = Service::builder().configured(change).start().await;
    let ada = service.registered(EMAIL).await;
    let thief = moved(&service, &ada, "thief@example.com").await;
    let pending = thief.add_contact("phone", PHONE).await.unwrap();
    let thief = thief.verify_contact(&pending, &service.code(PHONE).await).await.unwrap();
    thief.set_otp(&thief.contact("phone").await, true).await.unwrap();
    let link = service.mails_about(EMAIL, LOST, 1).await[0].link_token().unwrap();
    service.native().undo_contact(&link).await.unwrap();
    let back = back_in(&service).await;
    assert!(back.profile().await.unwrap()["phone"].is_null());
    let sent = service.mails(PHONE).await.len();
    service.native().passwordless(PHONE).await.unwrap();
    service.mail_settled().await;
    let codes = service.mails(PHONE).await.iter().skip(sent).filter(|message| message.code().is_some()).count();
    assert_eq!(codes, 0, "the number leads to the account no more");
}
