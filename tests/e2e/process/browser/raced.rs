//! G02, W08: one assertion, sent many times at once.

use std::collections::BTreeMap;

use keystead_testkit::race::race;
use serde_json::{Value, json};

use super::place::{Place, public_key};
use super::refused::Asked;
use crate::process::api::{Answer, Person};

const RACERS: usize = 64;

/// How many answers had which status and code.
fn tally(answers: &[Answer]) -> BTreeMap<(u16, String), usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry((answer.status, answer.code())).or_default() += 1;
    }
    tally
}

#[track_caller]
fn one_won(answers: &[Answer]) {
    let expected = [((200, String::new()), 1), ((401, "WEBAUTHN_INVALID".to_owned()), RACERS - 1)];
    assert_eq!(tally(answers), BTreeMap::from(expected));
}

/// Tries at the account are counted before anything is looked at; beyond some none is.
#[track_caller]
fn one_won_of_those_counted(answers: &[Answer]) {
    let tally = tally(answers);
    assert_eq!(tally.get(&(200, String::new())), Some(&1), "{tally:?}");
    let refusals = [(401, "WEBAUTHN_INVALID".to_owned()), (429, "OTP_LOCKED".to_owned())];
    let refused: usize = refusals.iter().filter_map(|refusal| tally.get(refusal)).sum();
    assert_eq!(refused, RACERS - 1, "{tally:?}");
}

#[tokio::test]
async fn g02_w08_one_assertion_raced_for_signs_in_once() {
    let place = Place::start().await;
    let api = place.api();
    let browser = place.browser().await;
    let _authenticator = browser.add_platform_authenticator().await;
    let ada = place.with_passkey(&browser, "ada@example.com").await;
    let sign = async |options: &Value| browser.get_credential(options).await.unwrap();
    let sessions = async |who: &Person| {
        let list = api.send_as(who, "GET", "/api/v1/sessions?page[size]=100", None).await.expect(200);
        list.json()["data"].as_array().unwrap().len()
    };
    assert_eq!(sessions(&ada).await, 1);

    let body = json!({ "assertion": sign(&place.sign_in_options().await).await });
    let answers = race(RACERS, |_| {
        let (api, body) = (api.clone(), body.clone());
        async move { api.post("/api/v1/auth/login/passkey", &body).await }
    });
    one_won(&answers.await);
    assert_eq!(sessions(&ada).await, 2);

    // Somebody else each time: what the losers sent was counted as wrong.
    let bob = place.with_passkey(&browser, "bob@example.com").await;
    let options = api.send_as(&bob, "POST", "/api/v1/auth/otp/passkey/options", None).await.expect(200);
    let body = json!({ "assertion": sign(&public_key(&options)).await });
    let answers = race(RACERS, |_| {
        let (api, bob, body) = (api.clone(), bob.clone(), body.clone());
        async move { api.send_as(&bob, "POST", "/api/v1/auth/otp/passkey", Some(&body)).await }
    });
    one_won_of_those_counted(&answers.await);

    let cleo = place.with_passkey(&browser, "cleo@example.com").await;
    let asked = Asked::new(api, "cleo@example.com").await;
    let assertion = sign(&asked.options(api).await).await;
    let answers = race(RACERS, |_| {
        let (api, assertion, asked) = (api.clone(), assertion.clone(), asked.clone());
        async move { asked.answer(&api, &assertion).await }
    });
    one_won_of_those_counted(&answers.await);
    assert_eq!(sessions(&cleo).await, 2);
}
