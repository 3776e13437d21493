//! J01 to J12: tokens nobody issued, or not for this.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::{HS256, HS384, HS512, JwsSigner};
use serde_json::{Value, json};

use super::Target;
use crate::process::api::PASSWORD;
use crate::process::site::Site;

/// Where an access token is asked for.
const ROUTES: [(&str, &str); 2] = [("GET", "/api/v1/users/me"), ("POST", "/api/v1/auth/token/verify")];

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A token of this header and these claims, signed by `sign`.
fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Header, claims and signature of a token.
fn opened(token: &str) -> (Value, Value, Vec<u8>) {
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap(), parts[2].clone())
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

impl Target {
    /// No route takes this token.
    async fn refuses_token(&self, attack: &str, token: &str) {
        for (method, path) in ROUTES {
            let answer = self.api.send_with(token, &self.ada.client_id, method, path, None).await;
            self.refused(attack, &answer, 401, "TOKEN_INVALID");
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{attack}");
        }
    }
}

#[tokio::test]
async fn j01_j02_unsigned_tokens_and_tokens_signed_with_the_public_key() {
    let target = Target::start().await;
    let (header, claims, signature) = opened(&target.ada.access);
    for alg in ["none", "None", "nOnE", "NONE", ""] {
        let unsigned = token(&with(header.clone(), "alg", json!(alg)), &claims, |_| Vec::new());
        target.refuses_token(alg, &unsigned).await;
        target.refuses_token(alg, unsigned.trim_end_matches('.')).await;
        target
            .refuses_token(alg, &token(&with(header.clone(), "alg", json!(alg)), &claims, |_| signature.clone()))
            .await;
    }

    let jwks = target.api.get("/.well-known/jwks.json").await.expect(200).json();
    let jwk = jwks["keys"][0].clone();
    let raw = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    // RFC 8410 section 4: the prefix of an Ed25519 SubjectPublicKeyInfo.
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let x = jwk["x"].as_str().unwrap().as_bytes().to_vec();
    for (form, key) in
        [("raw", raw), ("der", der), ("pem", pem.into_bytes()), ("jwk", jwk.to_string().into_bytes()), ("x", x)]
    {
        for hmac in [HS256, HS384, HS512] {
            // A key shorter than a block is filled up with zeros anyway (RFC 2104); josekit asks for 64 bytes.
            let mut key = key.clone();
            key.resize(key.len().max(64), 0);
            let signer = hmac.signer_from_bytes(&key).unwrap();
            let header = with(header.clone(), "alg", json!(signer.algorithm().name()));
            target.refuses_token(form, &token(&header, &claims, |input| signer.sign(input).unwrap())).await;
            // The MAC under the right algorithm name is no signature either.
            let header = with(header.clone(), "alg", json!("EdDSA"));
            target.refuses_token(form, &token(&header, &claims, |input| signer.sign(input).unwrap())).await;
        }
    }
    target.unharmed().await;
}

#[tokio::test]
async fn j03_j04_j05_headers_that_choose_the_key_or_the_rules() {
    let target = Target::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let (header, claims, signature) = opened(&target.ada.access);
    // A key pair of the attacker's, who names it in every way a library might believe.
    let own = EddsaJwsAlgorithm::Eddsa.generate_key_pair(EdCurve::Ed25519).unwrap();
    let signer = EddsaJwsAlgorithm::Eddsa.signer_from_der(own.to_der_private_key()).unwrap();
    let jwk: Value = serde_json::to_value(own.to_jwk_public_key()).unwrap();

    let mut headers = vec![header.clone(), without(header.clone(), "alg"), without(header.clone(), "kid")];
    for alg in
        [json!("Ed25519"), json!("ES256K"), json!("RS256"), json!("PS256"), json!(7), json!(["EdDSA"]), json!(null)]
    {
        headers.push(with(header.clone(), "alg", alg));
    }
    for kid in [
        json!("../../dev/null"),
        json!("' OR '1'='1"),
        json!("k".repeat(3000)),
        json!("a\u{0}b"),
        json!(url),
        json!(""),
        json!(0),
        json!(["a"]),
        json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        headers.push(with(header.clone(), "kid", kid));
    }
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([STANDARD.encode(own.to_der_public_key())])),
        ("crit", json!(["exp"])),
        ("crit", json!(["unknown"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("JWT")),
        ("typ", json!("pre+jwt")),
        ("typ", json!("AT+JWT")),
        ("cty", json!("JWT")),
    ] {
        headers.push(with(header.clone(), name, value));
    }
    for header in &headers {
        let attack = header.to_string();
        target.refuses_token(&attack, &token(header, &claims, |input| signer.sign(input).unwrap())).await;
        if *header != opened(&target.ada.access).0 {
            target.refuses_token(&attack, &token(header, &claims, |_| signature.clone())).await;
        }
    }
    // A member twice: two readers, two opinions.
    let (head, rest) = target.ada.access.split_once('.').unwrap();
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    let doubled = URL_SAFE_NO_PAD.encode(text.replacen('{', "{\"alg\":\"none\",", 1));
    target.refuses_token("alg twice", &format!("{doubled}.{rest}")).await;
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a URL of a token was fetched");
    target.unharmed().await;
}

#[tokio::test]
async fn j06_j07_claims_that_were_changed() {
    let target = Target::start().await;
    let (header, claims, signature) = opened(&target.ada.access);
    let bob = target.api.sign_up("bob@example.com").await;
    let other = opened(&bob.access).1;
    let exp = claims["exp"].as_i64().unwrap();
    let mut changed: Vec<Value> = ["exp", "iss", "aud", "sub", "jti"].map(|name| without(claims.clone(), name)).into();
    for (name, values) in [
        ("exp", vec![json!(exp + 3600), json!(exp - 7200), json!("never"), json!(-1), json!(i64::MAX), json!(1.5e300)]),
        ("nbf", vec![json!(exp + 1), json!(0)]),
        ("iss", vec![json!("https://evil.example"), json!("")]),
        ("aud", vec![json!("other"), json!(""), json!(["keystead-api", "other"]), json!(["other"])]),
        ("sub", vec![other["sub"].clone()]),
        ("role", vec![json!("super-admin")]),
        ("epoch", vec![json!(99)]),
        ("fgp", vec![other["fgp"].clone()]),
        ("admin", vec![json!(true)]),
    ] {
        changed.extend(values.into_iter().map(|value| with(claims.clone(), name, value)));
    }
    for claims in &changed {
        target.refuses_token(&claims.to_string(), &token(&header, claims, |_| signature.clone())).await;
    }
    target.unharmed().await;
}

#[tokio::test]
async fn j06_an_expired_token_is_told_so_only_when_its_signature_is_good() {
    let target = Target::dev().await;
    target.api.advance(20 * 60 + 6).await;
    for (method, path) in ROUTES {
        let answer = target.api.send_as(&target.ada, method, path, None).await;
        target.refused("expired", &answer, 401, "TOKEN_EXPIRED");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    let (header, claims, signature) = opened(&target.ada.access);
    let forged = token(&header, &with(claims, "role", json!("admin")), |_| signature.clone());
    target.refuses_token("expired and forged", &forged).await;
    target.api.refresh(&target.ada, &target.ada.refresh).await.expect(200);
}

#[tokio::test]
async fn j08_damaged_tokens() {
    let target = Target::start().await;
    let good = target.ada.access.clone();
    let verify = async |attack: &str, token: &str| {
        let answer = target.api.send_with(token, &target.ada.client_id, "POST", ROUTES[1].1, None).await;
        target.refused(attack, &answer, 401, "TOKEN_INVALID");
    };
    // One bit in each byte of the token, spread over all of it.
    let bytes: Vec<u8> = good.bytes().collect();
    let step = (bytes.len() / 400).max(1);
    for (at, byte) in bytes.iter().enumerate().step_by(step) {
        for bit in [0, 1, 5] {
            let mut damaged = bytes.clone();
            damaged[at] = byte ^ (1 << bit);
            // The last character of a part has bits that mean nothing; they must be zero all the same.
            if let Ok(text) = String::from_utf8(damaged)
                && text.bytes().all(|byte| byte.is_ascii_graphic())
            {
                verify(&format!("bit {bit} of byte {at}"), &text).await;
            }
        }
    }
    for length in (0..good.len()).step_by(37) {
        if length > 0 {
            verify("cut", &good[..length]).await;
        }
    }
    let other = target.api.sign_up("bob@example.com").await.access;
    let (mine, theirs): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), other.split('.').collect());
    for mixed in [
        [mine[0], theirs[1], mine[2]],
        [mine[0], mine[1], theirs[2]],
        [mine[1], mine[0], mine[2]],
        [mine[2], mine[1], mine[0]],
    ] {
        verify("mixed", &mixed.join(".")).await;
    }
    for parts in [format!("{good}.{}", mine[2]), format!("{good}."), format!(".{good}"), "..".into(), ".".into()] {
        verify("parts", &parts).await;
    }
    let zero = URL_SAFE_NO_PAD.encode([0; 64]);
    verify("zero signature", &format!("{}.{}.{zero}", mine[0], mine[1])).await;
    // The JSON serialisation of RFC 7515 is not taken, in any wrapping.
    let json = json!({"payload": mine[1], "protected": mine[0], "signature": mine[2]}).to_string();
    verify("JSON form", &URL_SAFE_NO_PAD.encode(json)).await;
    target.unharmed().await;
}

#[tokio::test]
async fn j09_a_revoked_token_stays_revoked_however_it_is_written() {
    let target = Target::start().await;
    let session = target.api.signed_in("ada@example.com", PASSWORD).await;
    let id = opened(&session.access).1["jti"].as_str().unwrap().to_owned();
    target.api.send_as(&session, "DELETE", &format!("/api/v1/auth/tokens/{id}"), None).await.expect(204);
    target.api.refused_within_a_second(&session).await;
    let send = async |token: &str| target.api.send_with(token, &session.client_id, "POST", ROUTES[1].1, None).await;
    target.refused("as it is", &send(&session.access).await, 401, "TOKEN_REVOKED");
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last character of a signature of 64 bytes carries two bits; four more are never looked at by a lax decoder.
    let last = session.access.bytes().last().unwrap();
    let index = alphabet.iter().position(|byte| *byte == last).unwrap();
    for spare in 1..16 {
        let text = format!("{}{}", &session.access[..session.access.len() - 1], char::from(alphabet[index ^ spare]));
        target.refused("spare bits", &send(&text).await, 401, "TOKEN_INVALID");
    }
    for text in [format!("{}=", session.access), format!("{}==", session.access), session.access.replacen('.', "=.", 1)]
    {
        target.refused("padding", &send(&text).await, 401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn j10_tokens_in_other_places_and_headers_in_other_forms() {
    let target = Target::start().await;
    let (access, client_id) = (target.ada.access.as_str(), target.ada.client_id.as_str());
    let native = [("keystead-client", "native"), ("keystead-client-id", client_id)];
    for (method, path) in ROUTES {
        let send = async |headers: &[(&str, &str)], query: &str| {
            let headers = [&native[..], headers].concat();
            target.api.send(method, &format!("{path}{query}"), &headers, None).await
        };
        for name in ["access_token", "token", "authorization"] {
            let answer = send(&[], &format!("?{name}={access}")).await;
            assert!(matches!(answer.status, 400 | 401), "{path}: {}", answer.status);
            target.explained(name, &answer);
        }
        let cookie = format!("access_token={access}; Authorization=Bearer {access}");
        target.refused("cookie", &send(&[("cookie", &cookie)], "").await, 401, "TOKEN_MISSING");
        let bearer = format!("Bearer {access}");
        for name in ["x-authorization", "proxy-authorization", "x-access-token"] {
            target.refused(name, &send(&[(name, &bearer)], "").await, 401, "TOKEN_MISSING");
        }
        let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
        target.refused("twice", &send(&twice, "").await, 400, "INVALID_HEADER");
        for (form, code) in [
            (format!("bearer {access}"), ""),
            (format!("BEARER {access}"), ""),
            ("Bearer".to_owned(), "TOKEN_INVALID"),
            ("Bearer ".to_owned(), "TOKEN_INVALID"),
            (format!("Bearer {access},"), "TOKEN_INVALID"),
            (format!("Bearer {access}, Bearer {access}"), "TOKEN_INVALID"),
            (format!("Bearer {access} {access}"), "TOKEN_INVALID"),
            (format!("Bearer \"{access}\""), "TOKEN_INVALID"),
            (format!("Basic {access}"), "TOKEN_MISSING"),
            (format!("DPoP {access}"), "TOKEN_MISSING"),
            (access.to_owned(), "TOKEN_MISSING"),
        ] {
            let answer = send(&[("authorization", &form)], "").await;
            match code {
                "" => assert_eq!(answer.status, 200, "{form}"),
                code => target.refused(&form, &answer, 401, code),
            }
        }
        let form = [("authorization", ""), ("content-type", "application/x-www-form-urlencoded")];
        assert!(matches!(send(&form, "").await.status, 400 | 401));
    }
    target.unharmed().await;
}

#[tokio::test]
async fn j11_j12_tokens_of_another_kind_or_another_service() {
    let target = Target::start().await;
    let half_way = target.api.register("bob@example.com").await.expect(201);
    target.refuses_token("half-way", &half_way.attribute("accessToken")).await;
    target.refuses_token("refresh", &target.ada.refresh).await;
    target.refuses_token("device", &target.ada.device).await;
    target.refuses_token("client id", &target.ada.client_id).await;
    // An access token is no half-way token, and no refresh token.
    let code = json!({"code": "123456"});
    let answer = target.api.send_as(&target.ada, "POST", "/api/v1/auth/register/verify", Some(&code)).await;
    target.refused("access as half-way", &answer, 401, "TOKEN_INVALID");
    let answer = target.api.refresh(&target.ada, &target.ada.access).await;
    target.refused("access as refresh", &answer, 401, "REFRESH_INVALID");

    let stranger = Site::dev("off");
    let eve = stranger.api().sign_up("ada@example.com").await;
    let answer = target.api.send_with(&eve.access, &eve.client_id, "GET", ROUTES[0].1, None).await;
    target.refused("foreign", &answer, 401, "TOKEN_INVALID");
    let answer = target.api.refresh(&eve, &eve.refresh).await;
    target.refused("foreign refresh", &answer, 401, "REFRESH_INVALID");
    target.unharmed().await;
}

#[tokio::test]
async fn j14_a_token_without_its_client_id_is_worth_nothing() {
    let target = Target::start().await;
    let bob = target.api.sign_up("bob@example.com").await;
    let own_hash = opened(&target.ada.access).1["fgp"].as_str().unwrap().to_owned();
    for (method, path) in ROUTES {
        for other in [bob.client_id.as_str(), own_hash.as_str(), "x", &target.ada.client_id[1..]] {
            let answer = target.api.send_with(&target.ada.access, other, method, path, None).await;
            target.refused(other, &answer, 401, "FINGERPRINT_MISMATCH");
        }
        let bearer = format!("Bearer {}", target.ada.access);
        let answer = target.api.send(method, path, &[("authorization", &bearer)], None).await;
        target.refused("none", &answer, 401, "FINGERPRINT_MISMATCH");
    }
    target.unharmed().await;
}
