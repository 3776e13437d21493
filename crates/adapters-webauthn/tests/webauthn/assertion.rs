//! The two ceremonies with an authenticator and a client that keep to the rules.

use keystead_application::ports::{PasskeyError, PasskeyVerifier, UserVerification};

use crate::authenticator::{
    AT, BE, BS, ED, Key, ORIGIN, UP, UV, aaguid, ada, login_of, register, registered, registered_with, relying_party,
    sign_in,
};

#[test]
fn a_passkey_is_registered_with_what_its_authenticator_says() {
    let (registered, key) = register(UserVerification::Required, |r| {
        r.counter = 7;
        r.aaguid = [3; 16];
    });
    let registered = registered.unwrap();
    assert_eq!(registered.credential_id.as_bytes(), b"an authenticator's identifier");
    assert_eq!(registered.credential, key.cose, "the key is kept as the authenticator wrote it");
    assert_eq!((registered.counter, registered.aaguid), (7, aaguid([3; 16])));
    assert!(registered.backup_eligible && registered.backed_up && registered.user_verified);

    let (bound, _) = register(UserVerification::Preferred, |r| r.flags = UP | AT);
    let bound = bound.unwrap();
    assert!(!bound.backup_eligible && !bound.backed_up && !bound.user_verified);
}

#[test]
fn every_algorithm_offered_signs_in() {
    for (name, key) in [("ES256", Key::es256 as fn() -> Key), ("RS256", Key::rs256)] {
        let passkey = registered_with(|r| r.key = key());
        let assertion = sign_in(&passkey, UserVerification::Required, |_| ()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(assertion.credential_id, passkey.0.credential_id);
        assert_eq!(assertion.credential, passkey.0.credential);
        assert!(assertion.user_verified && assertion.backed_up);
    }
}

#[test]
fn a_discoverable_credential_signs_in_without_being_named() {
    let rp = relying_party();
    let (passkey, key) = registered();
    let ceremony = rp.begin_assertion(&[], UserVerification::Required).unwrap();
    let answer = login_of(&ceremony.options, &passkey).answer(&key).to_string();
    let read = rp.read(&answer).unwrap();
    assert_eq!((read.challenge, read.user_handle), (ceremony.challenge, Some(ada().id)));
    assert_eq!(read.credential_id, passkey.credential_id);
    assert!(rp.finish_assertion(&answer, &ceremony.state, &passkey).is_ok());
}

#[test]
fn the_ceremony_decides_how_much_is_demanded_not_the_registration() {
    let passkey = registered();
    assert!(passkey.0.user_verified);
    for (verification, expected) in [
        (UserVerification::Required, Err(PasskeyError::Invalid)),
        (UserVerification::Preferred, Ok(false)),
        (UserVerification::Discouraged, Ok(false)),
    ] {
        let unverified = sign_in(&passkey, verification, |l| l.flags = UP | BE | BS);
        assert_eq!(unverified.map(|a| a.user_verified), expected, "{verification:?}");
    }
    for verification in [UserVerification::Required, UserVerification::Preferred, UserVerification::Discouraged] {
        assert!(sign_in(&passkey, verification, |_| ()).unwrap().user_verified);
    }
}

#[test]
fn a_backup_is_seen_to_come_and_go() {
    let passkey = registered_with(|r| r.flags = UP | UV | BE | AT);
    assert!(!passkey.0.backed_up);
    assert!(sign_in(&passkey, UserVerification::Preferred, |l| l.flags = UP | BE | BS).unwrap().backed_up);
    assert!(!sign_in(&passkey, UserVerification::Preferred, |l| l.flags = UP | BE).unwrap().backed_up);
}

#[test]
fn extensions_nobody_asked_for_are_passed_over() {
    let map = b"\xa1\x6bcredProtect\x02".to_vec();
    let passkey = registered_with(|r| (r.flags, r.behind_key) = (r.flags | ED, map.clone()));
    let login = sign_in(&passkey, UserVerification::Preferred, |l| {
        (l.flags, l.behind_data) = (l.flags | ED, b"\xa1\x63uvm\xf5".to_vec());
    });
    assert!(login.is_ok());
}

#[test]
fn self_attestation_is_taken_when_its_signature_is_right() {
    let packed = |lie: fn(&mut crate::authenticator::Registration)| {
        register(UserVerification::Preferred, |r| {
            (r.format, r.statement) = ("packed", None);
            lie(r);
        })
        .0
    };
    assert!(packed(|_| ()).is_ok());
    let other = packed(|r| {
        let signature = Key::es256().sign(b"something else");
        r.statement =
            Some([&[0xa2, 0x63][..], b"alg\x26\x63sig", &crate::authenticator::cbor_bytes(&signature)].concat());
    });
    assert_eq!(other, Err(PasskeyError::Invalid));
}

#[test]
fn there_may_be_several_origins() {
    let origins = [ORIGIN, "https://id.example.com:8443"].map(|origin| origin.parse().unwrap());
    let rp = keystead_adapters_webauthn::WebAuthn::try_new("example.com", "Example", &origins).unwrap();
    let (passkey, key) = registered();
    for (origin, accepted) in [
        (ORIGIN, true),
        ("https://id.example.com:8443", true),
        ("https://id.example.com", false),
        ("https://example.com:8443", false),
    ] {
        let ceremony = rp.begin_assertion(&[], UserVerification::Preferred).unwrap();
        let mut login = login_of(&ceremony.options, &passkey);
        login.client_data["origin"] = origin.into();
        let answer = login.answer(&key).to_string();
        assert_eq!(rp.finish_assertion(&answer, &ceremony.state, &passkey).is_ok(), accepted, "{origin}");
    }
}
