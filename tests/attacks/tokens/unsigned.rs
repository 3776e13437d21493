//! J01 and J02: signatures that are none, and the public key taken for a secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::jws::{HS256, HS384, HS512, JwsSigner as _};
use serde_json::json;

use super::{Target, opened, token, with};

#[tokio::test]
async fn j01_tokens_that_say_they_need_no_signature() {
    let target = Target::start().await;
    let (header, claims, signature) = opened(&target.boss.access);
    for alg in ["none", "None", "nOnE", "NONE", "", "EdDSA"] {
        let header = with(header.clone(), "alg", json!(alg));
        let unsigned = token(&header, &claims, |_| Vec::new());
        target.refuses(&format!("{alg:?}, the last dot there"), &unsigned).await;
        target.refuses(&format!("{alg:?}, no last dot"), unsigned.trim_end_matches('.')).await;
        if alg != "EdDSA" {
            let signed = token(&header, &claims, |_| signature.clone());
            target.refuses(&format!("{alg:?}, somebody's signature"), &signed).await;
        }
    }
    target.is_unharmed().await;
}

#[tokio::test]
async fn j02_the_public_key_is_no_secret_of_an_hmac() {
    let target = Target::start().await;
    let (header, claims, _) = opened(&target.boss.access);
    let published = target.service.api().get("/.well-known/jwks.json").await.ok(200).unwrap();
    let jwk = published.json()["keys"][0].clone();
    let raw = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    // RFC 8410 section 4: the prefix of an Ed25519 SubjectPublicKeyInfo.
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let forms = [
        ("the 32 bytes", raw),
        ("DER", der),
        ("PEM", pem.clone().into_bytes()),
        ("PEM without its last line end", pem.trim_end().as_bytes().to_vec()),
        ("the JWK", jwk.to_string().into_bytes()),
        ("the key set", published.text.into_bytes()),
        ("x as it is written", jwk["x"].as_str().unwrap().as_bytes().to_vec()),
    ];
    for (form, key) in forms {
        for hmac in [HS256, HS384, HS512] {
            // A key shorter than a block is filled up with zeros anyway (RFC 2104); josekit asks for 64 bytes.
            let mut key = key.clone();
            key.resize(key.len().max(64), 0);
            let signer = hmac.signer_from_bytes(&key).unwrap();
            // Under its own name, and under the name of the one algorithm there is.
            for alg in [signer.algorithm().name(), "EdDSA"] {
                let header = with(header.clone(), "alg", json!(alg));
                let forged = token(&header, &claims, |input| signer.sign(input).unwrap());
                target.refuses(&format!("{form} as a key of {alg}"), &forged).await;
            }
        }
    }
    target.is_unharmed().await;
}
