//! W06: a passkey is one person's: not among those asked for, with another's handle, with another's key, registered twice.

use super::software::assertion_answer;
use super::{
    ADA, BOB, Held, Site, assert_invalid, assert_not_registered, second, send, send_second, send_step_up, step_up,
};
use crate::attacks::support::{COUNTED, Digest, assert_refused};
use crate::support::PASSWORD;

#[tokio::test]
async fn w06_another_persons_passkey_is_none_of_hers() {
    let site = Site::start().await;
    let service = &site.service;
    let ((ada, hers), (_, his)) = (site.with_passkey(ADA).await, site.with_passkey(BOB).await);
    let native = service.native();
    let before = Digest::without(service, &COUNTED).await;
    // Her name, her handle, her key: not two of them will do without the third.
    let mixed = |id: &Held, handle: &Held| (id.id.clone(), Some(handle.handle.clone()));
    let lies = [
        ("his passkey", mixed(&his, &his), &his),
        ("his passkey in her name", mixed(&his, &hers), &his),
        ("her passkey with his key", mixed(&hers, &hers), &his),
        ("her passkey in his name", mixed(&hers, &his), &hers),
        ("his passkey with her key", mixed(&his, &his), &hers),
        ("nobody's passkey", (vec![9; 20], Some(hers.handle.clone())), &hers),
        ("nobody's handle", (hers.id.clone(), Some(vec![9; 16])), &hers),
        ("a handle that is none", (hers.id.clone(), Some(b"ada@example.com".to_vec())), &hers),
    ];
    for (attack, (id, handle), signer) in &lies {
        let asked = native.login_asked(ADA, PASSWORD).await.unwrap();
        let mut login = site.login(&second(&asked).await, &hers);
        (login.id, login.user_handle) = (id.clone(), handle.clone());
        assert_invalid(attack, &send_second(&asked, &login.answer(&signer.key)).await);
        let mut login = site.login(&step_up(&ada).await, &hers);
        (login.id, login.user_handle) = (id.clone(), handle.clone());
        assert_invalid(attack, &send_step_up(&ada, &login.answer(&signer.key)).await);
    }
    // Without a name the handle says whose it is.
    let no_handle = [("no handle", None), ("an empty handle", Some(vec![]))];
    for (attack, handle) in no_handle {
        let mut login = site.login(&site.alone().await, &hers);
        login.user_handle = handle;
        assert_invalid(attack, &send(&native, &login.answer(&hers.key)).await);
    }
    // The first of them is how he signs in himself.
    for (attack, (id, handle), signer) in lies.iter().skip(1) {
        let mut login = site.login(&site.alone().await, &hers);
        (login.id, login.user_handle) = (id.clone(), handle.clone());
        let (client_data, data) = (login.client_data_json(), login.authenticator_data());
        let answer = assertion_answer(id, &client_data, &data, &login.signature(&signer.key), handle.as_deref());
        assert_invalid(attack, &send(&native, &answer).await);
    }
    before.is_still_that_of(service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
    site.signs_in(&his).await.ok(200).unwrap();
}

#[tokio::test]
async fn w06_a_passkey_is_registered_once() {
    let site = Site::start().await;
    let (ada, hers) = site.with_passkey(ADA).await;
    let bob = site.service.registered(BOB).await;
    let before = Digest::without(&site.service, &["ceremonies", "guess_budgets"]).await;
    // The same identifier, with a key of bob's own.
    let same = |new: &mut super::Registration| (new.id, new.attested_id) = (hers.id.clone(), hers.id.clone());
    assert_refused("by another person", &site.lie_registering(&bob, same).await, 409, "PASSKEY_EXISTS");
    assert_not_registered("by herself, who was told not to", &site.lie_registering(&ada, same).await);
    before.is_still_that_of(&site.service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
}
