//! G02 and O02: 64 requests at once with one right code, over every replica: one of them is served.

use std::collections::BTreeMap;
use std::future::Future;

use keystead_testkit::race::race;

use super::{EMAIL, asked, otp_invalid, with_email_codes, without_passwords};
use crate::support::{Answer, PASSWORD, Refusal, Service, refusal, tally};

pub(crate) const RACERS: usize = 64;

/// A service that blocks nobody, so that all of them are compared.
pub(crate) async fn patient() -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.mfa.max_failures = 1000;
        without_passwords(config);
    };
    Service::builder().configured(change).start().await
}

/// One is served; what the others are told.
pub(crate) async fn one_winner<T: Send + 'static, F>(racer: impl Fn(usize) -> F) -> (T, BTreeMap<Refusal, usize>)
where
    F: Future<Output = Answer<T>> + Send + 'static,
{
    let (mut won, refused) = tally(race(RACERS, racer).await);
    assert_eq!((won.len(), refused.values().sum::<usize>()), (1, RACERS - 1), "{refused:?}");
    (won.remove(0), refused)
}

#[tokio::test]
async fn g02_one_totp_code_raced_for_at_logins_and_step_ups_is_used_once() {
    let service = patient().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let mut questions = Vec::new();
    for _ in 0..16 {
        questions.push(asked(&service, EMAIL).await);
    }
    for _ in 0..3 {
        ada.ask_step_up("authenticator").await.unwrap();
        let code = service.fresh_code(&program).await;
        let (session, refused) = one_winner(|racer| {
            let (ada, question, code) = (ada.clone(), questions[racer / 4].clone(), code.clone());
            async move { if racer % 2 == 0 { question.answer("totp", &code).await } else { ada.step_up(&code).await } }
        })
        .await;
        session.verify().await.unwrap();
        let possible = [otp_invalid(), refusal(410, "OTP_USED")];
        assert!(refused.keys().all(|refused| possible.contains(refused)), "{refused:?}");
        for question in &mut questions {
            *question = asked(&service, EMAIL).await;
        }
    }
}

#[tokio::test]
async fn g02_one_mailed_code_raced_for_signs_in_once() {
    let service = patient().await;
    with_email_codes(&service, EMAIL).await;
    for round in 0..3 {
        let question = asked(&service, EMAIL).await;
        let code = service.mails_about(EMAIL, "Your login code", round + 1).await[round].code().unwrap();
        let (session, refused) = one_winner(|_| {
            let (question, code) = (question.clone(), code.clone());
            async move { question.answer("email", &code).await }
        })
        .await;
        session.verify().await.unwrap();
        assert_eq!(refused, BTreeMap::from([(otp_invalid(), RACERS - 1)]));
    }
}

#[tokio::test]
async fn g02_one_recovery_code_raced_for_signs_in_once() {
    let service = patient().await;
    let (ada, _) = service.enrolled(EMAIL).await;
    let codes = ada.recovery_codes().await.unwrap();
    let mut questions = Vec::new();
    for _ in 0..RACERS / 8 {
        questions.push(asked(&service, EMAIL).await);
    }
    let (session, refused) = one_winner(|racer| {
        let (question, code) = (questions[racer % questions.len()].clone(), codes[0].clone());
        async move { question.answer("recovery", &code).await }
    })
    .await;
    session.verify().await.unwrap();
    assert_eq!(refused, BTreeMap::from([(otp_invalid(), RACERS - 1)]));
    assert_eq!(service.database().audited("mfa_recovery_code_used"), 1);
    let question = asked(&service, EMAIL).await;
    question.answer("recovery", &codes[1]).await.expect("the others were not touched");
}

#[tokio::test]
async fn g02_one_code_in_the_place_of_a_password_raced_for_signs_in_once() {
    let service = patient().await;
    service.registered(EMAIL).await;
    for round in 0..3 {
        let half_way = service.native().passwordless(EMAIL).await.unwrap();
        let code = service.mails_about(EMAIL, "Log in to", round + 1).await[round].code().unwrap();
        let (session, refused) = one_winner(|_| {
            let (half_way, code) = (half_way.clone(), code.clone());
            async move { half_way.verify_passwordless(&code).await }
        })
        .await;
        session.verify().await.unwrap();
        assert_eq!(refused, BTreeMap::from([(otp_invalid(), RACERS - 1)]));
    }
}

#[tokio::test]
async fn g02_one_step_up_code_raced_for_proves_once() {
    let service = patient().await;
    let ada = with_email_codes(&service, EMAIL).await;
    for round in 0..3 {
        ada.ask_step_up("email").await.unwrap();
        let code = service.mails_about(EMAIL, "Your security code", round + 1).await[round].code().unwrap();
        let (_, refused) = one_winner(|_| {
            let (ada, code) = (ada.clone(), code.clone());
            async move { ada.step_up(&code).await }
        })
        .await;
        let possible = [otp_invalid(), refusal(410, "OTP_USED")];
        assert!(refused.keys().all(|refused| possible.contains(refused)), "{refused:?}");
    }
    assert_eq!(service.database().audited("authn_mfa_success"), 3);
}

#[tokio::test]
async fn g02_one_reset_proof_raced_for_is_given_once() {
    let service = patient().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    let code = service.fresh_code(&program).await;
    let (proved, refused) = one_winner(|_| {
        let (grant, code) = (grant.clone(), code.clone());
        async move { grant.prove("totp", &code).await }
    })
    .await;
    assert!(refused.keys().all(|refused| refused.status == 401), "{refused:?}");
    proved.reset(super::NEW).await.unwrap();
    assert_eq!(service.native().login(EMAIL, PASSWORD).await.unwrap_err().code, "INVALID_CREDENTIALS");
}
