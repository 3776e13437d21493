//! What clients are given: JSON forms of WebAuthn Level 3 sections 5.1.9 and 5.1.10.

use keystead_application::ports::{PasskeyUser, PasskeyVerifier, UserVerification};
use serde_json::{Value, json};

use crate::authenticator::{ada, base64url, credential_id, registered, relying_party};

#[test]
fn creation_options_are_those_parse_creation_options_from_json_reads() {
    let rp = relying_party();
    let existing = [credential_id(&[0xff, 0xfe, 0xfd, 0xfc]), credential_id(b"two")];
    let ceremony = rp.begin_registration(&ada(), &existing, UserVerification::Required).unwrap();
    let options: Value = serde_json::from_str(&ceremony.options).unwrap();
    assert_eq!(
        options,
        json!({
            "rp": { "id": "example.com", "name": "Example" },
            "user": {
                "id": base64url(ada().id.as_uuid().as_bytes()),
                "name": "ada@example.com",
                "displayName": "Ada Lovelace",
            },
            "challenge": ceremony.challenge,
            "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
            "timeout": 300_000,
            "excludeCredentials": [{ "type": "public-key", "id": "__79_A" }, { "type": "public-key", "id": "dHdv" }],
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": false,
                "userVerification": "required",
            },
            "attestation": "none",
        })
    );
}

#[test]
fn request_options_are_those_parse_request_options_from_json_reads() {
    let rp = relying_party();
    let (passkey, _) = registered();
    let ceremony = rp.begin_assertion(std::slice::from_ref(&passkey), UserVerification::Discouraged).unwrap();
    let options: Value = serde_json::from_str(&ceremony.options).unwrap();
    let id = base64url(passkey.credential_id.as_bytes());
    assert_eq!(
        options,
        json!({
            "challenge": ceremony.challenge,
            "timeout": 300_000,
            "rpId": "example.com",
            "allowCredentials": [{ "type": "public-key", "id": id }],
            "userVerification": "discouraged",
        })
    );
    let ceremony = rp.begin_assertion(&[], UserVerification::Preferred).unwrap();
    let options: Value = serde_json::from_str(&ceremony.options).unwrap();
    assert_eq!((&options["allowCredentials"], &options["userVerification"]), (&json!([]), &json!("preferred")));
}

#[test]
fn every_ceremony_has_a_challenge_of_32_bytes_of_its_own() {
    let rp = relying_party();
    let registration = || rp.begin_registration(&ada(), &[], UserVerification::Preferred).unwrap().challenge;
    let assertion = || rp.begin_assertion(&[], UserVerification::Preferred).unwrap().challenge;
    let challenges = [registration(), registration(), assertion(), assertion()];
    for (index, challenge) in challenges.iter().enumerate() {
        assert_eq!(challenge.len(), 43, "32 bytes are 43 letters");
        assert!(!challenges[..index].contains(challenge));
    }
}

#[test]
fn who_has_no_other_name_is_shown_the_accounts() {
    let user = PasskeyUser { display_name: String::new(), ..ada() };
    let ceremony = relying_party().begin_registration(&user, &[], UserVerification::Preferred).unwrap();
    let options: Value = serde_json::from_str(&ceremony.options).unwrap();
    assert_eq!(options["user"]["displayName"], "ada@example.com");
}

#[test]
fn decoys_are_allowed_as_passkeys_are() {
    let rp = relying_party();
    let (passkey, _) = registered();
    let mut decoy = passkey.clone();
    decoy.credential_id = rp.decoy_credential(&[1; 32]);
    decoy.credential = vec![];
    let entry = |passkey| {
        let ceremony = rp.begin_assertion(std::slice::from_ref(passkey), UserVerification::Preferred).unwrap();
        serde_json::from_str::<Value>(&ceremony.options).unwrap()["allowCredentials"][0].clone()
    };
    let names = |entry: &Value| entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&entry(&decoy)), names(&entry(&passkey)));
    assert_eq!(entry(&decoy)["id"], base64url(decoy.credential_id.as_bytes()));
}

#[test]
fn decoys_are_a_function_of_the_seed_with_lengths_authenticators_have() {
    let rp = relying_party();
    let decoys: Vec<_> = (0..=255).map(|byte| rp.decoy_credential(&[byte; 32])).collect();
    let again: Vec<_> = (0..=255).map(|byte| rp.decoy_credential(&[byte; 32])).collect();
    assert_eq!(decoys, again);
    let mut different: Vec<_> = decoys.iter().map(|decoy| &decoy.as_bytes()[..16]).collect();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 256);
    for length in [16, 20, 32] {
        let count = decoys.iter().filter(|decoy| decoy.as_bytes().len() == length).count();
        assert!((50..=120).contains(&count), "{count} of 256 have {length} bytes");
    }
}
