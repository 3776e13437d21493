//! W01: a challenge is answered once, in its time, by whom and for what it was given.

use std::time::Duration;

use serde_json::{Value, json};

use super::software::base64url;
use super::{
    ADA, BOB, Site, assert_invalid, assert_not_registered, register, second, send, send_second, send_step_up, step_up,
};
use crate::attacks::support::{COUNTED, Digest};
use crate::support::PASSWORD;

#[tokio::test]
async fn w01_a_challenge_is_answered_where_and_by_whom_it_was_given() {
    let site = Site::start().await;
    let service = &site.service;
    let ((ada, hers), (bob, his)) = (site.with_passkey(ADA).await, site.with_passkey(BOB).await);
    let carol = service.registered("carol@example.com").await;
    let dave = service.registered("dave@example.com").await;
    let native = service.native();
    let asked = native.login_asked(ADA, PASSWORD).await.unwrap();
    let asked_again = native.login_asked(ADA, PASSWORD).await.unwrap();
    let asked_bob = native.login_asked(BOB, PASSWORD).await.unwrap();
    // Challenges come and go; nothing else does.
    let before = Digest::without(service, &COUNTED).await;
    let registration = site.registration(&carol).await;
    let of_registration =
        json!({ "challenge": registration.client_data["challenge"], "rpId": "localhost" }).to_string();
    for (attack, options) in [
        ("a second factor's", second(&asked).await),
        ("a proof's", step_up(&ada).await),
        ("a registration's", of_registration.clone()),
    ] {
        assert_invalid(attack, &send(&native, &site.login(&options, &hers).answer(&hers.key)).await);
    }
    for (attack, options) in [
        ("nobody's in particular", site.alone().await),
        ("another login's of hers", second(&asked_again).await),
        ("another person's", second(&asked_bob).await),
        ("a proof's", step_up(&ada).await),
        ("a registration's", of_registration.clone()),
    ] {
        // Her own question is open all the while.
        second(&asked).await;
        let answer = site.login(&options, &hers).answer(&hers.key);
        assert_invalid(attack, &send_second(&asked, &answer).await);
    }
    for (attack, options) in [
        ("nobody's in particular", site.alone().await),
        ("a second factor's", second(&asked_bob).await),
        ("another person's proof's", step_up(&bob).await),
        ("a registration's", of_registration),
    ] {
        step_up(&ada).await;
        assert_invalid(attack, &send_step_up(&ada, &site.login(&options, &hers).answer(&hers.key)).await);
    }
    // His true answer to his question is none to hers.
    let answer = site.login(&step_up(&bob).await, &his).answer(&his.key);
    assert_invalid("another person's answer", &send_step_up(&ada, &answer).await);
    let of_login: Value = serde_json::from_str(&site.alone().await).unwrap();
    for (attack, challenge) in [
        ("a login's", of_login["challenge"].clone()),
        ("another person's", site.registration(&dave).await.client_data["challenge"].clone()),
        ("one of nobody's", json!(base64url(&[7; 32]))),
        ("none", json!("")),
    ] {
        let mut registration = site.registration(&carol).await;
        registration.client_data["challenge"] = challenge;
        assert_not_registered(attack, &register(&carol, &registration).await);
    }
    before.is_still_that_of(service).await;
}

#[tokio::test]
async fn w01_a_challenge_is_answered_once_and_within_five_minutes() {
    let site = Site::start().await;
    let service = &site.service;
    let (ada, hers) = site.with_passkey(ADA).await;
    let carol = service.registered("carol@example.com").await;
    let native = service.native();

    // Once, on whichever replica.
    let answer = site.login(&site.alone().await, &hers).answer(&hers.key);
    send(&native, &answer).await.ok(200).unwrap();
    let proof = site.login(&step_up(&ada).await, &hers).answer(&hers.key);
    send_step_up(&ada, &proof).await.ok(200).unwrap();
    let registration = site.registration(&carol).await;
    register(&carol, &registration).await.ok(201).unwrap();
    let carol = native.login_asked("carol@example.com", PASSWORD).await.unwrap();
    let before = Digest::without(service, &COUNTED).await;
    for replica in service.api().each() {
        assert_invalid("a login", &send(&native.through(&replica), &answer).await);
        assert_invalid("a proof", &send_step_up(&ada.through(&replica), &proof).await);
        assert_invalid("a proof as a login", &send(&native.through(&replica), &proof).await);
    }
    // A wrong answer uses a challenge up: the right one comes too late.
    let options = site.alone().await;
    let mut wrong = site.login(&options, &hers);
    wrong.flags = 0;
    assert_invalid("a wrong answer", &send(&native, &wrong.answer(&hers.key)).await);
    assert_invalid("a right one after it", &send(&native, &site.login(&options, &hers).answer(&hers.key)).await);

    let [login, of_carol] = [site.alone().await, second(&carol).await];
    let late = step_up(&ada).await;
    service.advance(Duration::from_secs(301)).await;
    assert_invalid("a login", &send(&native, &site.login(&login, &hers).answer(&hers.key)).await);
    assert_invalid("a proof", &send_step_up(&ada, &site.login(&late, &hers).answer(&hers.key)).await);
    assert_invalid("a second factor", &send_second(&carol, &site.login(&of_carol, &hers).answer(&hers.key)).await);
    before.is_still_that_of(service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
}
