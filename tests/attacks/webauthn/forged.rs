//! W04, W05: signatures and encodings that are not what they should be, and a passkey there are two of.

use serde_json::json;

use super::software::{AT, ED, Key, Registration, assertion_answer, base64url, registration_answer};
use super::{ADA, Site, assert_invalid, assert_not_registered, send, send_registration};
use crate::attacks::support::{Digest, assert_explained};

/// Changes client data, authenticator data and signature after they were signed.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>, &mut Vec<u8>, &mut Vec<u8>);
type Lie = Box<dyn Fn(&mut Registration)>;

#[tokio::test]
async fn w04_answers_of_another_form_are_refused_and_never_a_failure() {
    let site = Site::start().await;
    let (_, hers) = site.with_passkey(ADA).await;
    let native = site.service.native();
    let before = Digest::without(&site.service, &["ceremonies"]).await;
    for kind in ["webauthn.create", "webauthn.Get", "payment.get", ""] {
        assert_invalid(kind, &site.lie_alone(&hers, |login| login.client_data["type"] = kind.into()).await);
    }
    let attested = [&[0; 16][..], &[0, 1, 9], &Key::es256().cose].concat();
    for (attack, flags, behind) in [
        ("behind the data", 0, vec![0]),
        ("extensions of unknown length", ED, vec![0xbf, 0xff]),
        ("extensions that are missing", ED, vec![]),
        ("a new credential", AT, attested),
    ] {
        let reply =
            site.lie_alone(&hers, |login| (login.flags, login.behind_data) = (login.flags | flags, behind)).await;
        assert_invalid(attack, &reply);
    }
    // Signed right, sent otherwise.
    let sent = async |change: Change<'_>| {
        let login = site.login(&site.alone().await, &hers);
        let mut client_data = login.client_data_json();
        let (mut data, mut signature) = (login.authenticator_data(), login.signature(&hers.key));
        change(&mut client_data, &mut data, &mut signature);
        send(&native, &assertion_answer(&hers.id, &client_data, &data, &signature, Some(&hers.handle))).await
    };
    let changes: [(&str, Change<'_>); 11] = [
        ("another counter", &|_, data, _| data[36] ^= 1),
        ("other flags", &|_, data, _| data[32] ^= 1 << 3),
        ("other client data", &|client_data, _, _| client_data.push(b' ')),
        ("client data with a mark", &|client_data, _, _| client_data.splice(..0, [0xef, 0xbb, 0xbf]).for_each(drop)),
        ("no client data", &|client_data, _, _| client_data.clear()),
        ("short data", &|_, data, _| data.truncate(36)),
        ("no signature", &|_, _, signature| signature.clear()),
        ("a byte behind", &|_, _, signature| signature.push(0)),
        ("a byte missing", &|_, _, signature| signature.truncate(signature.len() - 1)),
        // ECDSA-Sig-Value: 30 length 02 length r 02 length s. A zero in front of r changes no number.
        ("a padded number", &|_, _, signature| {
            signature[1] += 1;
            signature[3] += 1;
            signature.insert(4, 0);
        }),
        ("two zeros", &|_, _, signature| *signature = vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]),
    ];
    for (attack, change) in changes {
        assert_invalid(attack, &sent(change).await);
    }
    for (attack, id) in [("1,024 bytes", vec![5; 1024]), ("no bytes", vec![]), ("nobody's", vec![5; 20])] {
        assert_invalid(attack, &site.lie_alone(&hers, |login| login.id = id).await);
    }
    for (attack, answer) in [
        ("no object", json!("AAAA")),
        ("nothing", json!({})),
        ("a list", json!([])),
        ("numbers", json!({ "id": 1, "rawId": 2, "type": 3, "response": 4 })),
        ("no response", json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key" })),
        ("no base64url", json!({ "id": "+/==", "rawId": "+/==", "type": "public-key", "response": {} })),
    ] {
        let reply = send(&native, &answer).await;
        assert_explained(attack, &reply);
        assert!(matches!(reply.status, 401 | 422), "{attack}: {}", reply.text);
    }
    before.is_still_that_of(&site.service).await;
    site.signs_in(&hers).await.ok(200).unwrap();
}

#[tokio::test]
async fn w04_registrations_of_another_form_are_refused_and_never_a_failure() {
    let site = Site::start().await;
    let ada = site.service.registered(ADA).await;
    let before = Digest::without(&site.service, &["ceremonies", "guess_budgets"]).await;
    let long =
        |length: usize| move |new: &mut Registration| (new.attested_id, new.id) = (vec![5; length], vec![5; length]);
    let lies: Vec<(&str, Lie)> = vec![
        ("the other type", Box::new(|new| new.client_data["type"] = "webauthn.get".into())),
        ("a type in another case", Box::new(|new| new.client_data["type"] = "webauthn.Create".into())),
        ("ES384", Box::new(|new| new.key = Key::es384())),
        ("ES256 on another curve", Box::new(|new| new.key = Key::es256_on_p384())),
        ("EdDSA", Box::new(|new| new.key = Key::ed25519())),
        ("no point of the curve", Box::new(|new| *new.key.cose.last_mut().unwrap() ^= 1)),
        ("no key", Box::new(|new| new.key.cose = vec![0xa0])),
        ("behind the object", Box::new(|new| new.behind_object = vec![0])),
        ("behind the key", Box::new(|new| new.behind_key = vec![0])),
        ("behind the extensions", Box::new(|new| (new.flags, new.behind_key) = (new.flags | ED, vec![0xa0, 0]))),
        ("extensions that are missing", Box::new(|new| new.flags |= ED)),
        (
            "a key of unknown length",
            Box::new(|new| {
                new.key.cose[0] = 0xbf;
                new.key.cose.push(0xff);
            }),
        ),
        ("a statement of unknown length", Box::new(|new| new.statement = Some(vec![0xbf, 0xff]))),
        ("an identifier of 1,024 bytes", Box::new(long(1024))),
        ("an identifier of no bytes", Box::new(long(0))),
        ("two identifiers", Box::new(|new| new.id = b"another one".to_vec())),
    ];
    for (attack, lie) in lies {
        assert_not_registered(attack, &site.lie_registering(&ada, lie).await);
    }
    let deep = [vec![0x81; 30_000], vec![0]].concat();
    for (attack, object) in [
        ("nothing", vec![]),
        ("a number", vec![0x00]),
        ("deep", deep[..9_000].to_vec()),
        ("longer than it is", vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("of unknown length", vec![0xbf, 0xff]),
    ] {
        let registration = site.registration(&ada).await;
        let answer = registration_answer(&registration.id, &registration.client_data_json(), &object);
        assert_not_registered(attack, &send_registration(&ada, &answer).await);
    }
    let huge = json!({ "id": base64url(&[5; 16]), "padding": "x".repeat(20_000) });
    let reply = send_registration(&ada, &huge).await;
    assert_explained("20 KB", &reply);
    before.is_still_that_of(&site.service).await;
    site.lie_registering(&ada, |_| ()).await.ok(201).unwrap();
}

#[tokio::test]
async fn w05_a_counter_that_does_not_go_up_is_refused_noted_and_told() {
    let site = Site::start().await;
    let (ada, hers) = site.with_passkey_that(ADA, |new| new.counter = 5).await;
    site.lie_alone(&hers, |login| login.counter = 6).await.ok(200).unwrap();
    site.service.mail_settled().await;
    let shown = || async { ada.get("/passkeys").await.unwrap()["data"][0].clone() };
    let rows = |service: &crate::support::Service| -> Vec<String> { service.database().dump(&[])["passkeys"].clone() };
    let (passkey, before, sessions) = (shown().await, rows(&site.service), site.service.database().sessions());
    for (nth, counter) in [6, 5, 0].into_iter().enumerate() {
        assert_invalid("a copy", &site.lie_alone(&hers, |login| login.counter = counter).await);
        let told = site.service.mails_about(ADA, "A passkey of your account", nth + 1).await;
        assert!(told[nth].text.contains("counter went back"), "{}", told[nth].text);
        assert_eq!(site.service.database().audited("mfa_passkey_cloned"), i64::try_from(nth).unwrap() + 1);
    }
    assert_eq!((rows(&site.service), site.service.database().sessions()), (before, sessions));
    assert_eq!(shown().await, passkey);
    site.lie_alone(&hers, |login| login.counter = 7).await.ok(200).expect("the true one goes on");
    // Whose counter stands at zero has none.
    let (_, without) = site.with_passkey("bob@example.com").await;
    for _ in 0..2 {
        site.signs_in(&without).await.ok(200).unwrap();
    }
    let (_, begun) = site.with_passkey("carol@example.com").await;
    site.lie_alone(&begun, |login| login.counter = 1).await.ok(200).unwrap();
    assert_invalid("back to none", &site.signs_in(&begun).await);
}
