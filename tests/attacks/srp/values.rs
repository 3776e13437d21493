//! Numbers that give a session away, and credentials that anybody could guess: refused by the field they are in, nothing is
//! counted, nothing changes.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use keystead_domain::srp::MODULUS;
use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{as_proof, credential, knowing, with};
use super::{EMAIL, NOBODY};
use crate::support::{PASSWORD, Reply, Service, refusal};

/// N and a bit more or less, in hexadecimal digits.
fn modulus(plus: i16) -> String {
    let mut value = MODULUS;
    let last = i16::from(value[511]) + plus;
    // The last byte of N is 0xff.
    assert_eq!(value[511], 0xff);
    if last > 0xff {
        value[504..].fill(0);
        // Its last eight bytes are all ones: a carry runs through them.
        value[503] += 1;
        value[511] = u8::try_from(last - 0x100).unwrap();
    } else {
        value[511] = u8::try_from(last).unwrap();
    }
    HEXLOWER.encode(&value)
}

/// N times a small number.
fn times(factor: u32) -> String {
    let mut carry = 0;
    let mut digits: Vec<u8> = MODULUS
        .iter()
        .rev()
        .map(|byte| {
            carry += u32::from(*byte) * factor;
            let digit = carry & 0xff;
            carry >>= 8;
            u8::try_from(digit).unwrap()
        })
        .collect();
    digits.push(u8::try_from(carry).unwrap());
    digits.reverse();
    HEXLOWER.encode(&digits)
}

/// Where the problems of an answer are, and what they are.
fn problems(reply: &Reply) -> Vec<(String, String)> {
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.iter().map(|error| (text(&error["source"]["pointer"]), text(&error["code"]))).collect()
}

#[track_caller]
fn assert_refused(reply: &Reply, pointer: &str, code: &str, what: &str) {
    assert_eq!(reply.status, 422, "{what}: {}", reply.text);
    assert_eq!(problems(reply), [(pointer.to_owned(), code.to_owned())], "{what}");
    assert!(!reply.text.contains("serverProof"), "{}", reply.text);
}

/// Everything stored, but what is linked and signed beside requests.
fn stored(service: &Service) -> BTreeMap<String, Vec<String>> {
    // And the minute somebody was last seen.
    let mut stored = service.database().dump(&["audit_events.position", "audit_events.hash", "sessions.last_seen_at"]);
    for table in ["audit_checkpoints", "sqlite_sequence"] {
        stored.remove(table);
    }
    stored
}

/// Which tables are not as they were.
#[track_caller]
fn assert_unchanged(service: &Service, before: &BTreeMap<String, Vec<String>>) {
    let after = stored(service);
    let changed: Vec<_> = after.iter().filter(|(table, rows)| before.get(*table) != Some(rows)).collect();
    assert!(changed.is_empty() && after.len() == before.len(), "{changed:?}");
}

#[tokio::test]
async fn s01_a_public_key_that_gives_the_session_away_is_refused() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    service.mail_settled().await;
    let client = service.native();
    let challenge = client.srp_challenge(EMAIL).await;
    let login = knowing(PASSWORD).answer(&challenge).unwrap();
    let right = login.attributes(EMAIL);
    let upper = right["clientPublicKey"].as_str().unwrap().to_uppercase();
    let bad = [
        ("nothing", String::new()),
        ("one digit", "0".into()),
        ("zero", "00".into()),
        ("zero, wide", "00".repeat(512)),
        ("N", modulus(0)),
        ("N, wide", format!("00{}", modulus(0))),
        ("N + 1", modulus(1)),
        ("2N", times(2)),
        ("17N", times(17)),
        ("all ones", "ff".repeat(512)),
        ("a byte too long", format!("01{}", "00".repeat(512))),
        ("odd", format!("{}0", "ab".repeat(100))),
        ("upper case", upper),
        ("negative", "-2".into()),
        ("marked", "0x02".into()),
        ("not hexadecimal", "zz".into()),
        ("a space", " 02".into()),
        ("wide digits", "０２".into()),
        ("10 KB", "ab".repeat(5_000)),
    ];
    let before = stored(&service);
    for (what, key) in &bad {
        let reply = client.srp_send(&with(right.clone(), json!({ "clientPublicKey": key }))).await;
        assert_refused(&reply, "/clientPublicKey", "INVALID_SRP_VALUE", what);
    }
    let proof = right["clientProof"].as_str().unwrap().to_owned();
    for bad in
        ["", "00", &proof[..62], &format!("{proof}00"), &proof.to_uppercase(), &proof.replacen(&proof[..1], "g", 1)]
    {
        let reply = client.srp_send(&with(right.clone(), json!({ "clientProof": bad }))).await;
        assert_refused(&reply, "/clientProof", "INVALID_SRP_VALUE", bad);
    }
    for (name, value) in [
        ("clientPublicKey", json!(2)),
        ("clientPublicKey", json!(["02"])),
        ("clientPublicKey", Value::Null),
        ("clientProof", json!({})),
        ("sealed", json!(17)),
        ("identity", json!(["ada@example.com"])),
    ] {
        let reply = client.srp_send(&with(right.clone(), json!({ name: value }))).await;
        assert_eq!(
            (reply.status, problems(&reply)[0].0.as_str()),
            (422, format!("/{name}").as_str()),
            "{}",
            reply.text
        );
    }
    for name in ["clientPublicKey", "clientProof", "sealed", "identity"] {
        let mut without = right.clone();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(client.srp_send(&without).await.status, 422, "{name}");
    }
    assert_unchanged(&service, &before);
    // The challenge was not used up by any of it.
    let reply = client.srp_send(&right).await.ok(200).unwrap();
    assert!(login.accepts(&reply.text_of("serverProof").unwrap()));
    // What is next to what is refused is a number like any other.
    for key in [modulus(-1), "02".into(), "0002".into()] {
        let fresh = client.srp_answer(EMAIL, PASSWORD).await.attributes(EMAIL);
        let reply = client.srp_send(&with(fresh, json!({ "clientPublicKey": key }))).await;
        assert_eq!(reply.refusal(), super::srp_invalid());
    }
}

#[tokio::test]
async fn s01_a_proof_of_a_person_signed_in_is_checked_alike() {
    let service = Service::start().await;
    let ada = service.srp_registered(EMAIL).await;
    let login = ada.client.srp_answer(EMAIL, PASSWORD).await;
    let right = as_proof(&login);
    let before = stored(&service);
    for bad in ["", "00", &modulus(0), &times(2), &"ab".repeat(5_000)] {
        let mut wrong = right.clone();
        wrong["srp"]["clientPublicKey"] = json!(bad);
        let reply = ada.call(Method::POST, "/auth/reauth").json(&wrong).send().await;
        assert_refused(&reply, "/srp/clientPublicKey", "INVALID_SRP_VALUE", bad);
    }
    let both = with(right.clone(), json!({ "password": PASSWORD }));
    for (what, wrong) in [("both", both), ("nothing", json!({}))] {
        let reply = ada.call(Method::POST, "/auth/reauth").json(&wrong).send().await;
        assert_refused(&reply, "/password", "VALIDATION_FAILED", what);
    }
    assert_unchanged(&service, &before);
    ada.call(Method::POST, "/auth/reauth").json(&right).send().await.ok(200).unwrap();
}

/// A bad credential: what is wrong, in which attribute, its value, and the code.
type Bad = (&'static str, &'static str, Value, &'static str);

fn bad_credentials() -> Vec<Bad> {
    let (value, kdf) = ("INVALID_SRP_VALUE", "INVALID_KDF");
    let salt = |first: &str| format!("{first}{}", "ab".repeat(31));
    let params = |n: u64, r: u64, p: u64| json!({ "n": n, "r": r, "p": p });
    vec![
        ("an empty verifier", "verifier", json!(""), value),
        ("0", "verifier", json!("00"), value),
        ("0, wide", "verifier", json!("00".repeat(512)), value),
        ("1", "verifier", json!("01"), value),
        ("1, wide", "verifier", json!(format!("{:0>1024}", 1)), value),
        ("N - 1", "verifier", json!(modulus(-1)), value),
        ("N", "verifier", json!(modulus(0)), value),
        ("N + 1", "verifier", json!(modulus(1)), value),
        ("2N", "verifier", json!(times(2)), value),
        ("odd", "verifier", json!("abc"), value),
        ("upper case", "verifier", json!("AB".repeat(512)), value),
        ("not hexadecimal", "verifier", json!("xy".repeat(512)), value),
        ("20 KB", "verifier", json!("ab".repeat(10_000)), value),
        ("no salt", "srpSalt", json!(""), value),
        ("a short salt", "srpSalt", json!("ab".repeat(31)), value),
        ("a long salt", "srpSalt", json!("ab".repeat(33)), value),
        ("a salt that begins with zero", "srpSalt", json!(salt("00")), value),
        ("a salt in upper case", "srpSalt", json!(salt("AB")), value),
        ("no salt of scrypt", "kdfSalt", json!(""), value),
        ("a short salt of scrypt", "kdfSalt", json!("ab".repeat(16)), value),
        ("a long salt of scrypt", "kdfSalt", json!("ab".repeat(64)), value),
        ("no I", "srpIdentity", json!(""), value),
        ("a short I", "srpIdentity", json!("ab".repeat(15)), value),
        ("an address as I", "srpIdentity", json!(EMAIL), value),
        ("I in upper case", "srpIdentity", json!("AB".repeat(16)), value),
        ("half the least cost", "kdf", params(1 << 16, 8, 1), kdf),
        ("what imports may have", "kdf", params(1 << 14, 8, 1), kdf),
        ("N = 16", "kdf", params(16, 8, 1), kdf),
        ("N = 0", "kdf", params(0, 8, 1), kdf),
        ("no power of two", "kdf", params((1 << 17) + 1, 8, 1), kdf),
        ("more than clients can bear", "kdf", params(1 << 21, 8, 1), kdf),
        ("another block size", "kdf", params(1 << 17, 1, 1), kdf),
        ("p = 0", "kdf", params(1 << 17, 8, 0), kdf),
        ("p = 17", "kdf", params(1 << 17, 8, 17), kdf),
    ]
}

/// Things that are no object of three whole numbers.
fn no_parameters() -> [Value; 9] {
    [
        Value::Null,
        json!(131_072),
        json!([131_072, 8, 1]),
        json!({}),
        json!({ "n": 131_072, "r": 8 }),
        json!({ "n": 131_072.5, "r": 8, "p": 1 }),
        json!({ "n": "131072", "r": 8, "p": 1 }),
        json!({ "n": -131_072, "r": 8, "p": 1 }),
        json!({ "n": 131_072, "r": 8, "p": 1, "dkLen": 16 }),
    ]
}

#[tokio::test]
async fn s05_bad_credentials_are_refused_at_registration() {
    let service = Service::start().await;
    let client = service.native();
    let right = with(credential(PASSWORD), json!({ "email": EMAIL }));
    let before = stored(&service);
    for (what, attribute, value, code) in bad_credentials() {
        let reply = client.post("/auth/srp/register", &with(right.clone(), json!({ attribute: value }))).await;
        assert_refused(&reply, &format!("/{attribute}"), code, what);
    }
    for kdf in no_parameters() {
        let reply = client.post("/auth/srp/register", &with(right.clone(), json!({ "kdf": kdf }))).await;
        assert_eq!((reply.status, problems(&reply)[0].0.as_str()), (422, "/kdf"), "{kdf}: {}", reply.text);
    }
    // All problems at once, and no password beside.
    let both = json!({ "email": "nowhere", "srpSalt": "", "verifier": "01", "kdf": { "n": 2, "r": 8, "p": 1 } });
    let reply = client.post("/auth/srp/register", &with(right.clone(), both)).await;
    let mut found: Vec<String> = problems(&reply).into_iter().map(|(pointer, _)| pointer).collect();
    found.sort();
    assert_eq!(found, ["/email", "/kdf", "/srpSalt", "/verifier"]);
    let reply = client.post("/auth/srp/register", &with(right.clone(), json!({ "password": PASSWORD }))).await;
    assert_eq!((reply.status, problems(&reply)[0].0.as_str()), (422, "/password"), "{}", reply.text);
    let megabyte = with(right.clone(), json!({ "verifier": "ab".repeat(1 << 19) }));
    assert_eq!(client.post("/auth/srp/register", &megabyte).await.status, 413);
    assert_unchanged(&service, &before);
    client.post("/auth/srp/register", &right).await.ok(201).unwrap();
}

#[tokio::test]
async fn s05_bad_credentials_are_refused_wherever_one_is_set() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    ada.client.forgot(EMAIL).await.unwrap();
    let grant = ada.client.begin_reset(&service.link_tokens(EMAIL, 1).await[0]).await.unwrap();
    service.mail_settled().await;
    let right = credential(PASSWORD);
    let before = stored(&service);
    for (what, attribute, value, code) in bad_credentials() {
        let wrong = with(right.clone(), json!({ attribute: value }));
        let reply = ada.call(Method::POST, "/auth/srp/verifier").json(&wrong).send().await;
        assert_refused(&reply, &format!("/{attribute}"), code, what);
        let change = json!({ "currentPassword": PASSWORD, "srp": wrong });
        let reply = ada.call(Method::PATCH, "/auth/password").json(&change).send().await;
        assert_refused(&reply, &format!("/srp/{attribute}"), code, what);
        let reply = grant.post("/auth/password/reset", &json!({ "srp": wrong })).await;
        assert_refused(&reply, &format!("/srp/{attribute}"), code, what);
        let activation = json!({ "token": "no-such-token", "srp": wrong });
        let reply = ada.client.post("/auth/activate", &activation).await;
        assert_refused(&reply, &format!("/srp/{attribute}"), code, what);
    }
    let both = json!({ "newPassword": super::NEW, "srp": right });
    let reply = grant.post("/auth/password/reset", &both).await;
    assert_refused(&reply, "/srp", "VALIDATION_FAILED", "both");
    let reply = grant.post("/auth/password/reset", &json!({})).await;
    assert_refused(&reply, "/newPassword", "MISSING_ATTRIBUTE", "neither");
    assert_unchanged(&service, &before);
    grant.srp_reset(super::NEW).await.expect("the grant is still good");
    ada.client.srp_login(EMAIL, super::NEW).await.unwrap();
}

#[tokio::test]
async fn challenges_take_a_name_and_nothing_else() {
    let service = Service::start().await;
    let client = service.native();
    for (body, pointer) in [
        (json!({}), "/identity"),
        (json!({ "identity": null }), "/identity"),
        (json!({ "identity": 17 }), "/identity"),
        (json!({ "identity": NOBODY, "password": PASSWORD }), "/password"),
    ] {
        let reply = client.post("/auth/srp/challenge", &body).await;
        assert_eq!((reply.status, problems(&reply)[0].0.as_str()), (422, pointer), "{}", reply.text);
    }
    assert_eq!(
        client.call(Method::GET, "/auth/srp/challenge").send().await.refusal(),
        refusal(405, "METHOD_NOT_ALLOWED")
    );
}
