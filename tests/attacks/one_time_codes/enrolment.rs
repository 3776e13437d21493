//! O10: who changes a second factor without having proved the old one, or who they are.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::attacks::support::{Digest, assert_refused};
use crate::factors::{EMAIL, asked, mfa_required, otp_invalid};
use crate::support::{PASSWORD, Service, refusal};

#[tokio::test]
async fn o10_a_secret_is_changed_only_by_who_proved_the_old_one() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let bare = ada.without_proof();
    let before = Digest::of(&service).await;
    assert_eq!(bare.begin_totp().await.unwrap_err(), mfa_required());
    assert_eq!(bare.remove_totp("000000").await.unwrap_err(), mfa_required());
    assert_eq!(bare.recovery_codes().await.unwrap_err(), mfa_required());
    before.is_still_that_of_but_for(&service, &[]).await;

    // With the proof: a new secret waits, and the old one answers until a code of the new one was shown.
    let next = ada.begin_totp().await.unwrap();
    assert_ne!(next.base32, program.base32, "the secret is not shown twice");
    let old = service.fresh_code(&program).await;
    asked(&service, EMAIL).await.answer("totp", &old).await.unwrap();
    assert_eq!(bare.confirm_totp(&next.code(service.step())).await.unwrap_err(), mfa_required());
    let ada = ada.confirm_totp(&next.code(service.step())).await.unwrap();
    let (old, new) = (service.fresh_code(&program).await, next.code(service.step()));
    let question = asked(&service, EMAIL).await;
    assert_eq!(question.answer("totp", &old).await.unwrap_err(), otp_invalid());
    question.answer("totp", &new).await.unwrap();

    let code = service.fresh_code(&next).await;
    let ada = ada.remove_totp(&code).await.unwrap();
    service.native().login(EMAIL, PASSWORD).await.expect("no factor is left");
    service.mails_about(EMAIL, "A second factor was removed", 1).await;
    ada.verify().await.unwrap();
}

#[tokio::test]
async fn o10_a_secret_is_shown_once_and_to_nobody_else() {
    let service = Service::start().await;
    let bob = service.registered("bob@example.com").await;
    let ada = service.registered(EMAIL).await;
    let waiting = ada.begin_totp().await.unwrap();
    let (ada, program) = ada.enrol(&service).await;
    assert_ne!(waiting.base32, program.base32, "each is a new one");
    // Bob's wrong code counts against him.
    let before = Digest::without(&service, &["factor_failures"]).await;
    // There is no route that shows a secret, or its picture, again: hers or anybody's.
    for who in [&ada, &bob] {
        for route in ["/totp", "/totp/confirm"] {
            assert_refused(route, &who.call(Method::GET, route).send().await, 405, "METHOD_NOT_ALLOWED");
        }
        for route in ["/totp/secret", "/totp/qr", &format!("/totp/{}", ada.user_id())] {
            assert_refused(route, &who.call(Method::GET, route).send().await, 404, "NOT_FOUND");
        }
    }
    for route in ["/users/me", "/users/me/export", "/contacts", "/passkeys"] {
        let reply = ada.call(Method::GET, route).send().await.ok(200).unwrap();
        assert!(!reply.text.contains(&program.base32) && !reply.text.contains("otpauth"), "{route}: {}", reply.text);
    }
    // What waits in her account is not what somebody else confirms.
    let code = waiting.code(service.step());
    let reply = bob.call(Method::POST, "/totp/confirm").json(&json!({ "code": code })).send().await;
    assert_refused("another's secret", &reply, 401, "OTP_INVALID");
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn o10_a_session_that_is_not_fresh_enrols_nothing() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let waiting = ada.begin_totp().await.unwrap();
    service.advance(Duration::from_secs(5 * 60 + 1)).await;
    // The refresh below is a new row of her session.
    let before = Digest::without(&service, &["sessions", "sessions_of_users"]).await;
    let stale = refusal(403, "REAUTH_REQUIRED");
    assert_eq!(ada.begin_totp().await.unwrap_err(), stale);
    assert_eq!(ada.confirm_totp(&waiting.code(service.step())).await.unwrap_err(), stale);
    assert_eq!(ada.recovery_codes().await.unwrap_err(), mfa_required());
    let contact = ada.contact("email").await;
    assert_eq!(ada.set_otp(&contact, true).await.unwrap_err(), stale);
    // A refresh makes nothing fresh.
    let refreshed = ada.refresh().await.unwrap();
    assert_eq!(refreshed.begin_totp().await.unwrap_err(), stale);
    before.is_still_that_of_but_for(&service, &[]).await;
    refreshed.reauthenticate(PASSWORD).await.unwrap().enrol(&service).await;
}
