//! Codes of authenticator programs: enrolling, whose codes, which steps, once each.

use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::{EMAIL, asked, mfa_required, otp_invalid};
use crate::support::{Authenticator, PASSWORD, STEP, Service, SignedIn, refusal};

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

#[tokio::test]
async fn o01_a_code_is_accepted_once_wherever_it_is_shown_again() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let code = service.fresh_code(&program).await;
    let (first, second) = (service.replica(0), service.replica(1));
    let question = asked(&service, EMAIL).await;
    let session = question.through(&first).answer("totp", &code).await.unwrap();
    // The same question is closed, a new one at the other replica takes it no more, nor does a step-up.
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
    let other = asked(&service, EMAIL).await.through(&second);
    assert_eq!(other.answer("totp", &code).await.unwrap_err(), otp_invalid());
    for somebody in [&ada, &session] {
        let somebody = somebody.through(&second);
        somebody.ask_step_up("authenticator").await.unwrap();
        assert_eq!(somebody.step_up(&code).await.unwrap_err(), refusal(410, "OTP_USED"));
    }
    assert_eq!(ada.remove_totp(&code).await.unwrap_err(), otp_invalid());

    // And the other way round.
    let code = service.fresh_code(&program).await;
    ada.ask_step_up("authenticator").await.unwrap();
    ada.through(&first).step_up(&code).await.unwrap();
    assert_eq!(ada.through(&second).step_up(&code).await.unwrap_err(), refusal(410, "OTP_USED"));
    let question = asked(&service, EMAIL).await.through(&second);
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid());
}

/// Moves the clock to this second of a time step.
async fn move_to(service: &Service, second: u64) {
    let wait = (second + STEP.as_secs() - service.now() % STEP.as_secs()) % STEP.as_secs();
    service.advance(std::time::Duration::from_secs(wait)).await;
}

/// Which of the steps T-3..T+3 are accepted; `None` when the clock went on to another step meanwhile.
async fn accepted(service: &Service, ada: &SignedIn, program: &Authenticator, second: u64) -> Option<Vec<i64>> {
    // Whatever was used before is long over.
    service.advance(8 * STEP).await;
    move_to(service, second).await;
    let step = service.step();
    let mut accepted = Vec::new();
    for offset in [3, 2, 1, -3, -2, -1, 0_i64] {
        let code = program.code(step.checked_add_signed(offset).unwrap());
        ada.ask_step_up("authenticator").await.unwrap();
        match ada.step_up(&code).await {
            Ok(_) => accepted.push(offset),
            Err(refused) => assert_eq!(refused, otp_invalid(), "T{offset:+}"),
        }
    }
    (service.step() == step).then_some(accepted)
}

#[tokio::test]
async fn o04_exactly_the_steps_of_the_window_are_accepted() {
    for (window, expected) in [(0, vec![0]), (1, vec![-1, 0]), (2, vec![-2, -1, 0])] {
        let service = Service::builder()
            .configured(|config| {
                config.totp.window = window;
                config.mfa.max_failures = 100;
                config.limits.mode = keystead_api_actix::config::LimitsMode::Off;
            })
            .start()
            .await;
        let (mut ada, program) = service.enrolled(EMAIL).await;
        for second in [0, 15, 28] {
            let found = loop {
                // The clock runs while it is asked: what began in one step and ended in the next says nothing.
                match accepted(&service, &ada, &program, second).await {
                    Some(found) => break found,
                    None => ada = ada.refresh().await.unwrap(),
                }
            };
            assert_eq!(found, expected, "window {window}, second {second}");
            ada = ada.refresh().await.unwrap();
        }
    }
}

#[tokio::test]
async fn o10_a_secret_is_changed_only_by_who_proved_the_old_one() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let bare = ada.without_proof();
    assert_eq!(bare.begin_totp().await.unwrap_err(), mfa_required());
    assert_eq!(bare.remove_totp("000000").await.unwrap_err(), mfa_required());
    assert_eq!(bare.recovery_codes().await.unwrap_err(), mfa_required());

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
