//! The whole round trip in a real browser: our page, the provider's, our callback, our page.

use serde_json::json;

use super::provider::{Account, Provider};
use super::start;
use crate::process::browser::driver::Browser;

#[tokio::test]
async fn somebody_goes_to_the_provider_and_comes_back_signed_in() {
    let (service, _) = start().await;
    let base = service.api().base().to_owned();
    let browser = Browser::start().await;
    browser.open(&format!("{base}/health/live")).await;
    let flow = browser.fetch("POST", "/api/v1/social/idp", &[], None).await.expect(200);
    let url = flow.attribute("url");
    browser.open(&Provider::as_account(&url, &Account::new("ada", "ada@example.com"))).await;
    let here = browser.run("arguments[0](location.href)", json!([])).await;
    let here = here.as_str().unwrap();
    let (page, fragment) = here.split_once('#').unwrap_or_else(|| panic!("{here}"));
    assert_eq!(page, format!("{base}/social/callback"));
    let of = |name: &str| {
        let script = "const [text, name, done] = arguments; done(new URLSearchParams(text).get(name))";
        browser.run(script, json!([fragment, name]))
    };
    let body = json!({ "code": of("code").await, "state": of("state").await, "iss": of("iss").await });
    let came = browser.fetch("POST", "/api/v1/social/idp/callback", &[], Some(&body)).await.expect(200);
    assert_eq!(came.attribute("state"), "authorized");
    // What it was given in cookies stays there.
    let bearer = format!("Bearer {}", came.attribute("accessToken"));
    let me = browser.fetch("GET", "/api/v1/users/me", &[("authorization", &bearer)], None).await.expect(200);
    assert_eq!(me.attribute("email"), "ada@example.com");
    assert_eq!(browser.run("arguments[0](document.cookie)", json!([])).await, json!(""));
    let again = browser.fetch("POST", "/api/v1/social/idp/callback", &[], Some(&body)).await;
    assert_eq!(again.status, 401);
}
