//! What goes over the wire: neither the password nor what scrypt made of it, in no form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::browser::Page;
use super::person::Scene;
use super::program::{Program, hex};

const EMAIL: &str = "ada@example.com";
/// As typed: decomposed. What is stretched is composed.
const TYPED: &str = "A\u{30a}ngstro\u{308}m & \u{2126}mega \"17\"";
const COMPOSED: &str = "\u{c5}ngstr\u{f6}m & \u{3a9}mega \"17\"";

#[tokio::test]
async fn s06_neither_a_password_nor_what_scrypt_made_of_it_is_sent() {
    let scene = Scene::start().await;
    let (page, node, python) = (Page::open(&scene).await, Program::node(), Program::python());
    let registration = json!({ "email": EMAIL, "password": TYPED, "client": "native" });
    let tokens = page.call("register", json!([registration])).await.ok();
    let ada = scene.verify(EMAIL, &tokens).await;
    let login = json!({ "identity": EMAIL, "password": TYPED });
    page.call("login", json!([login])).await.ok();
    let wrong = scene.options(json!({ "identity": EMAIL, "password": format!("{TYPED}!") }));
    node.call("login", json!([wrong])).await.refused();
    let login = scene.options(json!({ "identity": EMAIL, "password": TYPED, "deviceToken": ada.device }));
    node.call("login", json!([login])).await.ok();

    let challenge = challenge(&scene).await;
    let derived = python.call("stretched", json!([COMPOSED, challenge])).await.ok();
    let derived = derived.as_str().unwrap();
    let captured = scene.between.captured();
    // What must be there is found: so the search can find.
    for (name, sent) in
        [("a salt", challenge["srpSalt"].as_str().unwrap()), ("an address", EMAIL), ("a proof", "\"clientProof\":\"")]
    {
        assert!(contains(&captured, sent.as_bytes()), "{name} was not captured");
    }
    for secret in secrets(derived) {
        assert!(!contains(&captured, &secret), "sent: {}", String::from_utf8_lossy(&secret));
    }
}

/// A challenge of the account, asked for by somebody else, for its salts.
async fn challenge(scene: &Scene) -> Value {
    let wish = json!({ "identity": EMAIL });
    let challenge = scene.api().post("/api/v1/auth/srp/challenge", &wish).await.expect(200);
    challenge.json()["data"]["attributes"].clone()
}

/// The password and P, in the forms they could be sent in.
fn secrets(derived: &str) -> Vec<Vec<u8>> {
    let key: Vec<u8> =
        (0..derived.len()).step_by(2).map(|at| u8::from_str_radix(&derived[at..at + 2], 16).unwrap()).collect();
    let texts = [TYPED, COMPOSED].map(|text| text.as_bytes().to_vec());
    let mut secrets = Vec::new();
    for bytes in texts.into_iter().chain([key, derived.as_bytes().to_vec()]) {
        let escaped = serde_json::to_string(&String::from_utf8_lossy(&bytes)).unwrap();
        let percent = bytes.iter().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
        secrets.extend([
            hex(&bytes).into_bytes(),
            hex(&bytes).to_uppercase().into_bytes(),
            STANDARD_NO_PAD.encode(&bytes).into_bytes(),
            URL_SAFE_NO_PAD.encode(&bytes).into_bytes(),
            escaped.trim_matches('"').as_bytes().to_vec(),
            percent.into_bytes(),
            bytes,
        ]);
    }
    // Parts, in whatever encoding letters stay as they are.
    secrets.extend(["mega", "ngstr"].map(|part| part.as_bytes().to_vec()));
    secrets
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
