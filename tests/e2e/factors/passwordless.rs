//! A code in the place of a password: off unless the operator says so, and never past an enrolled second factor.

use std::time::Duration;

use serde_json::json;

use super::{EMAIL, PHONE, mfa_required, otp_invalid, with_phones, without_passwords};
use crate::support::{HalfWay, PASSWORD, Service, refusal};

async fn start() -> Service {
    Service::builder().configured(without_passwords).start().await
}

/// Asked for, and the code that came.
async fn begun(service: &Service, identity: &str, address: &str) -> (HalfWay, String) {
    let had = service.mails(address).await.iter().filter(|mail| mail.subject.starts_with("Log in to")).count();
    let half_way = service.native().passwordless(identity).await.unwrap();
    let mails = service.mails_about(address, "Log in to", had + 1).await;
    (half_way, mails[had].code().unwrap())
}

#[tokio::test]
async fn it_is_off_unless_the_operator_says_so() {
    let service = Service::start().await;
    service.registered(EMAIL).await;
    let off = refusal(403, "PASSWORDLESS_DISABLED");
    for identity in [EMAIL, "nobody@example.com"] {
        assert_eq!(service.native().passwordless(identity).await.unwrap_err(), off);
    }
    let refused = service.native().register_with(&json!({ "email": "bob@example.com" })).await.unwrap_err();
    assert_eq!(refused.status, 422, "an account without a password is made only where one can log in to it");
}

#[tokio::test]
async fn a_code_signs_in_once_by_either_kind_of_client() {
    let service = start().await;
    service.registered(EMAIL).await;
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    let mail = service.mails_about(EMAIL, "Log in to", 1).await.remove(0);
    let link = format!("{}/sign-in/code#code={code}", service.api().base());
    assert!(mail.text.contains(&link), "the link carries only the code, in the fragment: {}", mail.text);
    let wrong = super::other_than(std::slice::from_ref(&code));
    assert_eq!(half_way.verify_passwordless(&wrong).await.unwrap_err(), otp_invalid());
    let session = half_way.verify_passwordless(&code).await.unwrap();
    let claims = session.verify().await.unwrap();
    assert_eq!(claims["amr"], json!(["otp"]));
    assert_ne!(half_way.claims()["sub"], claims["sub"], "the half-way token names nobody");
    assert_eq!(half_way.verify_passwordless(&code).await.unwrap_err(), otp_invalid(), "once");

    // A code opens only the browser that asked for it; another one's token takes it not.
    let (_, code) = begun(&service, EMAIL, EMAIL).await;
    let (other, _) = begun(&service, EMAIL, EMAIL).await;
    assert_eq!(other.verify_passwordless(&code).await.unwrap_err(), otp_invalid());

    let browser = service.browser().passwordless(EMAIL).await.unwrap();
    let code = service.mails_about(EMAIL, "Log in to", 4).await[3].code().unwrap();
    browser.verify_passwordless(&code).await.unwrap().refresh().await.unwrap();
    let (late, code) = begun(&service, EMAIL, EMAIL).await;
    service.advance(Duration::from_secs(301)).await;
    assert_eq!(late.verify_passwordless(&code).await.unwrap_err(), otp_invalid());
}

#[tokio::test]
async fn g11_it_never_skips_an_enrolled_factor() {
    let service = start().await;
    let (_, program) = service.enrolled(EMAIL).await;
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    let question = half_way.verify_passwordless_asked(&code).await.unwrap();
    assert_eq!(question.options, ["totp"]);
    assert_eq!(question.claims()["purpose"], "login");
    let session = question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    assert_eq!(session.verify().await.unwrap()["amr"], json!(["otp", "mfa"]));

    // Where codes by e-mail are the only factor, the first code was it: nothing further is there to ask for.
    let bob = super::with_email_codes(&service, "bob@example.com").await;
    let (half_way, code) = begun(&service, "bob@example.com", "bob@example.com").await;
    let session = half_way.verify_passwordless(&code).await.unwrap();
    assert_eq!(session.recovery_codes().await.unwrap_err(), mfa_required(), "which is no second factor");
    bob.verify().await.unwrap();
}

#[tokio::test]
async fn an_account_without_a_password_is_made_and_lives() {
    let service = start().await;
    let half_way = service.native().register_with(&json!({ "email": EMAIL })).await.unwrap();
    let ada = half_way.verify(&service.code(EMAIL).await).await.unwrap();
    let refused = service.native().login(EMAIL, PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"));
    let refused = ada.reauthenticate(PASSWORD).await.unwrap_err();
    assert_eq!(refused, refusal(403, "PASSWORD_WRONG"));
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    let session = half_way.verify_passwordless(&code).await.unwrap();

    // A first password, in a session that is fresh.
    let body = json!({ "newPassword": PASSWORD });
    service.advance(Duration::from_secs(301)).await;
    let stale = session.call(reqwest::Method::PATCH, "/auth/password").json(&body).send().await;
    assert_eq!(stale.refusal(), refusal(403, "REAUTH_REQUIRED"));
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    let fresh = half_way.verify_passwordless(&code).await.unwrap();
    fresh.call(reqwest::Method::PATCH, "/auth/password").json(&body).send().await.ok(200).unwrap();
    service.native().login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_closed_account_and_a_changed_one_are_not_signed_in_to() {
    let service = start().await;
    let ada = service.registered(EMAIL).await;
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    ada.change_password(PASSWORD, super::NEW).await.unwrap();
    assert_eq!(half_way.verify_passwordless(&code).await.unwrap_err().status, 401);
    let (half_way, code) = begun(&service, EMAIL, EMAIL).await;
    service.other_process().await.operator.set_banned(EMAIL, true).await.unwrap();
    assert_eq!(half_way.verify_passwordless(&code).await.unwrap_err().status, 401);
}

#[tokio::test]
async fn a_code_goes_to_the_contact_that_was_typed() {
    let change = |config: &mut keystead_api_actix::config::Config| {
        without_passwords(config);
        with_phones(config);
    };
    let service = Service::builder().configured(change).start().await;
    let wish = json!({ "phone": PHONE, "username": "ada_l" });
    let half_way = service.native().register_with(&wish).await.unwrap();
    let ada = half_way.verify(&service.code(PHONE).await).await.unwrap();
    let pending = ada.add_contact("email", EMAIL).await.unwrap();
    ada.verify_contact(&pending, &service.code(EMAIL).await).await.unwrap();
    let by_sms = service.native().passwordless(PHONE).await.unwrap();
    let session = by_sms.verify_passwordless(&service.codes(PHONE, 2).await[1]).await.unwrap();
    assert_eq!(session.verify().await.unwrap()["amr"], json!(["sms"]));
    let (by_mail, code) = begun(&service, EMAIL, EMAIL).await;
    by_mail.verify_passwordless(&code).await.unwrap();
    let (by_name, code) = begun(&service, "ada_l", EMAIL).await;
    by_name.verify_passwordless(&code).await.unwrap();
}
