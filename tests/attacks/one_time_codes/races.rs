//! O02: one right code, shown many times at once.

use std::collections::BTreeMap;

use crate::factors::single_use::{RACERS, one_winner, patient};
use crate::factors::{EMAIL, asked, otp_invalid, with_email_codes};
use crate::support::{Refusal, refusal};

/// Codes of each kind, at every replica. Their races one by one, and with step-ups and resets among them, are told where
/// second factors are.
#[tokio::test]
async fn o02_of_64_who_show_a_right_code_at_once_one_is_signed_in() {
    let service = patient().await;
    let all_but_one: BTreeMap<Refusal, usize> = [(otp_invalid(), RACERS - 1)].into();
    with_email_codes(&service, "bob@example.com").await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let recovery = ada.recovery_codes().await.unwrap().remove(0);
    let totp = service.fresh_code(&program).await;
    let sessions = service.database().sessions();

    // At one question, and at several.
    for (nth, (method, code)) in [("totp", totp), ("recovery", recovery)].into_iter().enumerate() {
        let mut questions = Vec::new();
        for _ in 0..=nth {
            questions.push(asked(&service, EMAIL).await);
        }
        let (session, refused) = one_winner(|racer| {
            let (question, code) = (questions[racer % questions.len()].clone(), code.clone());
            async move { question.answer(method, &code).await }
        })
        .await;
        assert_eq!(refused, all_but_one, "{method}");
        session.verify().await.unwrap();
    }
    let question = asked(&service, "bob@example.com").await;
    let code = service.mails_about("bob@example.com", "Your login code", 1).await[0].code().unwrap();
    let (session, refused) = one_winner(|_| {
        let (question, code) = (question.clone(), code.clone());
        async move { question.answer("email", &code).await }
    })
    .await;
    assert_eq!(refused, all_but_one);
    session.verify().await.unwrap();

    let half_way = service.native().passwordless("bob@example.com").await.unwrap();
    let code = service.mails_about("bob@example.com", "Log in to", 1).await[0].code().unwrap();
    let (session, refused) = one_winner(|_| {
        let (half_way, code) = (half_way.clone(), code.clone());
        async move { half_way.verify_passwordless(&code).await }
    })
    .await;
    assert_eq!(refused, all_but_one);
    session.verify().await.unwrap();
    assert_eq!(service.database().sessions(), sessions + 4, "one of each race");
    assert_eq!(half_way.verify_passwordless(&code).await.unwrap_err(), refusal(401, "OTP_INVALID"));
}
