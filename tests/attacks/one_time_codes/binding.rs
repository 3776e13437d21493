//! O06: codes of another question, another purpose, another person, another time.

use std::time::Duration;

use crate::attacks::support::{COUNTED, Digest};
use crate::factors::{EMAIL, NEW, asked, forgotten, otp_invalid, with_email_codes, without_passwords};
use crate::support::{HalfWay, PASSWORD, Service, refusal};

#[tokio::test]
async fn o06_codes_belong_to_one_token_purpose_and_person() {
    let service = Service::start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    with_email_codes(&service, "bob@example.com").await;
    let of_bob = asked(&service, "bob@example.com").await;
    let first = asked(&service, EMAIL).await;
    let first_code = service.mails_about(EMAIL, "Your login code", 1).await[0].code().unwrap();
    let second = asked(&service, EMAIL).await;
    let second_code = service.mails_about(EMAIL, "Your login code", 2).await[1].code().unwrap();
    assert_eq!(second.answer("email", &first_code).await.unwrap_err(), otp_invalid(), "of another question");
    assert_eq!(of_bob.answer("email", &first_code).await.unwrap_err(), otp_invalid(), "of another person");
    ada.ask_step_up("email").await.unwrap();
    assert_eq!(ada.step_up(&first_code).await.unwrap_err(), otp_invalid(), "of a login, at a step-up");
    let of_step_up = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    assert_eq!(first.answer("email", &of_step_up).await.unwrap_err(), otp_invalid(), "of a step-up, at a login");
    // The older question is still open: only a code sent again ends it.
    first.answer("email", &first_code).await.unwrap();
    service.advance(Duration::from_secs(301)).await;
    assert_eq!(second.answer("email", &second_code).await.unwrap_err(), otp_invalid(), "five minutes later");
}

/// The newest code of mails whose subject begins so.
async fn newest(service: &Service, to: &str, subject: &str, nth: usize) -> String {
    service.mails_about(to, subject, nth).await.remove(nth - 1).code().unwrap()
}

/// Each code is right for one thing, and is tried at every other.
#[tokio::test]
async fn o06_a_code_of_one_purpose_is_none_of_another() {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.mfa.max_failures = 1000;
        without_passwords(config);
    };
    let service = Service::builder().configured(change).start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    let question = asked(&service, EMAIL).await;
    let at_login = newest(&service, EMAIL, "Your login code", 1).await;
    let passwordless = service.native().passwordless(EMAIL).await.unwrap();
    let without = newest(&service, EMAIL, "Log in to", 1).await;
    ada.ask_step_up("email").await.unwrap();
    let at_step_up = newest(&service, EMAIL, "Your security code", 1).await;
    let registering = service.native().register("new@example.com", PASSWORD).await.unwrap();
    let at_register = service.code("new@example.com").await;
    let bob = service.registered("bob@example.com").await;
    let pending = bob.add_contact("email", "moved@example.com").await.unwrap();
    let at_contact = service.code("moved@example.com").await;
    let codes = [&at_login, &without, &at_step_up, &at_register, &at_contact];

    let before = Digest::without(&service, &COUNTED).await;
    let code_invalid = refusal(401, "CODE_INVALID");
    // Four codes that are not the one: the fifth wrong one would end it.
    for code in codes {
        if *code != at_login {
            assert_eq!(question.answer("email", code).await.unwrap_err(), otp_invalid(), "at a login");
        }
        if *code != without {
            assert_eq!(passwordless.verify_passwordless(code).await.unwrap_err(), otp_invalid(), "without a password");
        }
        if *code != at_step_up {
            assert_eq!(ada.step_up(code).await.unwrap_err(), otp_invalid(), "at a step-up");
        }
        if *code != at_register {
            assert_eq!(registering.verify(code).await.unwrap_err(), code_invalid, "at a registration");
        }
        if *code != at_contact {
            assert_eq!(bob.verify_contact(&pending, code).await.unwrap_err(), otp_invalid(), "at a new address");
        }
    }
    before.is_still_that_of(&service).await;

    // And each is right where it belongs.
    ada.step_up(&at_step_up).await.unwrap();
    registering.verify(&at_register).await.unwrap();
    bob.verify_contact(&pending, &at_contact).await.unwrap();
    question.answer("email", &at_login).await.unwrap();
    passwordless.verify_passwordless(&without).await.unwrap();
}

/// Of two answers to one question the older code is dead, and so is the older token.
#[tokio::test]
async fn o06_a_code_sent_again_ends_the_one_before() {
    let service = Service::start().await;
    with_email_codes(&service, EMAIL).await;
    let first = asked(&service, EMAIL).await;
    let old = newest(&service, EMAIL, "Your login code", 1).await;
    let second: HalfWay = first.send("email").await.unwrap();
    let new = newest(&service, EMAIL, "Your login code", 2).await;
    let before = Digest::without(&service, &COUNTED).await;
    if old != new {
        assert_eq!(second.answer("email", &old).await.unwrap_err(), otp_invalid());
    }
    assert_eq!(first.answer("email", &old).await.unwrap_err(), otp_invalid());
    assert_eq!(first.answer("email", &new).await.unwrap_err(), otp_invalid());
    before.is_still_that_of(&service).await;
    service.advance(Duration::from_secs(290)).await;
    second.answer("email", &new).await.expect("it counts for five minutes");
}

/// A code by which somebody signs in proves nothing at a reset, nor the other way round.
#[tokio::test]
async fn o06_a_login_and_a_reset_do_not_answer_each_other() {
    let service = Service::start().await;
    let (_, program) = service.enrolled(EMAIL).await;
    let grant = forgotten(&service, EMAIL).await;
    let question = asked(&service, EMAIL).await;
    let code = service.fresh_code(&program).await;
    let proved = grant.prove("totp", &code).await.unwrap();
    let before = Digest::without(&service, &COUNTED).await;
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
    for half_way in [&question, &grant] {
        assert_eq!(half_way.reset(NEW).await.unwrap_err().status, 401);
    }
    before.is_still_that_of(&service).await;
    proved.reset(NEW).await.unwrap();
}
