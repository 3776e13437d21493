//! W07: which formats of attestation and which algorithms are taken, over HTTP. The vectors of WebAuthn Level 3 section 16
//! themselves are `w07` of `crates/adapters-webauthn/tests`: their challenges are not this service's.

use super::software::{Key, Registration};
use super::{Site, assert_not_registered};
use crate::attacks::support::Digest;

/// What a lie is called, and the lie.
type Lie = (&'static str, fn(&mut Registration));

#[tokio::test]
async fn w07_formats_and_algorithms_are_taken_or_refused_as_documented() {
    let site = Site::start().await;
    let taken: [Lie; 4] = [
        ("none, ES256", |_| ()),
        ("none, RS256", |new| new.key = Key::rs256()),
        ("packed, by itself", |new| (new.format, new.statement) = ("packed", None)),
        ("an identifier of 1,023 bytes", |new| (new.attested_id, new.id) = (vec![5; 1023], vec![5; 1023])),
    ];
    for (nth, (what, lie)) in taken.into_iter().enumerate() {
        let (_, held) = site.with_passkey_that(&format!("taken-{nth}@example.com"), lie).await;
        let reply = site.signs_in(&held).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text);
    }

    let ada = site.service.registered("ada@example.com").await;
    let before = Digest::without(&site.service, &["ceremonies", "guess_budgets"]).await;
    for format in ["tpm", "android-key", "android-safetynet", "apple", "compound", "NONE", ""] {
        assert_not_registered(format, &site.lie_registering(&ada, |new| new.format = format).await);
    }
    let refused: [Lie; 8] = [
        ("ES384", |new| new.key = Key::es384()),
        ("ES384, packed", |new| (new.key, new.format, new.statement) = (Key::es384(), "packed", None)),
        ("Ed25519", |new| new.key = Key::ed25519()),
        ("Ed25519, packed", |new| (new.key, new.format, new.statement) = (Key::ed25519(), "packed", None)),
        ("none with a statement", |new| new.statement = Some(vec![0xa1, 0x61, b'a', 0x00])),
        ("packed without one", |new| (new.format, new.statement) = ("packed", Some(vec![0xa0]))),
        ("fido-u2f without one", |new| new.format = "fido-u2f"),
        ("across origins", |new| new.client_data["crossOrigin"] = true.into()),
    ];
    for (what, lie) in refused {
        assert_not_registered(what, &site.lie_registering(&ada, lie).await);
    }
    before.is_still_that_of(&site.service).await;
}
