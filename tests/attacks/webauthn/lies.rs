//! W02, W03: another page, another site, and what an authenticator says of its user and of itself.

use serde_json::{Value, json};

use super::software::{AT, BE, BS, UP, UV};
use super::{ADA, Site, assert_invalid, assert_not_registered, second, send_second, send_step_up, step_up};
use crate::attacks::support::{COUNTED, Digest};
use crate::support::PASSWORD;

/// Origins that are nearly the site's: `http://localhost:port`.
fn origins(own: &str) -> Vec<Value> {
    let (host, port) = own.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let next = port.parse::<u16>().unwrap() ^ 1;
    let texts = [
        format!("https://{host}:{port}"),
        format!("http://{host}:{next}"),
        format!("http://{host}"),
        format!("http://sub.{host}:{port}"),
        format!("http://{host}.evil:{port}"),
        format!("http://{host}.evil.example:{port}"),
        format!("http://evil{host}:{port}"),
        format!("http://evil@{host}:{port}"),
        format!("http://{host}.:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://LOCALHOST:{port}"),
        format!("{own}/"),
        format!("{own}/health/live"),
        format!("{own}#"),
        format!(" {own}"),
        format!("{host}:{port}"),
        "null".to_owned(),
        String::new(),
    ];
    let mut origins: Vec<Value> = texts.into_iter().map(Value::String).collect();
    origins.extend([Value::Null, json!([own]), json!({ "origin": own }), json!(7)]);
    origins
}

#[tokio::test]
async fn w02_what_was_signed_for_another_page_is_refused() {
    let site = Site::start().await;
    let (ada, hers) = site.with_passkey(ADA).await;
    let bob = site.service.registered("bob@example.com").await;
    let before = Digest::without(&site.service, &COUNTED).await;
    let mut lies: Vec<(&str, Value)> = origins(&site.origin).into_iter().map(|origin| ("origin", origin)).collect();
    lies.extend([
        ("crossOrigin", json!(true)),
        ("crossOrigin", json!("false")),
        ("crossOrigin", json!(0)),
        ("topOrigin", json!(site.origin)),
        ("topOrigin", json!("https://evil.example")),
        ("topOrigin", json!(false)),
    ]);
    for (member, value) in lies {
        let attack = format!("{member}: {value}");
        assert_invalid(&attack, &site.lie_alone(&hers, |login| login.client_data[member] = value.clone()).await);
        let mut login = site.login(&step_up(&ada).await, &hers);
        login.client_data[member] = value.clone();
        assert_invalid(&attack, &send_step_up(&ada, &login.answer(&hers.key)).await);
        let reply = site.lie_registering(&bob, |new| new.client_data[member] = value).await;
        assert_not_registered(&attack, &reply);
    }
    let without =
        site.lie_alone(&hers, |login| drop(login.client_data.as_object_mut().unwrap().remove("origin"))).await;
    assert_invalid("no origin", &without);
    before.is_still_that_of(&site.service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
}

#[tokio::test]
async fn w03_another_site_and_flags_that_may_not_be_are_refused() {
    let site = Site::start().await;
    let (ada, hers) = site.with_passkey(ADA).await;
    let bound = |flags: u8| move |new: &mut super::Registration| new.flags = flags;
    let (_, unsynced) = site.with_passkey_that("carol@example.com", bound(UP | UV | AT)).await;
    let bob = site.service.registered("bob@example.com").await;
    let before = Digest::without(&site.service, &["ceremonies", "guess_budgets"]).await;
    for rp_id in ["evil.example", "127.0.0.1", "sub.localhost", "localhost.evil", "local", "http://localhost", ""] {
        assert_invalid(rp_id, &site.lie_alone(&hers, |login| login.rp_id = rp_id.into()).await);
        assert_not_registered(rp_id, &site.lie_registering(&bob, |new| new.rp_id = rp_id.into()).await);
    }
    for (attack, flags) in [
        ("nobody was there", UV | BE | BS),
        ("nothing at all", 0),
        ("its user was not recognised", UP | BE | BS),
        ("copied, though it cannot be", UP | UV | BS),
        ("it could be copied when it was registered", UP | UV),
    ] {
        assert_invalid(attack, &site.lie_alone(&hers, |login| login.flags = flags).await);
    }
    for flags in [UP | UV | BE, UP | UV | BE | BS, UP | UV | BS] {
        let attack = "it could not be copied when it was registered";
        assert_invalid(attack, &site.lie_alone(&unsynced, |login| login.flags = flags).await);
    }
    for (attack, flags) in [
        ("nobody was there", UV | BE | BS | AT),
        ("copied, though it cannot be", UP | UV | BS | AT),
        ("no credential", UP | UV | BE | BS),
    ] {
        assert_not_registered(attack, &site.lie_registering(&bob, |new| new.flags = flags).await);
    }
    before.is_still_that_of(&site.service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
    site.lie_alone(&unsynced, |login| login.flags = UP | UV).await.ok(200).unwrap();

    // As a second factor it need not recognise its user, unless it is told to.
    let mut login = site.login(&step_up(&ada).await, &hers);
    login.flags = UP | BE | BS;
    send_step_up(&ada, &login.answer(&hers.key)).await.ok(200).unwrap();
}

#[tokio::test]
async fn w03_a_second_factor_recognises_its_user_where_that_is_asked_for() {
    let required = keystead_application::ports::UserVerification::Required;
    let site = Site::configured(|config| config.passkeys.user_verification = required).await;
    let (ada, hers) = site.with_passkey(ADA).await;
    let asked = site.service.native().login_asked(ADA, PASSWORD).await.unwrap();
    let before = Digest::without(&site.service, &COUNTED).await;
    let mut login = site.login(&second(&asked).await, &hers);
    login.flags = UP | BE | BS;
    assert_invalid("a second factor", &send_second(&asked, &login.answer(&hers.key)).await);
    let mut proof = site.login(&step_up(&ada).await, &hers);
    proof.flags = UP | BE | BS;
    assert_invalid("a proof", &send_step_up(&ada, &proof.answer(&hers.key)).await);
    before.is_still_that_of(&site.service).await;
    let login = site.login(&second(&asked).await, &hers);
    send_second(&asked, &login.answer(&hers.key)).await.ok(200).unwrap();
}
