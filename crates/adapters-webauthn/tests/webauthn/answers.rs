//! Reading answers before anything is checked.

use keystead_application::ports::{PasskeyVerifier, UserVerification};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::authenticator::{ada, base64url, login_of, registered, registration_of, relying_party};

fn registration() -> (Value, String) {
    let ceremony = relying_party().begin_registration(&ada(), &[], UserVerification::Preferred).unwrap();
    (registration_of(&ceremony.options).answer(), ceremony.challenge)
}

fn assertion() -> (Value, String) {
    let (passkey, key) = registered();
    let ceremony = relying_party().begin_assertion(&[], UserVerification::Preferred).unwrap();
    (login_of(&ceremony.options, &passkey).answer(&key), ceremony.challenge)
}

#[test]
fn an_answer_says_which_ceremony_and_which_credential_it_is_of() {
    for ((answer, challenge), handle) in [(registration(), None), (assertion(), Some(ada().id))] {
        let read = relying_party().read(&answer.to_string()).unwrap();
        assert_eq!((read.challenge, read.user_handle), (challenge, handle));
        assert_eq!(read.credential_id.as_bytes(), b"an authenticator's identifier");
    }
}

#[test]
fn members_clients_add_are_passed_over() {
    let (mut answer, _) = assertion();
    answer["tomorrow"] = json!({ "a": [1, 2.5, null] });
    answer["response"]["attestationObject"] = json!(null);
    answer["response"]["unsignedExtensionOutputs"] = json!("AAAA");
    assert!(relying_party().read(&answer.to_string()).is_some());
}

#[test]
fn what_is_not_of_the_form_is_not_read() {
    let rp = relying_party();
    let (good, challenge) = assertion();
    let bad = |change: &dyn Fn(&mut Value)| {
        let mut answer = good.clone();
        change(&mut answer);
        rp.read(&answer.to_string())
    };
    assert!(bad(&|_| ()).is_some());
    for member in ["id", "rawId", "type", "response"] {
        assert_eq!(bad(&|a| _ = a.as_object_mut().unwrap().remove(member)), None, "without {member}");
        assert_eq!(bad(&|a| a[member] = json!(7)), None, "{member} is a number");
    }
    assert_eq!(bad(&|a| a["type"] = json!("password")), None);
    assert_eq!(bad(&|a| a["id"] = json!("AAAA")), None, "id is not rawId");
    for id in ["", "AA==", "A", "AB", "+/==", "a b"] {
        assert_eq!(bad(&|a| (a["id"], a["rawId"]) = (json!(id), json!(id))), None, "{id:?} is no base64url");
    }
    let long = base64url(&[0; 1024]);
    assert_eq!(bad(&|a| (a["id"], a["rawId"]) = (json!(long), json!(long))), None);
    assert_eq!(bad(&|a| a["response"]["userHandle"] = json!("AAAA")), None, "no identifier of ours");
    for data in [
        json!({ "type": "webauthn.get", "challenge": "AAAA", "origin": "https://example.com" }),
        json!({ "type": "webauthn.get", "challenge": format!("{challenge}="), "origin": "https://example.com" }),
        json!({ "type": "webauthn.get", "origin": "https://example.com" }),
        json!([]),
    ] {
        assert_eq!(bad(&|a| a["response"]["clientDataJSON"] = json!(base64url(data.to_string().as_bytes()))), None);
    }
    let twice = good.to_string().replacen("{\"", "{\"id\":\"AAAA\",\"", 1);
    assert!(serde_json::from_str::<Value>(&twice).is_ok());
    assert_eq!(rp.read(&twice), None, "which of two identifiers is meant?");
}

#[test]
fn an_answer_has_at_most_64_kibibytes() {
    let rp = relying_party();
    let (good, _) = assertion();
    let of_length = |length: usize| {
        let mut answer = good.clone();
        answer["padding"] = json!("");
        let missing = length - answer.to_string().len();
        answer["padding"] = json!("x".repeat(missing));
        answer.to_string()
    };
    assert!(rp.read(&of_length(65_536)).is_some());
    assert!(rp.read(&of_length(65_537)).is_none());
}

#[test]
fn makes_have_names() {
    let rp = relying_party();
    for (aaguid, name) in [
        ("ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4", Some("Google Password Manager")),
        ("fbfc3007-154e-4ecc-8c0b-6e020557d7bd", Some("iCloud Keychain")),
        ("08987058-cadc-4b81-b6e1-30de50dcbe96", Some("Windows Hello")),
        ("00000000-0000-0000-0000-000000000000", None),
        ("12345678-1234-4123-8123-123456789abc", None),
    ] {
        assert_eq!(rp.vendor(Uuid::try_parse(aaguid).unwrap()), name);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_fail_otherwise(text in ".{0,200}", cut: prop::sample::Index) {
        let rp = relying_party();
        let _ = rp.read(&text);
        let (good, _) = assertion();
        let good = good.to_string();
        prop_assert!(rp.read(&good[..cut.index(good.len())]).is_none());
    }
}
