//! The gate of a login: who is asked for a second factor, for which, and what the answer leads to.

use keystead_domain::factor::SecondFactorPolicy;
use serde_json::json;

use super::{EMAIL, PHONE, asked, otp_invalid, with_email_codes, with_phones};
use crate::support::{PASSWORD, Service, refusal};

fn policy(policy: SecondFactorPolicy) -> impl FnOnce(&mut keystead_api_actix::config::Config) {
    move |config| config.login.second_factor = policy
}

#[tokio::test]
async fn g11_who_enrolled_a_factor_is_asked_for_it() {
    let service = Service::start().await;
    let (_, program) = service.enrolled(EMAIL).await;
    service.registered("bob@example.com").await;
    service.native().login("bob@example.com", PASSWORD).await.expect("who enrolled nothing is not asked");

    for client in [service.native(), service.browser()] {
        let question = client.login_asked(EMAIL, PASSWORD).await.unwrap();
        let code = service.fresh_code(&program).await;
        let session = question.answer("totp", &code).await.unwrap();
        // A session of its own: new jti, sid and client id; the old token is dead.
        assert_ne!(session.token_id, question.token_id);
        assert_ne!(session.session_id(), question.token_id.split_once('.').unwrap().0);
        assert_ne!(session.client_id, question.client_id);
        session.verify().await.unwrap();
        let code = service.fresh_code(&program).await;
        assert_eq!(question.answer("totp", &code).await.unwrap_err(), otp_invalid(), "the old token is dead");
        let other = client.login_asked(EMAIL, PASSWORD).await.unwrap();
        other.answer("totp", &code).await.expect("and used nothing up");
        session.refresh().await.unwrap().verify().await.unwrap();
    }
}

#[tokio::test]
async fn g11_always_asks_everybody_and_never_nobody() {
    let service = Service::builder().configured(policy(SecondFactorPolicy::Always)).start().await;
    let ada = service.registered(EMAIL).await;
    let question = asked(&service, EMAIL).await;
    assert_eq!((question.options.as_slice(), question.default.as_deref()), (&["email".to_owned()][..], Some("email")));
    // The code went out with the question.
    let code = service.mails_about(EMAIL, "Your login code", 1).await[0].code().unwrap();
    question.answer("email", &code).await.unwrap();
    let (_, program) = ada.enrol(&service).await;
    let question = asked(&service, EMAIL).await;
    assert_eq!(question.options, ["totp"], "nothing weaker serves beside what was enrolled");
    assert_eq!(question.answer("email", &code).await.unwrap_err(), refusal(409, "FACTOR_NOT_OFFERED"));
    assert_eq!(question.send("email").await.unwrap_err(), refusal(409, "FACTOR_NOT_OFFERED"));
    question.answer("totp", &service.fresh_code(&program).await).await.unwrap();

    let service = Service::builder().configured(policy(SecondFactorPolicy::Never)).start().await;
    service.enrolled(EMAIL).await;
    service.native().login(EMAIL, PASSWORD).await.expect("the operator switched the question off");
}

#[tokio::test]
async fn the_last_factor_stays_where_one_is_demanded() {
    let service = Service::builder().configured(policy(SecondFactorPolicy::Always)).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let code = service.fresh_code(&program).await;
    assert_eq!(ada.remove_totp(&code).await.unwrap_err(), refusal(409, "LAST_FACTOR"));
    let email = ada.contact("email").await;
    let ada = ada.set_otp(&email, true).await.unwrap();
    let ada = ada.remove_totp(&code).await.expect("another one is left, and the refused code was not used up");
    ada.ask_step_up("email").await.unwrap();
    let code = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    let ada = ada.step_up(&code).await.unwrap();
    assert_eq!(ada.set_otp(&email, false).await.unwrap_err(), refusal(409, "LAST_FACTOR"));
}

#[tokio::test]
async fn factors_are_offered_in_their_order_and_a_code_is_sent_for_the_first() {
    let service = Service::builder().configured(with_phones).start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    let pending = ada.add_contact("phone", PHONE).await;
    // Whose e-mail codes are a factor proves one first.
    assert_eq!(pending.unwrap_err(), super::mfa_required());
    ada.ask_step_up("email").await.unwrap();
    let code = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    let ada = ada.step_up(&code).await.unwrap();
    let pending = ada.add_contact("phone", PHONE).await.unwrap();
    let ada = ada.verify_contact(&pending, &service.code(PHONE).await).await.unwrap();
    let phone = ada.contact("phone").await;
    let ada = ada.set_otp(&phone, true).await.unwrap();

    let question = asked(&service, EMAIL).await;
    assert_eq!(
        (question.options.as_slice(), question.default.as_deref()),
        (&["email".to_owned(), "phone".to_owned()][..], Some("email"))
    );
    let first = service.mails_about(EMAIL, "Your login code", 1).await[0].code().unwrap();
    // Another one, by SMS: the older token and its code are dead.
    let next = question.send("phone").await.unwrap();
    let by_sms = service.codes(PHONE, 2).await.remove(1);
    assert_eq!(question.answer("email", &first).await.unwrap_err(), otp_invalid());
    assert_eq!(next.answer("email", &first).await.unwrap_err(), otp_invalid());
    assert_eq!(next.answer("email", &by_sms).await.unwrap_err(), otp_invalid(), "it was not sent there");
    let session = next.answer("phone", &by_sms).await.unwrap();
    let amr = session.verify().await.unwrap()["amr"].clone();
    assert_eq!(amr, json!(["pwd", "sms", "mfa"]));

    let (_, program) = ada.enrol(&service).await;
    let sent = service.mails_about(EMAIL, "Your login code", 1).await.len();
    let question = asked(&service, EMAIL).await;
    assert_eq!(question.options, ["totp", "email", "phone"]);
    assert_eq!(question.default.as_deref(), Some("totp"));
    question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    service.mail_settled().await;
    assert_eq!(service.mails_about(EMAIL, "Your login code", 1).await.len(), sent, "no code is sent for a program");
}

#[tokio::test]
async fn g11_enrolling_and_removing_leave_sessions_as_they_should_be() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let before = service.native().login(EMAIL, PASSWORD).await.unwrap();
    let (enrolled, program) = ada.enrol(&service).await;
    // A factor was added: access tokens of the older epoch end, sessions go on.
    assert_eq!(before.refused().await, refusal(401, "TOKEN_REVOKED"));
    let before = before.refresh().await.expect("its refresh carries the new epoch");
    before.verify().await.unwrap();
    assert_eq!(before.recovery_codes().await.unwrap_err(), super::mfa_required(), "and no proof");
    let enrolled = enrolled.refresh().await.unwrap();
    let enrolled = enrolled.remove_totp(&service.fresh_code(&program).await).await.unwrap();
    // One was taken away: every other session ends.
    assert_eq!(before.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(before.refresh().await.unwrap_err().status, 401);
    enrolled.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn recovery_codes_answer_once_each_and_only_beside_a_factor() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    assert_eq!(ada.recovery_codes().await.unwrap_err(), super::mfa_required(), "no factor, no codes");
    let (ada, program) = ada.enrol(&service).await;
    let codes = ada.recovery_codes().await.unwrap();
    assert_eq!(codes.len(), 10);
    service.mails_about(EMAIL, "New recovery codes", 1).await;

    let question = asked(&service, EMAIL).await;
    let typed = codes[0].replace('-', " ").to_uppercase();
    let session = question.answer("recovery", &typed).await.expect("however it was copied");
    assert!(session.proof.is_some());
    let told = service.mails_about(EMAIL, "A recovery code", 1).await;
    assert!(told[0].text.contains("9 are left"), "{}", told[0].text);
    let question = asked(&service, EMAIL).await;
    assert_eq!(question.answer("recovery", &codes[0]).await.unwrap_err(), otp_invalid(), "used");

    // New ones end the old ones.
    let newer = ada.recovery_codes().await.unwrap();
    assert_eq!(question.answer("recovery", &codes[1]).await.unwrap_err(), otp_invalid());
    question.answer("recovery", &newer[0]).await.unwrap();

    // Without a factor nobody is asked, and the codes lead nowhere.
    let code = service.fresh_code(&program).await;
    ada.remove_totp(&code).await.unwrap();
    service.native().login(EMAIL, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_question_is_over_after_ten_minutes_and_with_a_change_of_credentials() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let late = asked(&service, EMAIL).await;
    let changed = asked(&service, EMAIL).await;
    ada.change_password(PASSWORD, super::NEW).await.unwrap();
    let code = service.fresh_code(&program).await;
    assert_eq!(changed.answer("totp", &code).await.unwrap_err().status, 401);
    let question = service.native().login_asked(EMAIL, super::NEW).await.unwrap();
    service.advance(std::time::Duration::from_secs(606)).await;
    let code = service.fresh_code(&program).await;
    assert_eq!(late.answer("totp", &code).await.unwrap_err(), refusal(401, "TOKEN_EXPIRED"));
    assert_eq!(question.answer("totp", &code).await.unwrap_err(), refusal(401, "TOKEN_EXPIRED"));
}
