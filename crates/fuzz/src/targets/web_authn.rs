//! Passkeys: answers of clients as JSON, and what authenticators wrote into them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_adapters_webauthn::WebAuthn;
use keystead_application::ports::{PasskeyCeremony, PasskeyUser, PasskeyVerifier as _, UserVerification};
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::factor::{CredentialId, Passkey, PasskeyId, PasskeyName};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::input::{edited, text};
use crate::world::base64url;

/// WebAuthn Level 3 section 16.1, "ES256 with no attestation": challenges, credential and what it signed.
const REGISTERED: &str = "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130";
const ASSERTED: &str = "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408";
const CREDENTIAL: &str = "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4";
const PUBLIC_KEY: &str = "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820\
                          930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
const DATA: &str = "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000";
const SIGNATURE: &str = "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b\
                         93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87";

/// The relying party of the vectors, and ceremonies whose challenges are theirs.
struct Site {
    relying_party: WebAuthn,
    registration: Vec<u8>,
    /// One more, with another challenge.
    other_registration: Vec<u8>,
    assertion: Vec<u8>,
    other_assertion: Vec<u8>,
    passkey: Passkey,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let origin: Url = "https://example.org".parse().expect("an address");
    let relying_party = WebAuthn::try_new("example.org", "Example", &[origin]).expect("a relying party");
    let passkey = Passkey {
        id: PasskeyId::from_random([1; 16]),
        user_id: UserId::from_random([7; 16]),
        credential_id: CredentialId::new(hex(CREDENTIAL)).expect("an identifier"),
        name: PasskeyName::try_new("Ada's phone").expect("a name"),
        credential: hex(PUBLIC_KEY),
        counter: 0,
        aaguid: Uuid::nil(),
        backup_eligible: true,
        backed_up: true,
        user_verified: false,
        created_at: Timestamp::from_micros(0),
        last_used_at: None,
    };
    let user = PasskeyUser { id: passkey.user_id, name: "ada@example.com".to_owned(), display_name: String::new() };
    let registration =
        || relying_party.begin_registration(&user, &[], UserVerification::Preferred).expect("a ceremony");
    let asked = std::slice::from_ref(&passkey);
    let assertion = || relying_party.begin_assertion(asked, UserVerification::Preferred).expect("a ceremony");
    let (first, second) = (registration(), registration());
    let (third, fourth) = (assertion(), assertion());
    Site {
        registration: with_challenge(&first, &hex(REGISTERED)),
        other_registration: with_challenge(&second, &[1; 32]),
        assertion: with_challenge(&third, &hex(ASSERTED)),
        other_assertion: with_challenge(&fourth, &[2; 32]),
        passkey: passkey.clone(),
        relying_party,
    }
});

/// The state of a ceremony with the challenge of a vector: it is part of the state as a text.
fn with_challenge(ceremony: &PasskeyCeremony, challenge: &[u8]) -> Vec<u8> {
    let state = text(&ceremony.state).expect("the state is JSON");
    state.replace(&ceremony.challenge, &base64url(challenge)).into_bytes()
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal digits")
}

fn client_data(kind: &str, challenge: &str) -> String {
    let challenge = base64url(&hex(challenge));
    // The member behind `crossOrigin` is the vector's own.
    let extra = if kind == "create" { "" } else { r#","crossOrigin":false"# };
    format!(r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"https://example.org"{extra}}}"#)
}

/// `webauthn_answer`: an answer as a client sends it, to whichever ceremony.
pub(super) fn answer(bytes: &[u8]) {
    let Some(json) = text(bytes) else { return };
    let site = &*SITE;
    if let Some(read) = site.relying_party.read(json) {
        assert!((1..=1023).contains(&read.credential_id.as_bytes().len()));
        let challenge = URL_SAFE_NO_PAD.decode(&read.challenge);
        assert_eq!(challenge.map(|challenge| challenge.len()), Ok(32), "a challenge is 32 bytes in one spelling");
    }
    if let Ok(registered) = site.relying_party.finish_registration(json, &site.registration) {
        assert!((1..=1023).contains(&registered.credential_id.as_bytes().len()));
        assert!(site.relying_party.finish_registration(json, &site.other_registration).is_err(), "another challenge");
        assert!(site.relying_party.finish_registration(json, &site.assertion).is_err(), "another ceremony");
    }
    if site.relying_party.finish_assertion(json, &site.assertion, &site.passkey).is_ok() {
        let again = |state| site.relying_party.finish_assertion(json, state, &site.passkey);
        assert!(again(&site.other_assertion).is_err(), "another challenge");
        assert!(again(&site.registration).is_err(), "another ceremony");
        let passkey = Passkey { user_id: UserId::from_random([8; 16]), ..site.passkey.clone() };
        let read = site.relying_party.read(json).expect("what was accepted can be read");
        let theirs = site.relying_party.finish_assertion(json, &site.assertion, &passkey);
        assert!(read.user_handle.is_none() || theirs.is_err(), "somebody else's");
    }
}

fn registration_answer(id: &[u8], object: &[u8]) -> String {
    let response = json!({
        "clientDataJSON": base64url(client_data("create", REGISTERED).as_bytes()),
        "attestationObject": base64url(object),
    });
    json!({"id": base64url(id), "rawId": base64url(id), "type": "public-key", "response": response}).to_string()
}

/// `webauthn_attestation`: an attestation object (WebAuthn Level 3 section 6.5.4) in a right answer to a right ceremony.
pub(super) fn attestation(object: &[u8]) {
    let site = &*SITE;
    let register = |object: &[u8]| {
        // The identifier is said twice; the object's own is what a client would say beside it.
        let id = attested_id(object).unwrap_or_else(|| hex(CREDENTIAL));
        site.relying_party.finish_registration(&registration_answer(&id, object), &site.registration).ok()
    };
    let Some(registered) = register(object) else { return };
    assert!((1..=1023).contains(&registered.credential_id.as_bytes().len()));
    assert!(registered.backup_eligible || !registered.backed_up, "flags that are possible together");
    for behind in [0x00, 0xa0, 0xff] {
        assert!(register(&[object, &[behind]].concat()).is_none(), "bytes behind the end");
    }
    for length in [object.len() - 1, object.len() / 2] {
        assert!(register(object.get(..length).unwrap_or_default()).is_none(), "a part of it");
    }
    // The key that is kept can be used: a wrong signature is refused, nothing breaks.
    let passkey = Passkey {
        credential_id: registered.credential_id,
        credential: registered.credential,
        backup_eligible: registered.backup_eligible,
        ..site.passkey.clone()
    };
    let answer = assertion_answer(passkey.credential_id.as_bytes(), &hex(DATA), &hex(SIGNATURE));
    let _ = site.relying_party.finish_assertion(&answer, &site.assertion, &passkey);
}

/// The identifier in an attestation object, where a lenient reader finds it: 55 bytes into the authenticator data.
fn attested_id(object: &[u8]) -> Option<Vec<u8>> {
    let name = b"authData";
    let at = object.windows(name.len()).position(|window| window == name)? + name.len();
    let skipped = match object.get(at)? {
        0x58 => 2,
        0x59 => 3,
        _ => 1,
    };
    let data = object.get(at + skipped..)?;
    let length = data.get(53..55)?;
    let [high, low] = *length else { return None };
    data.get(55..55 + usize::from(u16::from_be_bytes([high, low]))).map(<[u8]>::to_vec)
}

fn assertion_answer(id: &[u8], data: &[u8], signature: &[u8]) -> String {
    let response = json!({
        "clientDataJSON": base64url(client_data("get", ASSERTED).as_bytes()),
        "authenticatorData": base64url(data),
        "signature": base64url(signature),
    });
    json!({"id": base64url(id), "rawId": base64url(id), "type": "public-key", "response": response}).to_string()
}

/// `webauthn_assertion`: authenticator data, the last 72 bytes a signature; or `~` and changes to genuine data.
pub(super) fn assertion(bytes: &[u8]) {
    let site = &*SITE;
    let (genuine, signed) = (hex(DATA), hex(SIGNATURE));
    let (data, signature) = match bytes {
        [b'~', edits @ ..] => (edited(&genuine, edits), signed),
        bytes => {
            let (data, signature) = bytes.split_at(bytes.len().saturating_sub(signed.len()));
            (data.to_vec(), signature.to_vec())
        }
    };
    let answer = assertion_answer(&hex(CREDENTIAL), &data, &signature);
    let taken = site.relying_party.finish_assertion(&answer, &site.assertion, &site.passkey);
    assert_eq!(taken.is_ok(), data == genuine && is_genuine(&signature), "data nobody signed");
}

/// Whether the signature is the vector's: nobody makes another one without the key.
fn is_genuine(signature: &[u8]) -> bool {
    *signature == hex(SIGNATURE)
}
