//! Access tokens in other people's hands: what an outside library sees and checks with the published keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::JwkSet;
use josekit::jws::EdDSA;
use josekit::jwt::{self, JwtPayload};
use sha2::{Digest as _, Sha256};

use crate::support::{Api, PASSWORD, Service};

/// The key set of a service, or of one replica.
pub async fn published(at: &Api) -> JwkSet {
    let reply = at.get("/.well-known/jwks.json").await.ok(200).unwrap();
    JwkSet::from_bytes(reply.text.as_bytes()).unwrap()
}

/// Checks a token as a service does that knows nothing but the key set.
pub fn check(keys: &JwkSet, token: &str) -> Result<(String, JwtPayload), JoseError> {
    let header = jwt::decode_header(token)?;
    let kid = header.claim("kid").and_then(|kid| kid.as_str()).unwrap().to_owned();
    let key = keys.get(&kid).into_iter().next().expect("the key is published").clone();
    let (payload, header) = jwt::decode_with_verifier(token, &EdDSA.verifier_from_jwk(&key)?)?;
    Ok((header.token_type().unwrap().to_owned(), payload))
}

#[tokio::test]
async fn an_outside_library_verifies_an_access_token() {
    let service = Service::start().await;
    let keys = published(service.api()).await;
    let ada = service.registered("ada@example.com").await;
    let (kind, claims) = check(&keys, &ada.access).unwrap();
    assert_eq!(kind, "at+jwt");
    assert_eq!(claims.issuer(), Some("http://127.0.0.1"), "without the port, which changes with every start");
    assert_eq!(claims.jwt_id(), Some(ada.token_id.as_str()));
    let life = claims.expires_at().unwrap().duration_since(claims.issued_at().unwrap()).unwrap();
    assert_eq!(life.as_secs(), 20 * 60);
    let text = |name: &str| claims.claim(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    assert_eq!(text("sid"), ada.session_id());
    assert_eq!((text("role"), text("state")), ("user".into(), "authorized".into()));
    assert_eq!(text("fgp"), URL_SAFE_NO_PAD.encode(Sha256::digest(ada.client_id.as_bytes())));
    let seen = ada.verify().await.unwrap();
    assert_eq!(claims.subject(), seen["sub"].as_str());
    assert!(!claims.to_string().contains("ada@"), "no address in a token");
}

#[tokio::test]
async fn a_changed_or_foreign_token_is_refused_inside_and_outside() {
    let (service, other) = (Service::start().await, Service::start().await);
    let (keys, ada) = (published(service.api()).await, service.registered("ada@example.com").await);
    let bob = other.registered("bob@example.com").await;
    let [header, payload, signature] = ada.access.split('.').collect::<Vec<_>>()[..] else { panic!("{}", ada.access) };
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let raised = URL_SAFE_NO_PAD.encode(claims.replace("\"user\"", "\"admin\""));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let changed = format!("{header}.{raised}.{signature}");
    assert!(check(&keys, &changed).is_err());
    for token in [changed, format!("{none}.{payload}."), format!("{none}.{payload}.{signature}"), bob.access.clone()] {
        let call = ada.call_without_token(reqwest::Method::POST, "/auth/token/verify").bearer(&token);
        assert_eq!(call.send().await.refusal(), crate::support::refusal(401, "TOKEN_INVALID"));
    }
}

#[tokio::test]
async fn half_way_tokens_are_of_another_kind_and_key() {
    let service = Service::start().await;
    let half_way = service.native().register("ada@example.com", PASSWORD).await.unwrap();
    let header = jwt::decode_header(&half_way.token).unwrap();
    assert_eq!(header.claim("typ").and_then(|kind| kind.as_str()), Some("pre+jwt"));
    let kid = header.claim("kid").and_then(|kid| kid.as_str()).unwrap();
    assert!(published(service.api()).await.get(kid).is_empty(), "nobody outside can take it for anything");
}
