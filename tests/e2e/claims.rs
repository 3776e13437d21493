//! G08: a claim proves only itself. Registering somebody's address first, or last, lets nobody in.

use serde_json::json;

use crate::support::{HalfWay, PASSWORD, Service, refusal};

const EMAIL: &str = "victim@example.com";
const EVIL: &str = "granite-otter-sunday-93";

/// The attacker has nothing: not the password, not the token, not a code of the other's.
async fn assert_shut_out(service: &Service, attacker: &HalfWay, codes: &[String]) {
    let invalid = refusal(401, "CODE_INVALID");
    for code in codes {
        assert_eq!(attacker.verify(code).await.unwrap_err(), invalid);
    }
    assert_eq!(service.native().login(EMAIL, EVIL).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    service.native().login(EMAIL, PASSWORD).await.expect("the victim's password counts");
    assert_eq!(service.database().count("users"), 1);
}

#[tokio::test]
async fn g08_the_attacker_registers_first() {
    let service = Service::start().await;
    let attacker = service.native().register(EMAIL, EVIL).await.unwrap();
    let theirs = service.code(EMAIL).await;
    let victim = service.native().register(EMAIL, PASSWORD).await.unwrap();
    let codes = service.codes(EMAIL, 2).await;
    assert_eq!(victim.verify(&theirs).await.unwrap_err(), refusal(401, "CODE_INVALID"), "the attacker's mail");
    victim.verify(&codes[1]).await.unwrap();
    assert_shut_out(&service, &attacker, &codes).await;
    assert_eq!(attacker.resend().await.unwrap_err(), refusal(401, "CODE_INVALID"), "the claim is gone");
}

#[tokio::test]
async fn g08_the_attacker_registers_second() {
    let service = Service::start().await;
    let victim = service.native().register(EMAIL, PASSWORD).await.unwrap();
    service.code(EMAIL).await;
    let attacker = service.native().register(EMAIL, EVIL).await.unwrap();
    let codes = service.codes(EMAIL, 2).await;
    victim.verify(&codes[0]).await.expect("another's claim does not end one's own");
    assert_shut_out(&service, &attacker, &codes).await;
    assert_eq!(attacker.resend().await.unwrap_err(), refusal(401, "CODE_INVALID"));
}

#[tokio::test]
async fn g08_the_attacker_registers_last() {
    let service = Service::start().await;
    let victim = service.native().register(EMAIL, PASSWORD).await.unwrap();
    victim.verify(&service.code(EMAIL).await).await.unwrap();
    let attacker = service.native().register(EMAIL, EVIL).await.unwrap();
    service.mails_about(EMAIL, "You already have an account", 1).await;
    let codes = service.codes(EMAIL, 1).await;
    assert_eq!(codes.len(), 1, "the attacker's claim has no code");
    assert_shut_out(&service, &attacker, &codes).await;
    let again = attacker.resend().await.expect("a decoy behaves like a claim");
    assert_shut_out(&service, &again, &codes).await;
}

#[tokio::test]
async fn g08_a_claim_between_a_code_and_its_proof_changes_nothing() {
    let service = Service::start().await;
    let victim = service.native().register(EMAIL, PASSWORD).await.unwrap();
    let first = service.code(EMAIL).await;
    let mut attackers = Vec::new();
    for _ in 0..3 {
        attackers.push(service.native().register(EMAIL, EVIL).await.unwrap().resend().await.unwrap());
    }
    let codes = service.codes(EMAIL, 7).await;
    victim.verify(&first).await.unwrap();
    for attacker in &attackers {
        assert_shut_out(&service, attacker, &codes[..4]).await;
    }
}

#[tokio::test]
async fn g08_only_verified_accounts_hold_usernames() {
    let service = Service::start().await;
    let wish = |email: &str| json!({ "email": email, "username": "ada", "password": PASSWORD });
    let squatter = service.native().register_with(&wish("squatter@example.com")).await.unwrap();
    let ada = service.native().register_with(&wish("ada@example.com")).await.expect("nobody holds the name yet");
    ada.verify(&service.code("ada@example.com").await).await.unwrap();

    let taken = refusal(409, "USERNAME_TAKEN");
    assert_eq!(service.native().register_with(&wish("late@example.com")).await.unwrap_err(), taken);
    let code = service.code("squatter@example.com").await;
    for _ in 0..6 {
        assert_eq!(squatter.verify(&code).await.unwrap_err(), taken, "the code is not used up");
    }
    let named = squatter.verify_with(&json!({ "code": code, "username": "other" })).await.unwrap();
    assert_eq!(named.profile().await.unwrap()["username"], "other");
}
