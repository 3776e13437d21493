//! The way from a password to one the server never sees: a credential beside the password, after a fresh login.

use std::time::Duration;

use keystead_testkit::race::race;
use reqwest::Method;

use super::actors::credential;
use super::{EMAIL, NEW, WRONG, invalid_credentials, srp_invalid};
use crate::support::{PASSWORD, Service, refusal, tally};

const RACERS: usize = 64;

#[tokio::test]
async fn a_credential_is_added_beside_a_password_after_a_fresh_login() {
    let service = Service::start().await;
    let first = service.registered(EMAIL).await;
    let ada = service.native().login(EMAIL, PASSWORD).await.unwrap();
    assert_eq!(ada.client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    service.advance(Duration::from_secs(301)).await;
    assert_eq!(ada.add_srp(NEW).await.unwrap_err(), refusal(403, "REAUTH_REQUIRED"));
    let ada = ada.reauthenticate(PASSWORD).await.unwrap();
    service.mail_settled().await;
    let mails = service.mails(EMAIL).await.len();
    let added = ada.add_srp(NEW).await.unwrap();
    added.verify().await.unwrap();
    service.mail_settled().await;
    assert_eq!(service.mails(EMAIL).await.len(), mails + 1, "the owner is told");

    // Both kinds sign in, each with its own password, and neither with the other's.
    ada.client.login(EMAIL, PASSWORD).await.unwrap().verify().await.unwrap();
    ada.client.srp_login(EMAIL, NEW).await.unwrap().verify().await.unwrap();
    assert_eq!(ada.client.login(EMAIL, NEW).await.unwrap_err(), invalid_credentials());
    assert_eq!(ada.client.srp_login(EMAIL, PASSWORD).await.unwrap_err(), srp_invalid());
    // The other session goes on, with its next refresh.
    first.refresh().await.unwrap().verify().await.unwrap();

    // One is all there can be.
    assert_eq!(added.add_srp(WRONG).await.unwrap_err(), refusal(409, "SRP_EXISTS"));
    ada.client.srp_login(EMAIL, NEW).await.unwrap();
    let by_srp = ada.client.srp_login(EMAIL, NEW).await.unwrap();
    assert_eq!(by_srp.add_srp(WRONG).await.unwrap_err(), refusal(409, "SRP_EXISTS"));
    let mut database = service.database();
    assert_eq!((database.count("srp_credentials"), database.audited("authn_srp_verifier_set")), (1, 1));
}

#[tokio::test]
async fn s05_a_second_factor_is_demanded_where_one_is_enrolled() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    assert_eq!(ada.without_proof().add_srp(NEW).await.unwrap_err(), refusal(403, "MFA_REQUIRED"));
    assert_eq!(service.database().count("srp_credentials"), 0);
    ada.ask_step_up("authenticator").await.unwrap();
    let ada = ada.step_up(&service.fresh_code(&program).await).await.unwrap();
    ada.add_srp(NEW).await.unwrap();
    let asked = ada.client.srp_login_asked(EMAIL, NEW).await.unwrap();
    asked.answer("totp", &service.fresh_code(&program).await).await.unwrap();
}

#[tokio::test]
async fn nobody_else_adds_one() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let body = credential(NEW);
    assert_eq!(service.native().post("/auth/srp/verifier", &body).await.status, 401);
    let out = ada.client.login(EMAIL, PASSWORD).await.unwrap();
    out.log_out().await.unwrap();
    out.refused().await;
    assert_eq!(out.add_srp(NEW).await.unwrap_err().status, 401);
    // A session that proves itself with the refresh token alone is none.
    assert_eq!(ada.call_without_token(Method::POST, "/auth/srp/verifier").json(&body).send().await.status, 401);
    assert_eq!(service.database().count("srp_credentials"), 0);
}

#[tokio::test]
async fn g02_of_many_parallel_credentials_one_is_kept() {
    for limited in [false, true] {
        let service = if limited {
            Service::builder().default_limits().behind_a_proxy().start().await
        } else {
            Service::start().await
        };
        let ada = service.registered(EMAIL).await;
        let password = |racer: usize| format!("copper-violin-meadow-{racer}");
        let answers = race(RACERS, |racer| {
            let ada = ada.clone();
            async move { ada.add_srp(&password(racer)).await.map(|next| (racer, next)) }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!(won.len(), 1, "{refused:?}");
        // Who came later finds the credential, or an access token that it ended.
        let known = |refusal: &crate::support::Refusal| refusal.status == 409 || refusal.status == 401;
        assert!(refused.keys().all(known), "{refused:?}");
        let (winner, next) = &won[0];
        next.verify().await.unwrap();
        let client = service.native().at("192.0.2.7");
        client.srp_login(EMAIL, &password(*winner)).await.unwrap();
        assert_eq!(client.srp_login(EMAIL, &password((winner + 1) % RACERS)).await.unwrap_err(), srp_invalid());
        let mut database = service.database();
        assert_eq!((database.count("srp_credentials"), database.audited("authn_srp_verifier_set")), (1, 1));
    }
}
