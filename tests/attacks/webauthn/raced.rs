//! W08: one assertion sent many times at once, a registration by who signed in long ago, and the last factor.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_domain::factor::SecondFactorPolicy;
use keystead_testkit::race::race;
use reqwest::Method;

use super::{ADA, Site, register, send, send_step_up, step_up};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{refusal, tally};

const RACERS: usize = 64;

#[tokio::test]
async fn w08_g02_of_64_posts_of_one_assertion_one_signs_in() {
    let site = Site::start().await;
    let (_, hers) = site.with_passkey(ADA).await;
    for _ in 0..3 {
        let answer = site.login(&site.alone().await, &hers).answer(&hers.key);
        let sessions = site.service.database().sessions();
        let answers = race(RACERS, |racer| {
            let client = site.service.native().through(&site.service.replica(racer));
            let answer = answer.clone();
            async move { send(&client, &answer).await.ok(200) }
        });
        let (won, refused) = tally(answers.await);
        let lost = BTreeMap::from([(refusal(401, "WEBAUTHN_INVALID"), RACERS - 1)]);
        assert_eq!((won.len(), refused), (1, lost));
        assert_eq!(site.service.database().sessions(), sessions + 1);
    }
}

#[tokio::test]
async fn w08_a_passkey_is_added_by_who_just_proved_who_they_are() {
    let site = Site::start().await;
    let ada = site.service.registered(ADA).await;
    let begun = site.registration(&ada).await;
    let (bob, _) = site.with_passkey("bob@example.com").await;
    let of_bob = site.registration(&bob).await;
    site.service.advance(Duration::from_secs(280)).await;
    let late = site.registration(&ada).await;
    // The challenge is still good; the sign-in is not.
    site.service.advance(Duration::from_secs(30)).await;
    let before = Digest::of(&site.service).await;
    for (attack, registration) in [("begun in time", &late), ("begun long ago", &begun)] {
        assert_refused(attack, &register(&ada, registration).await, 403, "REAUTH_REQUIRED");
    }
    let options = ada.call(Method::POST, "/passkeys/options").send().await;
    assert_refused("options", &options, 403, "REAUTH_REQUIRED");
    assert_refused("no proof", &register(&bob.without_proof(), &of_bob).await, 403, "MFA_REQUIRED");
    let options = bob.without_proof().call(Method::POST, "/passkeys/options").send().await;
    assert_refused("options without a proof", &options, 403, "MFA_REQUIRED");
    before.is_still_that_of(&site.service).await;
}

#[tokio::test]
async fn w08_the_last_factor_stays_where_one_is_needed() {
    let site = Site::configured(|config| config.login.second_factor = SecondFactorPolicy::Always).await;
    let (ada, hers) = site.with_passkey(ADA).await;
    let proved = send_step_up(&ada, &site.login(&step_up(&ada).await, &hers).answer(&hers.key)).await.ok(200).unwrap();
    let ada = ada.showing(&proved.text_of("token").unwrap());
    let before = Digest::of(&site.service).await;
    let reply = ada.call(Method::DELETE, &format!("/passkeys/{}", hers.row)).send().await;
    assert_refused("the only one", &reply, 409, "LAST_FACTOR");
    before.is_still_that_of(&site.service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
}
