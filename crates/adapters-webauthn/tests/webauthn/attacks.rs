//! The attacks.

use keystead_application::ports::{PasskeyError, PasskeyVerifier, UserVerification};
use keystead_domain::account::UserId;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::authenticator::{
    AT, BE, BS, ED, Key, Login, Registration, UP, UV, ada, assertion_answer, cbor_bytes, credential_id, login_of,
    passkey_of, register, registered, registered_with, registration_answer, registration_of, relying_party, sign_in,
};

const PREFERRED: UserVerification = UserVerification::Preferred;

#[track_caller]
fn refused_registration(what: &str, lie: impl FnOnce(&mut Registration)) {
    assert_eq!(register(PREFERRED, lie).0, Err(PasskeyError::Invalid), "{what}");
}

#[track_caller]
fn refused_login(what: &str, lie: impl FnOnce(&mut Login)) {
    assert_eq!(sign_in(&registered(), PREFERRED, lie), Err(PasskeyError::Invalid), "{what}");
}

#[test]
fn w01_a_challenge_of_another_ceremony() {
    let rp = relying_party();
    let other = rp.begin_assertion(&[], PREFERRED).unwrap().challenge;
    refused_login("another assertion's", |l| l.client_data["challenge"] = other.clone().into());
    refused_registration("an assertion's", |r| r.client_data["challenge"] = other.into());

    let registration = rp.begin_registration(&ada(), &[], PREFERRED).unwrap();
    let assertion = rp.begin_assertion(&[], PREFERRED).unwrap();
    let (passkey, key) = registered();
    for (challenge, state) in [
        (&registration.challenge, &registration.state),
        (&assertion.challenge, &registration.state),
        (&registration.challenge, &assertion.state),
    ] {
        let mut login = login_of(&assertion.options, &passkey);
        login.client_data["challenge"] = challenge.as_str().into();
        let answer = login.answer(&key).to_string();
        assert_eq!(rp.finish_assertion(&answer, state, &passkey), Err(PasskeyError::Invalid));
    }
    for (challenge, state) in [
        (&assertion.challenge, &assertion.state),
        (&registration.challenge, &assertion.state),
        (&assertion.challenge, &registration.state),
    ] {
        let mut answer = registration_of(&registration.options);
        answer.client_data["challenge"] = challenge.as_str().into();
        assert_eq!(rp.finish_registration(&answer.answer().to_string(), state), Err(PasskeyError::Invalid));
    }
}

#[test]
fn w02_another_origin() {
    for origin in [
        "http://example.com",
        "https://example.com:8443",
        "https://example.com:443",
        "https://sub.example.com",
        "https://com",
        "https://evilexample.com",
        "https://example.com.evil",
        "https://example.com.",
        "https://example.com/",
        "https://EXAMPLE.com",
        "https://evil@example.com",
        "example.com",
        "null",
        "",
    ] {
        refused_login(origin, |l| l.client_data["origin"] = origin.into());
        refused_registration(origin, |r| r.client_data["origin"] = origin.into());
    }
    for (member, value) in [
        ("origin", Value::Null),
        ("origin", json!(["https://example.com"])),
        ("crossOrigin", json!(true)),
        ("crossOrigin", json!("false")),
        ("topOrigin", json!("https://example.com")),
        ("topOrigin", json!("https://evil.example")),
        ("topOrigin", json!(false)),
    ] {
        refused_login(member, |l| l.client_data[member] = value.clone());
        refused_registration(member, |r| r.client_data[member] = value);
    }
    assert!(register(PREFERRED, |r| _ = r.client_data.as_object_mut().unwrap().remove("crossOrigin")).0.is_ok());
}

#[test]
fn w03_another_relying_party() {
    for rp_id in ["evilexample.com", "sub.example.com", "com", "https://example.com", ""] {
        refused_login(rp_id, |l| l.rp_id = rp_id.into());
        refused_registration(rp_id, |r| r.rp_id = rp_id.into());
    }
}

#[test]
fn w03_flags_that_may_not_be() {
    refused_login("nobody was present", |l| l.flags = UV | BE | BS);
    refused_login("backed up, but not eligible", |l| l.flags = UP | UV | BS);
    refused_login("no longer eligible", |l| l.flags = UP | UV);
    refused_registration("nobody was present", |r| r.flags = UV | BE | BS | AT);
    refused_registration("backed up, but not eligible", |r| r.flags = UP | UV | BS | AT);
    refused_registration("no credential", |r| r.flags = UP | UV);

    let bound = registered_with(|r| r.flags = UP | UV | AT);
    for flags in [UP | UV | BE, UP | UV | BE | BS, UP | UV | BS] {
        assert_eq!(sign_in(&bound, PREFERRED, |l| l.flags = flags), Err(PasskeyError::Invalid), "{flags:b}");
    }
    assert!(sign_in(&bound, PREFERRED, |l| l.flags = UP).is_ok());

    let required = UserVerification::Required;
    assert_eq!(register(required, |r| r.flags = UP | AT).0, Err(PasskeyError::Invalid));
    assert_eq!(sign_in(&registered(), required, |l| l.flags = UP | BE), Err(PasskeyError::Invalid));
}

#[test]
fn w04_another_type() {
    for kind in ["webauthn.create", "webauthn.Get", "payment.get", ""] {
        refused_login(kind, |l| l.client_data["type"] = kind.into());
    }
    for kind in ["webauthn.get", "webauthn.Create", ""] {
        refused_registration(kind, |r| r.client_data["type"] = kind.into());
    }
}

#[test]
fn w04_an_algorithm_that_was_not_offered() {
    refused_registration("ES384", |r| r.key = Key::es384());
    refused_registration("ES256 on another curve", |r| r.key = Key::es256_on_p384());
    refused_registration("EdDSA", |r| r.key = Key::ed25519());
    refused_registration("not on the curve", |r| {
        let last = r.key.cose.len() - 1;
        r.key.cose[last] ^= 1;
    });
    for format in ["tpm", "apple", "android-key", "android-safetynet", "compound", ""] {
        refused_registration(format, |r| r.format = format);
    }
    refused_registration("none with a statement", |r| r.statement = Some(vec![0xa1, 0x61, b'a', 0x00]));
}

#[test]
fn w04_a_signature_over_something_else_or_of_another_form() {
    let rp = relying_party();
    let (passkey, key) = registered();
    let ceremony = rp.begin_assertion(std::slice::from_ref(&passkey), PREFERRED).unwrap();
    let login = login_of(&ceremony.options, &passkey);
    let good = login.signature(&key);
    let finish = |data: &[u8], signature: &[u8]| {
        let answer = assertion_answer(&login.id, &login.client_data_json(), data, signature, None).to_string();
        rp.finish_assertion(&answer, &ceremony.state, &passkey)
    };
    let data = login.authenticator_data();
    let mut other = data.clone();
    other[36] ^= 1;
    assert_eq!(finish(&other, &good), Err(PasskeyError::Invalid), "the counter is signed");
    assert_eq!(finish(&data, &login.signature(&Key::es256())), Err(PasskeyError::Invalid), "another key");

    // ECDSA-Sig-Value: 30 length 02 length r 02 length s. A zero in front of r changes no number.
    let mut padded = good.clone();
    (padded[1], padded[3]) = (padded[1] + 1, padded[3] + 1);
    padded.insert(4, 0);
    for (signature, what) in [
        (padded, "a padded number"),
        ([&good[..], &[0]].concat(), "a byte behind"),
        (good[..good.len() - 1].to_vec(), "a byte missing"),
        (vec![], "nothing"),
        (vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00], "two zeros"),
    ] {
        assert_eq!(finish(&data, &signature), Err(PasskeyError::Invalid), "{what}");
    }
    assert!(finish(&data, &good).is_ok());
}

#[test]
fn w04_cbor_that_goes_on_or_does_not_say_where_it_ends() {
    refused_registration("behind the object", |r| r.behind_object = vec![0]);
    refused_registration("behind the key", |r| r.behind_key = vec![0]);
    refused_registration("behind the extensions", |r| (r.flags, r.behind_key) = (r.flags | ED, vec![0xa0, 0]));
    refused_registration("no extensions", |r| r.flags |= ED);
    refused_registration("a key of unknown length", |r| {
        r.key.cose[0] = 0xbf;
        r.key.cose.push(0xff);
    });
    refused_registration("a statement of unknown length", |r| r.statement = Some(vec![0xbf, 0xff]));
    refused_login("behind the data", |l| l.behind_data = vec![0]);
    refused_login("extensions of unknown length", |l| (l.flags, l.behind_data) = (l.flags | ED, vec![0xbf, 0xff]));
    let attested = [&[0; 16][..], &[0, 1, 9], &Key::es256().cose].concat();
    refused_login("a new credential", |l| (l.flags, l.behind_data) = (l.flags | AT, attested));
}

#[test]
fn w04_an_identifier_that_is_too_long() {
    let long = |length: usize| {
        register(PREFERRED, move |r| {
            r.attested_id = vec![5; length];
            r.id = vec![5; length];
        })
        .0
    };
    assert!(long(1).is_ok() && long(1023).is_ok());
    assert_eq!(long(1024), Err(PasskeyError::Invalid));
    assert_eq!(long(0), Err(PasskeyError::Invalid));
}

#[test]
fn w05_a_counter_that_does_not_go_up() {
    for (stored, new, expected) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (5, 6, Ok(6)),
        (5, u32::MAX, Ok(u32::MAX)),
        (5, 5, Err(PasskeyError::CounterWentBack)),
        (5, 4, Err(PasskeyError::CounterWentBack)),
        (5, 0, Err(PasskeyError::CounterWentBack)),
    ] {
        let passkey = registered_with(|r| r.counter = stored);
        let login = sign_in(&passkey, PREFERRED, |l| l.counter = new);
        assert_eq!(login.map(|a| a.counter), expected, "{new} after {stored}");
    }
    let passkey = registered_with(|r| r.counter = 5);
    let forged = sign_in(&passkey, PREFERRED, |l| (l.counter, l.rp_id) = (4, "evil.example".into()));
    assert_eq!(forged, Err(PasskeyError::Invalid), "a counter is worth nothing without a valid answer");
    let rp = relying_party();
    let ceremony = rp.begin_assertion(&[], PREFERRED).unwrap();
    let answer = login_of(&ceremony.options, &passkey.0).answer(&Key::es256()).to_string();
    assert_eq!(rp.finish_assertion(&answer, &ceremony.state, &passkey.0), Err(PasskeyError::Invalid), "nor without");
}

#[test]
fn w06_the_credential_of_somebody_else() {
    let rp = relying_party();
    let (ada, ada_key) = registered();
    let (mut bob, bob_key) = registered_with(|r| (r.id, r.attested_id) = (vec![2; 20], vec![2; 20]));
    bob.user_id = UserId::from_random([9; 16]);

    let for_ada = rp.begin_assertion(std::slice::from_ref(&ada), PREFERRED).unwrap();
    let by_bob = login_of(&for_ada.options, &bob).answer(&bob_key).to_string();
    assert_eq!(rp.finish_assertion(&by_bob, &for_ada.state, &bob), Err(PasskeyError::Invalid), "not among the allowed");
    assert_eq!(rp.finish_assertion(&by_bob, &for_ada.state, &ada), Err(PasskeyError::Invalid), "not the one given");

    let mut login = login_of(&for_ada.options, &ada);
    let by_ada = login.answer(&bob_key).to_string();
    assert_eq!(rp.finish_assertion(&by_ada, &for_ada.state, &ada), Err(PasskeyError::Invalid), "another key");
    login.user_handle = Some(bob.user_id.as_uuid().as_bytes().to_vec());
    let answer = login.answer(&ada_key).to_string();
    assert_eq!(rp.finish_assertion(&answer, &for_ada.state, &ada), Err(PasskeyError::Invalid), "another's handle");
    login.user_handle = Some(b"no identifier".to_vec());
    let answer = login.answer(&ada_key).to_string();
    assert_eq!(rp.finish_assertion(&answer, &for_ada.state, &ada), Err(PasskeyError::Invalid), "no handle of ours");
    for nobody in [None, Some(vec![])] {
        login.user_handle = nobody;
        let answer = login.answer(&ada_key).to_string();
        assert!(rp.finish_assertion(&answer, &for_ada.state, &ada).is_ok(), "who is named need not say so");
    }

    let for_anybody = rp.begin_assertion(&[], PREFERRED).unwrap();
    let mut login = login_of(&for_anybody.options, &ada);
    for handle in [None, Some(vec![]), Some(bob.user_id.as_uuid().as_bytes().to_vec())] {
        login.user_handle = handle;
        let answer = login.answer(&ada_key).to_string();
        assert_eq!(rp.finish_assertion(&answer, &for_anybody.state, &ada), Err(PasskeyError::Invalid));
    }
}

#[test]
fn w06_a_registration_of_a_credential_that_was_excluded_or_of_two_at_once() {
    let rp = relying_party();
    let ceremony = rp.begin_registration(&ada(), &[credential_id(b"here already")], PREFERRED).unwrap();
    let mut registration = registration_of(&ceremony.options);
    let finish = |r: &Registration| rp.finish_registration(&r.answer().to_string(), &ceremony.state);
    assert!(finish(&registration).is_ok());
    registration.id = b"here already".to_vec();
    assert_eq!(finish(&registration), Err(PasskeyError::Invalid), "the client and its authenticator disagree");
    registration.attested_id = b"here already".to_vec();
    assert_eq!(finish(&registration), Err(PasskeyError::Invalid), "excluded");
}

#[test]
fn a_key_that_is_damaged_in_the_database_opens_nothing() {
    let mut pair = registered();
    for damaged in [vec![], vec![0xa0], b"{}".to_vec(), Key::ed25519().cose, cbor_bytes(&pair.1.cose)] {
        pair.0.credential = damaged;
        assert_eq!(sign_in(&pair, PREFERRED, |_| ()), Err(PasskeyError::Invalid));
    }
    pair.0.credential.clone_from(&pair.1.cose);
    assert!(sign_in(&pair, PREFERRED, |_| ()).is_ok());
}

proptest! {
    #[test]
    fn no_bit_of_an_assertion_can_be_turned(part in 0..3usize, byte: prop::sample::Index, bit in 0..8u8) {
        let rp = relying_party();
        let (passkey, key) = registered();
        let ceremony = rp.begin_assertion(std::slice::from_ref(&passkey), PREFERRED).unwrap();
        let login = login_of(&ceremony.options, &passkey);
        let mut parts = [login.client_data_json(), login.authenticator_data(), login.signature(&key)];
        let byte = byte.index(parts[part].len());
        parts[part][byte] ^= 1 << bit;
        let [client_data, data, signature] = &parts;
        let answer = assertion_answer(&login.id, client_data, data, signature, None).to_string();
        prop_assert_eq!(rp.finish_assertion(&answer, &ceremony.state, &passkey), Err(PasskeyError::Invalid));
    }

    #[test]
    fn a_damaged_attestation_is_refused_or_makes_a_passkey_that_is_no_more_than_it_says(
        packed: bool, byte: prop::sample::Index, change: u8, cut: bool,
    ) {
        let rp = relying_party();
        let ceremony = rp.begin_registration(&ada(), &[], PREFERRED).unwrap();
        let mut registration = registration_of(&ceremony.options);
        if packed {
            (registration.format, registration.statement) = ("packed", None);
        }
        let good = registration.attestation_object();
        let at = byte.index(good.len());
        let mut object = good.clone();
        if cut {
            object.truncate(at);
        } else {
            object[at] ^= change;
        }
        let answer = registration_answer(&registration.id, &registration.client_data_json(), &object).to_string();
        let result = rp.finish_registration(&answer, &ceremony.state);
        let unchanged = object == good;
        // The statement of `packed` signs all that is said; `none` signs nothing, so make and counter may differ.
        prop_assert!(!packed || result.is_ok() == unchanged);
        if let Ok(registered) = result {
            prop_assert_eq!(registered.credential_id.as_bytes(), &registration.id[..]);
            let passkey = passkey_of(registered);
            prop_assert!(passkey.backup_eligible || !passkey.backed_up);
        }
    }
}
