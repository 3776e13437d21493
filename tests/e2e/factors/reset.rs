//! A new password in the place of a forgotten one: an enrolled factor is proved on this way, too (G11, P04).

use super::{EMAIL, NEW, PHONE, asked, forgotten, mfa_required, otp_invalid, with_email_codes, with_phones};
use crate::support::{PASSWORD, Service, refusal};

#[tokio::test]
async fn g11_a_reset_needs_the_enrolled_factor() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let codes = ada.recovery_codes().await.unwrap();
    let grant = forgotten(&service, EMAIL).await;
    assert_eq!(grant.options, ["totp"]);
    assert_eq!(grant.reset(NEW).await.unwrap_err(), mfa_required());
    assert_eq!(grant.answer("totp", "000000").await.unwrap_err(), otp_invalid());
    assert_eq!(grant.reset(NEW).await.unwrap_err(), mfa_required());
    let proved = grant.prove("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(grant.reset(NEW).await.unwrap_err(), refusal(401, "LINK_INVALID"), "its successor counts now");
    proved.reset(NEW).await.unwrap();
    ada.refused().await;
    // The factor is still there (P04).
    let question = service.native().login_asked(EMAIL, NEW).await.unwrap();
    question.answer("totp", &service.fresh_code(&program).await).await.unwrap();

    // By a recovery code, too.
    let grant = forgotten(&service, EMAIL).await;
    grant.prove("recovery", &codes[0]).await.unwrap().reset(PASSWORD).await.unwrap();
    assert_eq!(asked(&service, EMAIL).await.answer("recovery", &codes[0]).await.unwrap_err(), otp_invalid());
}

#[tokio::test]
async fn g11_a_proof_for_a_login_is_none_for_a_reset() {
    let service = Service::start().await;
    let (_, program) = service.enrolled(EMAIL).await;
    let grant = forgotten(&service, EMAIL).await;
    asked(&service, EMAIL).await.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(grant.reset(NEW).await.unwrap_err(), mfa_required());
    // Enrolled only after the link was opened: it counts all the same, and the change ends the grant.
    let bob = service.registered("bob@example.com").await;
    let grant = forgotten(&service, "bob@example.com").await;
    assert!(grant.options.is_empty());
    bob.enrol(&service).await;
    assert!(matches!(grant.reset(NEW).await.unwrap_err().status, 401 | 403));
}

#[tokio::test]
async fn where_the_link_went_is_not_the_factor() {
    let service = Service::builder().configured(with_phones).start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    // Codes by e-mail are all there is: the link proved them.
    let grant = forgotten(&service, EMAIL).await;
    assert!(grant.options.is_empty(), "{:?}", grant.options);
    grant.reset(NEW).await.unwrap();
    ada.refused().await;

    // With a second contact the other one is asked for.
    let question = service.native().login_asked(EMAIL, NEW).await.unwrap();
    let code = service.mails_about(EMAIL, "Your login code", 1).await[0].code().unwrap();
    let ada = question.answer("email", &code).await.unwrap();
    let pending = ada.add_contact("phone", PHONE).await.unwrap();
    let ada = ada.verify_contact(&pending, &service.code(PHONE).await).await.unwrap();
    ada.set_otp(&ada.contact("phone").await, true).await.unwrap();
    let grant = forgotten(&service, EMAIL).await;
    assert_eq!(grant.options, ["phone"]);
    assert_eq!(grant.reset(PASSWORD).await.unwrap_err(), mfa_required());
    let asked = grant.send("phone").await.unwrap();
    let code = service.codes(PHONE, 2).await.remove(1);
    let proved = asked.prove("phone", &code).await.unwrap();
    assert_eq!(asked.prove("phone", &code).await.unwrap_err(), otp_invalid(), "once");
    assert_eq!(proved.reset("short").await.unwrap_err().status, 422, "which uses nothing up");
    proved.reset(PASSWORD).await.unwrap();
}
