//! Somebody claims the victim's address first, or last, by password, by an account elsewhere: it never opens the victim's
//! account, and the victim always has it.

use super::provider::{Account, Provider};
use super::{come, start, start_with};
use crate::support::{HalfWay, PASSWORD, Service, SignedIn, refusal};

const EMAIL: &str = "victim@example.com";
const EVIL: &str = "granite-otter-sunday-93";

/// What the attacker tried opens nothing, whatever codes they guess.
async fn assert_shut_out(service: &Service, attacker: &HalfWay, victim: &SignedIn) {
    for code in ["000000", "123456"] {
        assert_eq!(attacker.verify(code).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    }
    assert_eq!(service.native().login(EMAIL, EVIL).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    victim.get("/users/me").await.unwrap();
    assert_eq!(service.database().count("users"), 1);
}

fn victims() -> Account {
    Account::new("victim", EMAIL)
}

/// An account elsewhere whose owner wrote the victim's address there, and never verified it.
fn attackers() -> Account {
    Account::unverified("attacker", EMAIL)
}

async fn attacker_by_social(service: &Service, provider: &Provider) -> HalfWay {
    come(&service.native(), provider, &attackers()).await.unwrap().half_way()
}

#[tokio::test]
async fn g08_by_password_before_the_victim_comes_with_an_account_elsewhere() {
    let (service, provider) = start().await;
    let attacker = service.native().register(EMAIL, EVIL).await.unwrap();
    let code = service.code(EMAIL).await;
    let victim = come(&service.browser(), provider, &victims()).await.unwrap().signed_in();
    assert_eq!(attacker.verify(&code).await.unwrap_err(), refusal(401, "CODE_INVALID"), "the claim ended");
    assert_shut_out(&service, &attacker, &victim).await;
}

#[tokio::test]
async fn g08_by_an_account_elsewhere_before_the_victim_registers() {
    let (service, provider) = start().await;
    let attacker = attacker_by_social(&service, provider).await;
    let theirs = service.code(EMAIL).await;
    let claim = service.native().register(EMAIL, PASSWORD).await.unwrap();
    let codes = service.codes(EMAIL, 2).await;
    assert_eq!(claim.verify(&theirs).await.unwrap_err(), refusal(401, "CODE_INVALID"), "the attacker's mail");
    let victim = claim.verify(&codes[1]).await.unwrap();
    assert_eq!(attacker.verify(&theirs).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    assert_shut_out(&service, &attacker, &victim).await;
    assert_eq!(victim.linked().await.unwrap(), Vec::<String>::new());
    attacker_by_social(&service, provider).await;
}

#[tokio::test]
async fn g08_by_an_account_elsewhere_before_the_victim_comes_with_theirs() {
    let (service, provider) = start().await;
    let attacker = attacker_by_social(&service, provider).await;
    let code = service.code(EMAIL).await;
    let victim = come(&service.browser(), provider, &victims()).await.unwrap().signed_in();
    assert_eq!(attacker.verify(&code).await.unwrap_err(), refusal(401, "CODE_INVALID"));
    assert_shut_out(&service, &attacker, &victim).await;
    let again = attacker_by_social(&service, provider).await;
    assert_shut_out(&service, &again, &victim).await;
    assert_eq!(come(&service.native(), provider, &victims()).await.unwrap().signed_in().user_id(), victim.user_id());
}

#[tokio::test]
async fn g08_after_the_victim_in_every_way() {
    let (service, provider) = start().await;
    let victim = service.registered(EMAIL).await;
    let attacker = attacker_by_social(&service, provider).await;
    assert_shut_out(&service, &attacker, &victim).await;
    let attacker = service.native().register(EMAIL, EVIL).await.unwrap();
    assert_shut_out(&service, &attacker, &victim).await;
    service.mails_about(EMAIL, "You already have an account", 2).await;
    let came = come(&service.native(), provider, &victims()).await.unwrap().signed_in();
    assert_eq!(came.user_id(), victim.user_id());
    assert_shut_out(&service, &attacker, &victim.client.login(EMAIL, PASSWORD).await.unwrap()).await;
}

#[tokio::test]
async fn g08_where_the_provider_is_not_believed_its_word_opens_nothing() {
    let (service, provider) = start_with(|idp| idp.vouches_for_addresses = false).await;
    let victim = service.registered(EMAIL).await;
    // The provider says it verified the address; the operator does not believe it.
    let lying = Account::new("attacker", EMAIL);
    let attacker = come(&service.native(), provider, &lying).await.unwrap().half_way();
    assert_shut_out(&service, &attacker, &victim).await;
}
