//! O09: ways around an enrolled second factor.

use keystead_api_actix::authorization::{Admits, RULES};
use reqwest::Method;
use serde_json::json;

use super::TRIES;
use crate::attacks::support::{Digest, assert_refused};
use crate::authorization::asking::Target;
use crate::factors::{EMAIL, NEW, forgotten, mfa_required, without_passwords};
use crate::support::{HalfWay, PASSWORD, Service, SignedIn, refusal};

#[tokio::test]
async fn o09_a_half_login_opens_no_route() {
    let service = Service::builder().configured(without_passwords).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let question = service.native().login_asked(EMAIL, PASSWORD).await.unwrap();
    let target = Target::nothing();
    let before = Digest::of(&service).await;
    let mut asked = 0;
    for rule in RULES {
        if !matches!(rule.admits, Admits::SignedIn | Admits::Role(_)) {
            continue;
        }
        for proof in [None, ada.proof.as_deref()] {
            let method = Method::from_bytes(rule.method.as_bytes()).unwrap();
            let call = service.replica(asked).at(method, &target.path(rule)).bearer(&question.token);
            let call = call.header("keystead-client", "native").header("keystead-client-id", &question.client_id);
            let call = proof
                .into_iter()
                .fold(call, |call, proof| call.header("otp-authorization", &format!("Bearer {proof}")));
            let call = target.body(rule, 0).into_iter().fold(call, |call, body| call.json(&body));
            let reply = call.send().await;
            assert_refused(&format!("{} {}", rule.method, rule.path), &reply, 401, "TOKEN_INVALID");
            asked += 1;
        }
    }
    assert!(asked > 80, "{asked}");
    // Nor does it make itself more than it is, or a session of its own.
    for (method, route) in
        [(Method::POST, "/auth/token/verify"), (Method::GET, "/users/me"), (Method::POST, "/auth/reauth")]
    {
        let reply = question.call(method, route).json(&json!({ "password": PASSWORD })).send().await;
        assert!(matches!(reply.status, 400 | 401 | 422), "{route}: {}", reply.text);
    }
    let thief = SignedIn { refresh: question.token.clone(), client_id: question.client_id.clone(), ..ada };
    assert_eq!(thief.refresh().await.unwrap_err(), refusal(401, "REFRESH_INVALID"));
    assert_eq!(question.reset(NEW).await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    assert_eq!(question.verify("000000").await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    assert_eq!(question.verify_passwordless("000000").await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    before.is_still_that_of_but_for(&service, &[]).await;
    question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
}

/// Nothing but the factor that was enrolled answers.
async fn asks_for_the_program(service: &Service, question: &HalfWay) {
    assert_eq!(question.options, ["totp"]);
    let before = Digest::without(service, &TRIES).await;
    for weaker in ["email", "phone"] {
        assert_eq!(question.send(weaker).await.unwrap_err(), refusal(409, "FACTOR_NOT_OFFERED"), "{weaker}");
        assert_eq!(
            question.answer(weaker, "123456").await.unwrap_err(),
            refusal(409, "FACTOR_NOT_OFFERED"),
            "{weaker}"
        );
    }
    before.is_still_that_of(service).await;
}

#[tokio::test]
async fn o09_every_way_in_asks_for_the_factor() {
    let service = Service::builder().configured(without_passwords).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let sessions = service.database().sessions();
    // The password, at every kind of client, and at one that was there before.
    let known = service.native().on_device(ada.device.as_ref().unwrap());
    for client in [service.native(), service.browser(), known] {
        asks_for_the_program(&service, &client.login_asked(EMAIL, PASSWORD).await.unwrap()).await;
    }
    // A code in the place of the password: to the address that is no factor of hers.
    let half_way = service.native().passwordless(EMAIL).await.unwrap();
    let code = service.mails_about(EMAIL, "Log in to", 1).await[0].code().unwrap();
    asks_for_the_program(&service, &half_way.verify_passwordless_asked(&code).await.unwrap()).await;
    // A proof in the place of the password.
    let carol = service.srp_registered("carol@example.com").await;
    let (carol, _) = carol.enrol(&service).await;
    asks_for_the_program(&service, &carol.client.srp_login_asked("carol@example.com", PASSWORD).await.unwrap()).await;
    // A new password: without the factor none is set, and with it the factor stays.
    let grant = forgotten(&service, EMAIL).await;
    let before = Digest::without(&service, &TRIES).await;
    assert_eq!(grant.options, ["totp"]);
    assert_eq!(grant.reset(NEW).await.unwrap_err(), mfa_required());
    assert_eq!(grant.send("email").await.unwrap_err(), refusal(409, "FACTOR_NOT_OFFERED"));
    before.is_still_that_of(&service).await;
    assert_eq!(service.database().sessions(), sessions + 1, "carol's own: nobody was signed in");
    let proved = grant.prove("totp", &service.fresh_code(&program).await).await.unwrap();
    proved.reset(NEW).await.unwrap();
    asks_for_the_program(&service, &service.native().login_asked(EMAIL, NEW).await.unwrap()).await;
}

#[tokio::test]
async fn o09_a_refreshed_or_new_session_proves_nothing_by_itself() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let question = service.native().login_asked(EMAIL, PASSWORD).await.unwrap();
    let second = question.answer("totp", &service.fresh_code(&program).await).await.unwrap();
    // The proof belongs to its session: a refresh of another one brings none along.
    let bare = SignedIn { proof: None, ..second.refresh().await.unwrap() };
    let before = Digest::of(&service).await;
    for who in [bare.clone(), bare.showing(ada.proof.as_ref().unwrap()), bare.showing(&bare.access)] {
        let told = who.recovery_codes().await.unwrap_err();
        assert_eq!(told, mfa_required());
        assert_eq!(who.remove_totp("123456").await.unwrap_err(), mfa_required());
        assert_eq!(who.change_password(PASSWORD, NEW).await.unwrap_err(), mfa_required());
        assert_eq!(who.close_account().await.unwrap_err(), mfa_required());
    }
    // A password proved again is one factor.
    before.is_still_that_of_but_for(&service, &[]).await;
    let again = bare.reauthenticate(PASSWORD).await.unwrap();
    assert_eq!(SignedIn { proof: None, ..again }.recovery_codes().await.unwrap_err(), mfa_required());
}
