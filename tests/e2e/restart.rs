//! What a restart on the same data keeps: everything that was promised, and everything that was refused.

use serde_json::json;

use crate::support::{PASSWORD, Service, refusal};

const EMAIL: &str = "ada@example.com";
const WRONG: &str = "copper-violin-meadow-17";

#[tokio::test]
async fn sessions_claims_and_links_survive_a_restart() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let browser = service.browser().login(EMAIL, PASSWORD).await.unwrap();
    let lost = ada.refresh().await.unwrap();
    let ended = service.native().login(EMAIL, PASSWORD).await.unwrap();
    ended.log_out().await.unwrap();
    let half_way = service.native().register("bob@example.com", PASSWORD).await.unwrap();
    let code = service.code("bob@example.com").await;
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);

    let _running = service.restart().await;
    ada.verify().await.unwrap();
    browser.verify().await.unwrap();
    assert_eq!(ended.refused().await, refusal(401, "TOKEN_REVOKED"), "what was revoked stays so");
    assert_eq!(ended.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(ada.refresh().await.unwrap().refresh, lost.refresh, "the answer that was lost is given again");
    browser.refresh().await.unwrap();
    let bob = half_way.verify(&code).await.unwrap();
    bob.verify().await.unwrap();
    ada.client.begin_reset(&link).await.unwrap();
}

#[tokio::test]
async fn g09_budgets_survive_a_restart() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let ada = service.registered(EMAIL).await;
    let device = ada.device.clone().unwrap();
    for number in 1..=10 {
        let client = service.native().at(&format!("198.51.100.{number}"));
        assert_eq!(client.login(EMAIL, WRONG).await.unwrap_err(), refusal(401, "INVALID_CREDENTIALS"));
    }
    let busy = service.native().at("192.0.2.1");
    for nth in 0..5 {
        busy.register(&format!("new{nth}@example.com"), PASSWORD).await.unwrap();
    }
    let half_way = service.native().at("192.0.2.2").register("bob@example.com", PASSWORD).await.unwrap();
    let code = service.code("bob@example.com").await;
    for _ in 0..5 {
        half_way.verify(&crate::single_use::wrong(&code)).await.unwrap_err();
    }

    let service = service.restart().await;
    let stranger = service.native().at("198.51.100.20");
    assert_eq!(stranger.login(EMAIL, PASSWORD).await.unwrap_err(), refusal(429, "ACCOUNT_LIMITED"));
    stranger.on_device(&device).login(EMAIL, PASSWORD).await.expect("the owner gets in");
    let refused = busy.register_with(&json!({ "email": "new5@example.com", "password": PASSWORD })).await.unwrap_err();
    assert_eq!(refused, refusal(429, "RATE_LIMITED"));
    assert_eq!(half_way.verify(&code).await.unwrap_err(), refusal(401, "CODE_INVALID"), "the code stays dead");
}

#[tokio::test]
async fn mail_that_was_promised_is_sent_by_the_next_process() {
    let service = Service::start().await;
    let half_way = service.native().register(EMAIL, PASSWORD).await.unwrap();
    // No waiting for the mail: whether this process or the next one sends it is open.
    let service = service.restart().await;
    service.mail_settled().await;
    let codes = service.codes(EMAIL, 1).await;
    assert_eq!(codes.len(), 1);
    half_way.verify(&codes[0]).await.unwrap();
}
