//! O01 and O03: a code that was accepted, shown again; older codes; codes of a clock that stepped back.

use crate::attacks::support::{COUNTED, Digest};
use crate::factors::{EMAIL, asked, otp_invalid};
use crate::support::{STEP, Service, refusal};

#[tokio::test]
async fn o01_a_code_is_accepted_once_wherever_it_is_shown_again() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let code = service.fresh_code(&program).await;
    let (first, second) = (service.replica(0), service.replica(1));
    let question = asked(&service, EMAIL).await;
    let session = question.through(&first).answer("totp", &code).await.unwrap();
    let other = asked(&service, EMAIL).await.through(&second);
    let steppers = [ada.through(&second), session.through(&second)];
    for somebody in &steppers {
        somebody.ask_step_up("authenticator").await.unwrap();
    }
    let before = Digest::without(&service, &COUNTED).await;
    // The same question is closed, a new one at the other replica takes it no more, nor does a step-up.
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
    assert_eq!(other.answer("totp", &code).await.unwrap_err(), otp_invalid());
    for somebody in &steppers {
        assert_eq!(somebody.step_up(&code).await.unwrap_err(), refusal(410, "OTP_USED"));
    }
    assert_eq!(ada.remove_totp(&code).await.unwrap_err(), otp_invalid());
    let now = Digest::without(&service, &COUNTED).await;
    before.is_still_that_of(&service).await;
    let noted = now.audited_since(&before);
    assert_eq!(noted.keys().map(String::as_str).collect::<Vec<_>>(), ["authn_mfa_fail"], "{noted:?}");

    // And the other way round.
    let code = service.fresh_code(&program).await;
    ada.ask_step_up("authenticator").await.unwrap();
    ada.through(&first).step_up(&code).await.unwrap();
    let question = asked(&service, EMAIL).await.through(&second);
    let before = Digest::without(&service, &COUNTED).await;
    assert_eq!(ada.through(&second).step_up(&code).await.unwrap_err(), refusal(410, "OTP_USED"));
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
    before.is_still_that_of_but_for(&service, &[("authn_mfa_fail", 1)]).await;
}

#[tokio::test]
async fn o03_the_code_that_confirmed_and_older_ones_are_no_answers() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let program = ada.begin_totp().await.unwrap();
    let step = service.step();
    let ada = ada.confirm_totp(&program.code(step)).await.unwrap();
    let question = asked(&service, EMAIL).await;
    for code in [program.code(step), program.code(step - 1)] {
        assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
    }
    ada.ask_step_up("authenticator").await.unwrap();
    assert_eq!(ada.step_up(&program.code(step)).await.unwrap_err(), refusal(410, "OTP_USED"));

    // A clock that stepped back makes nothing good again: what lies before the last accepted step never is.
    service.advance(2 * STEP).await;
    let step = service.step();
    let session = asked(&service, EMAIL).await.answer("totp", &program.code(step)).await.unwrap();
    let again = asked(&service, EMAIL).await;
    assert_eq!(again.answer("totp", &program.code(step - 1)).await.unwrap_err(), otp_invalid());
    session.verify().await.unwrap();
}
