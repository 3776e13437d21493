//! L04: locking somebody out by guessing at their account.

use keystead_api_actix::config::{Config, LimitsMode};
use keystead_domain::limits::LOGIN_ACCOUNT;

use super::{HOUR, set, stranger};
use crate::attacks::support::Digest;
use crate::attacks::webauthn::Site;
use crate::support::{PASSWORD, Service, refusal};

const ADA: &str = "ada@example.com";
const WRONG: &str = "copper-violin-meadow-17";
/// As many guesses as the attack has.
const GUESSES: usize = 1000;

/// The limit of guesses at an account, whose every unit takes an hour to come back.
fn hourly_guesses(config: &mut Config) {
    set(config, &LOGIN_ACCOUNT, LOGIN_ACCOUNT.limit, LOGIN_ACCOUNT.limit * HOUR);
}

#[tokio::test]
async fn l04_a_thousand_bad_logins_keep_strangers_out_and_not_the_owner() {
    let service = Service::builder().default_limits().behind_a_proxy().configured(hourly_guesses).start().await;
    let ada = service.registered_at(&service.native().at("192.0.2.1"), ADA).await;
    let laptop = service.browser().at("192.0.2.2").login(ADA, PASSWORD).await.unwrap();
    let state = Digest::without(&service, &["guess_budgets"]).await;

    let (before, mut compared) = (service.hashes(), 0);
    for number in 0..GUESSES {
        let refused = stranger(&service, number).login(ADA, WRONG).await.unwrap_err();
        match refused.status {
            401 => compared += 1,
            _ => assert_eq!(refused, refusal(429, "ACCOUNT_LIMITED")),
        }
    }
    assert_eq!(compared, LOGIN_ACCOUNT.limit);
    assert_eq!(service.hashes() - before, u64::from(compared));
    state.is_still_that_of(&service).await;
    // The right password does not help a stranger, at whatever address.
    let stranger = stranger(&service, GUESSES);
    assert_eq!(stranger.login(ADA, PASSWORD).await.unwrap_err(), refusal(429, "ACCOUNT_LIMITED"));

    // The owner's sessions go on, and so do the browser and the program they signed in with before, from anywhere.
    ada.refresh().await.unwrap().verify().await.unwrap();
    let known = service.browser().at("203.0.113.1").on_device(&laptop.device.unwrap());
    known.login(ADA, PASSWORD).await.unwrap().verify().await.unwrap();
    let known = service.native().at("203.0.113.2").on_device(&ada.device.unwrap());
    known.login(ADA, PASSWORD).await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn l04_an_account_that_is_guessed_at_is_open_to_its_passkey() {
    let site = Site::configured(|config| {
        hourly_guesses(config);
        config.limits.mode = LimitsMode::Default;
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let site = site.await;
    let (_, passkey) = site.with_passkey(ADA).await;
    let service = &site.service;
    let limit = usize::try_from(LOGIN_ACCOUNT.limit).unwrap();
    for number in 0..3 * limit {
        let refused = stranger(service, number).login(ADA, WRONG).await.unwrap_err();
        assert_eq!(refused.status, if number < limit { 401 } else { 429 }, "{number}: {refused:?}");
    }
    assert_eq!(stranger(service, 3 * limit).login(ADA, PASSWORD).await.unwrap_err(), refusal(429, "ACCOUNT_LIMITED"));
    assert_eq!(site.signs_in(&passkey).await.status, 200);
}
