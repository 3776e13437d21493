//! Flows that are taken over, replayed, mixed up or raced.

use keystead_testkit::race::race;
use reqwest::Method;

use super::provider::Account;
use super::{come, start};
use crate::support::{Back, Kind, refusal, tally};

#[tokio::test]
async fn a_state_counts_once_for_the_client_that_began() {
    let (service, provider) = start().await;
    let invalid = refusal(401, "SOCIAL_INVALID");
    for kind in [Kind::Browser, Kind::Native] {
        let account = Account::new(&format!("{kind:?}"), &format!("{kind:?}@example.com"));
        let client = service.client(kind);
        // Login CSRF: another browser brings the attacker's answer.
        let flow = client.begin_social("idp").await.unwrap();
        let others = client.begin_social("idp").await.unwrap();
        let back = provider.visit(&flow.url, &account).await;
        assert_eq!(flow.by(&others.client_id).complete(&back).await.unwrap_err(), invalid);
        assert_eq!(flow.complete(&back).await.unwrap_err(), invalid, "it is used up by that");
        // Replayed.
        let flow = client.begin_social("idp").await.unwrap();
        let back = provider.visit(&flow.url, &account).await;
        flow.complete(&back).await.unwrap().signed_in();
        assert_eq!(flow.complete(&back).await.unwrap_err(), invalid);
        // Swapped, and made up.
        let (one, two) = (client.begin_social("idp").await.unwrap(), client.begin_social("idp").await.unwrap());
        let back = provider.visit(&one.url, &account).await;
        let swapped = Back { state: two.parameter("state"), ..back.clone() };
        assert_eq!(two.complete(&swapped).await.unwrap_err(), invalid, "its verifier is another");
        let made_up = Back { state: "A".repeat(43), ..back };
        assert_eq!(one.complete(&made_up).await.unwrap_err(), invalid);
    }
    assert_eq!(service.database().count("audit_events WHERE name = 'social_fail'"), 10);
}

#[tokio::test]
async fn a_code_of_another_flow_is_refused() {
    let (service, provider) = start().await;
    let victims = service.browser().begin_social("idp").await.unwrap();
    let stolen = provider.visit(&victims.url, &Account::new("victim", "victim@example.com")).await.code;
    // The attacker's own flow, at their own client, with the victim's code: PKCE and the nonce are the victim's.
    let own = service.browser().begin_social("idp").await.unwrap();
    let injected = Back { code: stolen, state: own.parameter("state"), iss: Some(provider.issuer.clone()) };
    assert_eq!(own.complete(&injected).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
    assert_eq!(service.database().count("users"), 0);
}

#[tokio::test]
async fn providers_are_not_mixed_up() {
    let (service, provider) = start().await;
    let account = Account::new("ada", "ada@example.com");
    let flow = service.native().begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &account).await;
    assert_eq!(flow.at("other").complete(&back).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
    let flow = service.native().begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &account).await;
    // RFC 9207: the answer says that it is of another issuer, or leaves out what the provider always says.
    for iss in [Some("https://evil.example".to_owned()), None] {
        let flow = service.native().begin_social("idp").await.unwrap();
        let own = provider.visit(&flow.url, &account).await;
        assert_eq!(flow.complete(&Back { iss, ..own }).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
    }
    flow.complete(&back).await.unwrap().signed_in();
}

#[tokio::test]
async fn a_flow_that_took_too_long_is_over() {
    let (service, provider) = start().await;
    let flow = service.native().begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &Account::new("ada", "ada@example.com")).await;
    service.advance(std::time::Duration::from_secs(600)).await;
    assert_eq!(flow.complete(&back).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_parallel_answers_one_signs_in() {
    let (service, provider) = start().await;
    let flow = service.native().begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &Account::new("ada", "ada@example.com")).await;
    let answers = race(64, |_| {
        let (flow, back) = (flow.clone(), back.clone());
        async move { flow.complete(&back).await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!((won.len(), refused), (1, [(refusal(401, "SOCIAL_INVALID"), 63)].into()));
    assert_eq!(service.database().count("users"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_elsewhere_that_comes_16_times_at_once_is_one_account_here() {
    let (service, provider) = start().await;
    let account = Account::new("ada", "ada@example.com");
    let mut flows = Vec::new();
    for _ in 0..16 {
        let flow = service.native().begin_social("idp").await.unwrap();
        let back = provider.visit(&flow.url, &account).await;
        flows.push((flow, back));
    }
    let answers = race(16, |nth| {
        let (flow, back) = flows[nth].clone();
        async move { flow.complete(&back).await.map(|arrived| arrived.signed_in().user_id()) }
    });
    let (mut won, refused) = tally(answers.await);
    won.dedup();
    assert_eq!((won.len(), refused.len()), (1, 0), "{refused:?}");
    assert_eq!((service.database().count("users"), service.database().count("social_identities")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_elsewhere_with_one_address_one_is_linked() {
    let (service, provider) = start().await;
    let ada = service.registered("ada@example.com").await;
    let mut flows = Vec::new();
    for nth in 0..8 {
        let flow = service.native().begin_social("idp").await.unwrap();
        let back = provider.visit(&flow.url, &Account::new(&format!("sub-{nth}"), "ada@example.com")).await;
        flows.push((flow, back));
    }
    let answers = race(8, |nth| {
        let (flow, back) = flows[nth].clone();
        async move { flow.complete(&back).await.map(|arrived| arrived.signed_in().user_id()) }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!((won, refused), (vec![ada.user_id()], [(refusal(409, "SOCIAL_TAKEN"), 7)].into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_elsewhere_that_two_people_link_at_once_opens_one_account() {
    let (service, provider) = start().await;
    let account = Account::new("shared", "shared@example.com");
    let mut people = Vec::new();
    for nth in 0..4 {
        let person = service.registered(&format!("person-{nth}@example.com")).await;
        let back = provider.visit(&person.begin_link("idp").await.unwrap(), &account).await;
        people.push((person, back));
    }
    let answers = race(4, |nth| {
        let (person, back) = people[nth].clone();
        async move { person.complete_link("idp", &back).await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!((won.len(), refused), (1, [(refusal(409, "SOCIAL_TAKEN"), 3)].into()));
    let came = come(&service.native(), provider, &account).await.unwrap().signed_in();
    assert_eq!(came.user_id(), won[0].user_id());
}

#[tokio::test]
async fn other_pages_begin_and_complete_nothing() {
    let (service, _) = start().await;
    for route in ["/social/idp", "/social/idp/callback"] {
        let body = serde_json::json!({ "code": "a", "state": "b" });
        let call = service.api().call(Method::POST, route).header("origin", "https://evil.example");
        let call = if route.ends_with("callback") { call.json(&body) } else { call };
        let reply = call.send().await;
        assert_eq!(reply.refusal(), refusal(403, "CSRF_ORIGIN"), "{route}");
        assert_eq!(reply.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_is_an_outage_of_its_own() {
    let (service, _) = super::start_with(|idp| idp.issuer = "http://127.0.0.1:1".to_owned()).await;
    assert_eq!(service.native().begin_social("idp").await.unwrap_err(), refusal(503, "PROVIDER_UNAVAILABLE"));
    service.native().begin_social("other").await.unwrap();
}
