//! J03 to J05: headers that choose the algorithm, the key, or the rules.

use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jws::JwsSigner as _;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use keystead_application::ports::KeyUse;
use serde_json::{Value, json};

use super::insider::Insider;
use super::{Target, opened, part, token, with, without};
use crate::process::api::{Api, PASSWORD};
use crate::process::configured::Configured;
use crate::process::keystead::finish;
use crate::support::{Service, eventually};

#[tokio::test]
async fn j03_no_other_algorithm_is_taken_with_the_right_key() {
    let target = Target::start().await;
    let insider = Insider::of(&target.service, KeyUse::SignAccess).await;
    let (header, claims, _) = opened(&target.boss.access);
    assert_eq!(header, insider.header());
    target.accepts("signed by the service's own key", &insider.token(&header, &claims)).await;
    let mut algs: Vec<Value> = [
        "Ed25519", "Ed448", "eddsa", "EDDSA", "EdDSA ", " EdDSA", "EdDSA\0", "ES256", "ES256K", "ES384", "ES512",
        "RS256", "RS512", "PS256", "PS512", "HS256", "HS384", "HS512", "dir", "none",
    ]
    .map(Value::from)
    .into();
    algs.extend([json!(7), json!(["EdDSA"]), json!({ "alg": "EdDSA" }), json!(null), json!(true)]);
    for alg in algs {
        let attack = format!("alg {alg}");
        target.refuses(&attack, &insider.token(&with(header.clone(), "alg", alg), &claims)).await;
    }
    target.refuses("no alg", &insider.token(&without(header, "alg"), &claims)).await;
    target.is_unharmed().await;
}

#[tokio::test]
async fn j04_a_key_identifier_is_looked_up_and_nothing_else() {
    let target = Target::start().await;
    let service = &target.service;
    let insider = Insider::of(service, KeyUse::SignAccess).await;
    let (header, claims, _) = opened(&target.boss.access);
    let stranger = EddsaJwsAlgorithm::Eddsa.generate_key_pair(EdCurve::Ed25519).unwrap();
    let stranger = EddsaJwsAlgorithm::Eddsa.signer_from_der(stranger.to_der_private_key()).unwrap();
    let (half_way, step_up) =
        (Insider::of(service, KeyUse::SignPreAuthorized).await, Insider::of(service, KeyUse::SignStepUp).await);
    for kid in [
        json!("../../dev/null"),
        json!("../../../../../../etc/passwd"),
        json!("' OR '1'='1"),
        json!("k'; DROP TABLE users; --"),
        json!("k".repeat(10_000)),
        json!("a\u{0}b"),
        json!("https://evil.example/jwks.json"),
        json!(""),
        json!(0),
        json!(["a"]),
        json!(null),
        // Of somebody else's service.
        json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        // Of ours, for something else.
        json!(half_way.kid),
        json!(step_up.kid),
    ] {
        let attack: String = format!("kid {kid}").chars().take(80).collect();
        target.refuses(&attack, &insider.token(&with(header.clone(), "kid", kid), &claims)).await;
    }
    target.refuses("no kid", &insider.token(&without(header.clone(), "kid"), &claims)).await;
    for (attack, other) in [("a half-way key", &half_way), ("a step-up key", &step_up)] {
        target.refuses(attack, &other.token(&header, &claims)).await;
        target.refuses(attack, &other.token(&other.header(), &claims)).await;
    }
    let foreign = |input: &[u8]| stranger.sign(input).unwrap();
    target.refuses("a stranger's key under our name", &token(&header, &claims, foreign)).await;
    target.is_unharmed().await;
}

/// A key identifier opens no file and is put into no statement: against the process as it runs, whose log and whose database's
/// log tell of neither. A pipe is never read to its end by whoever opens it: no answer would come.
#[tokio::test]
async fn j04_a_key_identifier_reaches_neither_a_file_nor_a_statement() {
    let configured = Configured::new(&["--smtp", "smtp+plain://127.0.0.1:1"]);
    let service = configured.serve(&["log.level=debug", "limits.mode=off", "unsafe_allow=limits-off"]);
    let add = ["--email", "ada@example.com", "--password-stdin"];
    finish(configured.command(&["user", "add"], &add), &format!("{PASSWORD}\n")).ok();
    let api = Api::new(service.url());
    let ada = api.signed_in("ada@example.com", PASSWORD).await;
    let pipe = configured.path().join("key.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (header, claims, signature) = opened(&ada.access);
    let pipe = pipe.to_str().unwrap();
    for kid in [
        pipe.to_owned(),
        "key.pem".to_owned(),
        "./key.pem".to_owned(),
        format!("../../../../../../../..{pipe}"),
        format!("file://{pipe}"),
        format!("{pipe}\u{0}.pem"),
        "' OR '1'='1".to_owned(),
        "k'; DROP TABLE users; --".to_owned(),
        "k\"; DROP TABLE users; --".to_owned(),
        "\\'; SELECT pg_sleep(9); --".to_owned(),
        "%00 $1 ?1 :kid {kid}".to_owned(),
        "a\u{0}b".to_owned(),
        "k".repeat(3000),
    ] {
        let shown = token(&with(header.clone(), "kid", json!(kid)), &claims, |_| signature.clone());
        for (method, path) in [("GET", "/api/v1/users/me"), ("POST", "/api/v1/auth/token/verify")] {
            let answer = api.send_with(&shown, &ada.client_id, method, path, None).await.expect(401);
            assert_eq!(answer.code(), "TOKEN_INVALID", "{kid}");
        }
    }
    api.send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(200);
    let log = service.log();
    assert!(log.contains("/api/v1/users/me"), "requests are logged");
    let of_errors: Vec<&str> = log.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    assert!(of_errors.is_empty(), "{of_errors:#?}");
    if let Some(shared) = configured.shared() {
        let database = shared.postgres_url().rsplit('/').next().unwrap();
        let log = keystead_test_servers::shared::postgres_log().unwrap_or_default();
        let ours = format!("@{database} ");
        let errors: Vec<&str> = log.lines().filter(|line| line.contains(&ours) && line.contains("ERROR:")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// The identifiers every replica publishes, once there are so many.
async fn published(service: &Service, count: usize) {
    for replica in service.api().each() {
        eventually("the keys", async || {
            let keys = replica.get("/.well-known/jwks.json").await.ok(200).unwrap().json();
            (keys["keys"].as_array().unwrap().len() == count).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn j04_a_retired_key_signs_nothing_and_of_two_keys_one_is_named() {
    let target = Target::start().await;
    let service = &target.service;
    let old = Insider::of(service, KeyUse::SignAccess).await;
    service.other_process().await.keys.rotate(&[KeyUse::SignAccess]).await.unwrap();
    published(service, 2).await;
    let new = Insider::of(service, KeyUse::SignAccess).await;
    let (_, claims, _) = opened(&target.boss.access);
    for key in [&old, &new] {
        target.accepts("each of two keys", &key.token(&key.header(), &claims)).await;
        target.refuses("no kid of two", &key.token(&without(key.header(), "kid"), &claims)).await;
        let other = if key.kid == old.kid { &new } else { &old };
        target.refuses("the other's name", &key.token(&other.header(), &claims)).await;
    }
    // One life of an access token after the new one signs, the old one is gone: whatever it signs then.
    service.advance(Duration::from_secs(60 + 20 * 60 + 15)).await;
    published(service, 1).await;
    let boss = target.boss.refresh().await.unwrap();
    let (header, claims, _) = opened(&boss.access);
    assert_eq!(header, new.header());
    target.refuses("retired", &old.token(&old.header(), &claims)).await;
    target.refuses("retired, under the new name", &old.token(&header, &claims)).await;
    boss.verify().await.unwrap();
}

#[tokio::test]
async fn j05_a_header_says_three_things_once_and_fetches_nothing() {
    let target = Target::start().await;
    let insider = Insider::of(&target.service, KeyUse::SignAccess).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let (header, claims, signature) = opened(&target.boss.access);
    // A key pair of the attacker's, who names it in every way a library might believe.
    let own = EddsaJwsAlgorithm::Eddsa.generate_key_pair(EdCurve::Ed25519).unwrap();
    let signer = EddsaJwsAlgorithm::Eddsa.signer_from_der(own.to_der_private_key()).unwrap();
    let jwk: Value = serde_json::to_value(own.to_jwk_public_key()).unwrap();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([STANDARD.encode(own.to_der_public_key())])),
        ("x5t", json!("AAAA")),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["unknown"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("typ", json!("JWT")),
        ("typ", json!("pre+jwt")),
        ("typ", json!("AT+JWT")),
        ("typ", json!("application/at+jwt")),
    ] {
        let attack = format!("{name} {value}");
        let changed = with(header.clone(), name, value);
        target.refuses(&attack, &token(&changed, &claims, |input| signer.sign(input).unwrap())).await;
        target.refuses(&attack, &token(&changed, &claims, |_| signature.clone())).await;
        // Not even from who could sign anything.
        target.refuses(&attack, &insider.token(&changed, &claims)).await;
    }
    // Named by its own identifier, or by none.
    let named = with(header.clone(), "kid", json!(own.to_jwk_public_key().key_id().unwrap_or("mine")));
    for header in [named, without(header.clone(), "kid"), header.clone()] {
        target.refuses("an own key", &token(&header, &claims, |input| signer.sign(input).unwrap())).await;
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a URL of a token was fetched");

    // A member twice: two readers, two opinions.
    let text = header.to_string();
    for first in
        ["\"alg\":\"none\"", "\"alg\":\"EdDSA\"", "\"\\u0061lg\":\"none\"", "\"typ\":\"at+jwt\"", "\"kid\":\"x\""]
    {
        let doubled = text.replacen('{', &format!("{{{first},"), 1);
        target.refuses(&doubled, &insider.written(&doubled, &claims.to_string())).await;
        let rest = target.boss.access.split_once('.').unwrap().1;
        target.refuses(&doubled, &format!("{}.{rest}", part(&doubled))).await;
    }
    for odd in [format!("{text}{text}"), format!("{text} x"), format!("\u{feff}{text}"), "null".into(), "[".repeat(900)]
    {
        target.refuses("no object", &insider.written(&odd, &claims.to_string())).await;
    }
    // The JSON serialisation of RFC 7515 section 7.2 is not taken, in any wrapping.
    let parts: Vec<&str> = target.boss.access.split('.').collect();
    let flattened = json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] });
    let general = json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
    for json in [flattened, general] {
        let reply = target.showing(&json.to_string().replace(' ', "")).verify().await;
        assert_eq!(reply.unwrap_err(), crate::support::refusal(401, "TOKEN_INVALID"));
        target.refuses("JSON form", &part(&json.to_string())).await;
    }
    target.is_unharmed().await;
}
