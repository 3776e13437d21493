//! A session that began at a provider belongs to this service alone: docs/social.md, "Sessions".

use std::time::Duration;

use keystead_domain::limits;

use super::provider::{Account, Provider};
use super::{come, configured};
use crate::support::Service;

#[tokio::test]
async fn a_session_that_began_at_a_provider_lives_like_any_other_and_outlives_the_provider() {
    let provider = Provider::alone();
    let idp = configured(&provider, "idp", "RS256");
    let service = Service::builder().configured(|config| config.social.providers = vec![idp]).start().await;
    let account = Account::new("ada", "ada@example.com");
    let client = service.native();
    let mut elsewhere = come(&client, &provider, &account).await.unwrap().signed_in();
    let mut here = service.registered("bob@example.com").await;
    let flow = client.begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &account).await;
    provider.stop();
    assert_eq!(flow.complete(&back).await.unwrap_err().status, 503, "the provider is away");

    // Within the idle time of a session, up to its life: nobody is asked elsewhere.
    let step = limits::SESSION_IDLE.saturating_sub(Duration::from_secs(60));
    let last = limits::SESSION_LIFE.saturating_sub(step * 2);
    assert!(last < step);
    for span in [Duration::ZERO, step, step] {
        service.advance(span).await;
        (elsewhere, here) = (elsewhere.refresh().await.unwrap(), here.refresh().await.unwrap());
        elsewhere.get("/users/me").await.expect("its tokens count");
        assert_eq!(elsewhere.claims()["amr"], serde_json::json!(["fed"]));
    }
    service.advance(last + Duration::from_secs(60)).await;
    let ends = (elsewhere.refresh().await.err(), here.refresh().await.err());
    assert!(ends.0.is_some(), "its life is over");
    assert_eq!(ends.0, ends.1, "as that of any other");
}
