//! Codes of authenticator programs: enrolling, whose codes, which steps, once each.

use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::{EMAIL, asked, otp_invalid};
use crate::support::{Authenticator, PASSWORD, STEP, Service, refusal};

#[tokio::test]
async fn a_program_is_enrolled_and_answers_at_login() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let reply = ada.call(Method::POST, "/totp").send().await.ok(200).unwrap();
    let text = |name: &str| reply.text_of(name).unwrap();
    assert_eq!(reply.json()["data"]["type"], "totpSecrets");
    assert!(text("uri").starts_with("otpauth://totp/"), "{}", text("uri"));
    assert!(text("uri").contains(&format!("secret={}", text("secret"))));
    assert!(text("qrSvg").contains("<svg"));
    let program = Authenticator::new(&text("secret"));
    assert_eq!(program.secret().len(), 20);
    service.native().login(EMAIL, PASSWORD).await.expect("nothing counts before it is confirmed");

    let enrolled = ada.confirm_totp(&program.code(service.step())).await.unwrap();
    assert!(enrolled.proof.is_some(), "confirming is a proof");
    let code = service.fresh_code(&program).await;
    let question = asked(&service, EMAIL).await;
    assert_eq!((question.options.as_slice(), question.default.as_deref()), (&["totp".to_owned()][..], Some("totp")));
    let session = question.answer("totp", &code).await.unwrap();
    let claims = session.verify().await.unwrap();
    let amr: Vec<&str> = claims["amr"].as_array().unwrap().iter().map(|method| method.as_str().unwrap()).collect();
    assert_eq!(amr, ["pwd", "otp", "mfa"]);
    assert!(session.proof.is_some(), "a login by two factors is a proof, too");
    let told = service.mails_about(EMAIL, "A second factor was added", 1).await;
    assert!(told[0].text.contains("an authenticator app"), "{}", told[0].text);
}

#[tokio::test]
async fn codes_of_an_independent_program_are_accepted() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let secret = ada.begin_totp().await.unwrap().base32;
    let oathtool = |at: u64| {
        let now = format!("--now=@{at}");
        let output = Command::new("oathtool").args(["--totp", "--base32", &now, &secret]).output();
        let output = output.expect("oathtool is installed (`cargo xtask setup`)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let ada = ada.confirm_totp(&oathtool(service.now())).await.expect("at enrolment");
    service.advance(STEP).await;
    asked(&service, EMAIL).await.answer("totp", &oathtool(service.now())).await.expect("at login");
    service.advance(STEP).await;
    ada.ask_step_up("authenticator").await.unwrap();
    ada.step_up(&oathtool(service.now())).await.expect("at step-up");
}

#[tokio::test]
async fn an_unconfirmed_secret_lapses_and_a_stale_session_enrols_nothing() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let late = ada.begin_totp().await.unwrap();
    service.advance(10 * STEP + STEP).await;
    let stale = refusal(403, "REAUTH_REQUIRED");
    assert_eq!(ada.begin_totp().await.unwrap_err(), stale);
    assert_eq!(ada.confirm_totp(&late.code(service.step())).await.unwrap_err(), stale);
    let reply = ada.call(Method::POST, "/totp").send().await;
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");

    service.advance(20 * STEP).await;
    let fresh = ada.refresh().await.unwrap().reauthenticate(PASSWORD).await.unwrap();
    let refused = fresh.confirm_totp(&late.code(service.step())).await.unwrap_err();
    assert_eq!(refused, otp_invalid(), "it waited longer than a quarter of an hour");
    fresh.enrol(&service).await.0.verify().await.unwrap();
    let body = json!({ "code": "000000" });
    let other = service.registered("bob@example.com").await;
    let reply = other.call(Method::POST, "/totp/confirm").json(&body).send().await;
    assert_eq!(reply.refusal(), otp_invalid(), "nothing waits there");
}
