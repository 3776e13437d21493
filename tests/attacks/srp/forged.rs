//! S03: what the server gave along for itself comes back as it was, for the account it was for, or not at all. J11: it is no
//! token, and no token is it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead_testkit::srp_client::Challenge;
use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{as_proof, credential, knowing, with};
use super::{BOB, EMAIL, NOBODY, WRONG, srp_invalid};
use crate::support::{PASSWORD, Service, refusal};

/// The same answer with another `sealed`.
fn sealed(login: &Value, sealed: &str) -> Value {
    with(login.clone(), json!({ "sealed": sealed }))
}

#[tokio::test]
async fn s03_every_flipped_byte_is_refused_and_nothing_is_used_up() {
    // With limits: a challenge that does not open is no guess, and no way to lock somebody out.
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    service.srp_registered(EMAIL).await;
    let login = service.native().srp_answer(EMAIL, PASSWORD).await;
    let right = login.attributes(EMAIL);
    let text = right["sealed"].as_str().unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    let mut wrong: Vec<String> = (0..bytes.len())
        .map(|place| {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << (place % 8);
            URL_SAFE_NO_PAD.encode(bytes)
        })
        .collect();
    wrong.extend((0..bytes.len()).step_by(7).map(|length| URL_SAFE_NO_PAD.encode(&bytes[..length])));
    wrong.extend([
        URL_SAFE_NO_PAD.encode([&bytes[..], &[0]].concat()),
        format!("{text}="),
        format!(" {text}"),
        text.to_lowercase(),
        "é".repeat(40),
        "A".repeat(4096),
    ]);
    for (number, wrong) in wrong.iter().enumerate() {
        let client = service.native().at(&format!("198.51.{}.{}", 100 + number / 200, number % 200 + 1));
        let reply = client.srp_send(&sealed(&right, wrong)).await;
        assert_eq!(reply.refusal(), srp_invalid(), "{number}: {wrong}");
        assert!(!reply.text.contains("serverProof"));
    }
    let mut database = service.database();
    assert_eq!(database.audited("authn_login_limited"), 0);
    assert_eq!(database.audited("authn_login_fail"), i64::try_from(wrong.len()).unwrap());
    let reply = service.native().at("192.0.2.1").srp_send(&right).await.ok(200).unwrap();
    assert!(login.accepts(&reply.text_of("serverProof").unwrap()), "the challenge was not used up");
}

#[tokio::test]
async fn s03_a_challenge_is_of_one_account_under_any_of_its_names() {
    let service = Service::start().await;
    let client = service.native();
    let wish = with(credential(PASSWORD), json!({ "email": EMAIL, "username": "ada_l" }));
    let half_way = super::actors::half_way(&client, &client.post("/auth/srp/register", &wish).await.ok(201).unwrap());
    let ada = half_way.verify(&service.code(EMAIL).await).await.unwrap();
    service.srp_registered(BOB).await;

    // Ada's challenge, answered with Ada's password, under Bob's name, and the other way round.
    for (of, under) in [(EMAIL, BOB), (BOB, EMAIL), (NOBODY, EMAIL), (EMAIL, NOBODY), (NOBODY, "nobody")] {
        let login = client.srp_answer(of, PASSWORD).await;
        assert_eq!(client.srp_send(&login.attributes(under)).await.refusal(), srp_invalid(), "{of} as {under}");
    }
    // b of Bob's challenge with everything else of Ada's.
    let (ada_login, bob) = (client.srp_answer(EMAIL, PASSWORD).await, client.srp_challenge(BOB).await);
    let swapped = sealed(&ada_login.attributes(EMAIL), &bob.sealed);
    assert_eq!(client.srp_send(&swapped).await.refusal(), srp_invalid());
    client.srp_send(&ada_login.attributes(EMAIL)).await.ok(200).unwrap();
    // Two names of one account are one account.
    for (of, under) in [(EMAIL, "ADA_L"), ("ada_l", EMAIL)] {
        let login = client.srp_answer(of, PASSWORD).await;
        let reply = client.srp_send(&login.attributes(under)).await.ok(200).unwrap();
        assert!(login.accepts(&reply.text_of("serverProof").unwrap()));
    }
    // Bob's proof is none of Ada's, though it is right.
    let proof = as_proof(&client.srp_answer(BOB, PASSWORD).await);
    let reply = ada.call(Method::POST, "/auth/reauth").json(&proof).send().await;
    assert_eq!(reply.refusal().code, "SRP_INVALID");
}

#[tokio::test]
async fn s03_another_a_or_b_is_refused() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    // Another A under the proof of the first.
    let challenge = client.srp_challenge(EMAIL).await;
    let [first, second] = [(); 2].map(|()| knowing(PASSWORD).answer(&challenge).unwrap().attributes(EMAIL));
    let mixed = with(first.clone(), json!({ "clientPublicKey": second["clientPublicKey"] }));
    assert_eq!(client.srp_send(&mixed).await.refusal(), srp_invalid());
    // That was the one answer to this challenge.
    for right in [first, second] {
        assert_eq!(client.srp_send(&right).await.refusal(), srp_invalid());
    }
    // An answer to one challenge with what belongs to another one of the same account.
    let (one, other) = (client.srp_challenge(EMAIL).await, client.srp_challenge(EMAIL).await);
    let login = knowing(PASSWORD).answer(&one).unwrap().attributes(EMAIL);
    assert_eq!(client.srp_send(&sealed(&login, &other.sealed)).await.refusal(), srp_invalid());
    // A wrong answer used up the other one, and left the first.
    client.srp_send(&login).await.ok(200).unwrap();
    let late = knowing(PASSWORD).answer(&other).unwrap().attributes(EMAIL);
    assert_eq!(client.srp_send(&late).await.refusal(), srp_invalid());
}

#[tokio::test]
async fn s03_a_challenge_of_another_deployment_is_refused() {
    let (service, other) = (Service::start().await, Service::start().await);
    let credential = credential(PASSWORD);
    let wish = with(credential, json!({ "email": EMAIL }));
    for service in [&service, &other] {
        let client = service.native();
        let reply = client.post("/auth/srp/register", &wish).await.ok(201).unwrap();
        super::actors::half_way(&client, &reply).verify(&service.code(EMAIL).await).await.unwrap();
    }
    // The same credential at both, even.
    let login = other.native().srp_answer(EMAIL, PASSWORD).await.attributes(EMAIL);
    assert_eq!(service.native().srp_send(&login).await.refusal(), srp_invalid());
    other.native().srp_send(&login).await.ok(200).unwrap();
}

#[tokio::test]
async fn s03_a_client_knows_a_server_without_the_verifier() {
    let service = Service::start().await;
    service.srp_registered(EMAIL).await;
    let client = service.native();
    // Somebody between who changes B learns nothing that signs in, and is no server to the client.
    let mut challenge = client.srp_challenge(EMAIL).await;
    let last = challenge.server_key.len() - 1;
    challenge.server_key[last] ^= 1;
    let login = knowing(PASSWORD).answer(&challenge).unwrap();
    assert_eq!(client.srp_send(&login.attributes(EMAIL)).await.refusal(), srp_invalid());
    let fresh = client.srp_answer(EMAIL, PASSWORD).await;
    let reply = client.srp_send(&fresh.attributes(EMAIL)).await.ok(200).unwrap();
    let proof = reply.text_of("serverProof").unwrap();
    assert!(fresh.accepts(&proof) && !login.accepts(&proof));
    let guess: Challenge = client.srp_challenge(EMAIL).await;
    assert!(!knowing(WRONG).answer(&guess).unwrap().accepts(&proof));
}

#[tokio::test]
async fn j11_a_sealed_challenge_is_no_token_and_a_token_is_no_challenge() {
    let service = Service::start().await;
    let (ada, program) = service.srp_registered(EMAIL).await.enrol(&service).await;
    let asked = ada.client.srp_login_asked(EMAIL, PASSWORD).await.unwrap();
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);
    let challenge = ada.client.srp_challenge(EMAIL).await;
    let answer = knowing(PASSWORD).answer(&challenge).unwrap().attributes(EMAIL);

    let tokens = [
        ("access", ada.access.clone()),
        ("refresh", ada.refresh.clone()),
        ("client id", ada.client_id.clone()),
        ("device", ada.device.clone().unwrap()),
        ("step-up", ada.proof.clone().unwrap()),
        ("pre-authorized", asked.token.clone()),
        ("link", link),
    ];
    for (what, token) in &tokens {
        assert_eq!(ada.client.srp_send(&sealed(&answer, token)).await.refusal(), srp_invalid(), "{what}");
    }
    let sealed = &challenge.sealed;
    let bearer = ada.call_without_token(Method::GET, "/users/me").bearer(sealed).send().await;
    assert_eq!(bearer.refusal(), refusal(401, "TOKEN_INVALID"));
    let mut wrong = ada.clone();
    wrong.refresh.clone_from(sealed);
    assert_eq!(wrong.refresh().await.unwrap_err().status, 401);
    let half = crate::support::HalfWay { token: sealed.clone(), ..asked.clone() };
    assert_eq!(half.answer("totp", "000000").await.unwrap_err(), refusal(401, "TOKEN_INVALID"));
    assert_eq!(ada.client.begin_reset(sealed).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    let codes = ada.showing(sealed).recovery_codes().await.unwrap_err();
    assert!(matches!(codes.status, 401 | 403), "{codes:?}");
    // All of it is good for what it is.
    ada.client.srp_send(&answer).await.ok(200).unwrap();
    asked.answer("totp", &service.fresh_code(&program).await).await.unwrap();
}
