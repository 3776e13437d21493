//! Signing in with an account elsewhere, from the first time on.

use serde_json::{Value, json};

use super::provider::Account;
use super::{come, configured, start, start_with};
use crate::support::{Kind, Service, refusal};

#[tokio::test]
async fn somebody_new_comes_and_comes_again_whatever_the_provider_signs_with() {
    let provider = super::Provider::running();
    for (nth, algorithm) in ["RS256", "PS256", "ES256", "EdDSA"].into_iter().enumerate() {
        let idp = configured(provider, "idp", algorithm);
        let service = Service::builder().configured(|config| config.social.providers = vec![idp]).start().await;
        for kind in [Kind::Browser, Kind::Native] {
            let client = service.client(kind);
            let account = Account::new(&format!("{nth}-{kind:?}"), &format!("new-{nth}-{kind:?}@example.com"));
            let first = come(&client, provider, &account).await.unwrap().signed_in();
            let profile = first.get("/users/me").await.unwrap();
            assert_eq!(
                profile["data"]["attributes"]["email"],
                format!("new-{nth}-{kind:?}@example.com").to_lowercase()
            );
            assert_eq!(profile["data"]["attributes"]["fullName"], "Ada Lovelace");
            assert_eq!(first.claims()["amr"], json!(["fed"]), "{algorithm}");
            let again = come(&client, provider, &account).await.unwrap().signed_in();
            assert_eq!(again.user_id(), first.user_id());
        }
        assert_eq!(service.database().count("users"), 2);
    }
}

#[tokio::test]
async fn an_account_is_linked_by_an_address_that_both_sides_verified() {
    let (service, provider) = start().await;
    let ada = service.registered("ada@example.com").await;
    let account = Account::new("ada", "Ada@example.com");
    let came = come(&service.browser(), provider, &account).await.unwrap().signed_in();
    assert_eq!(came.user_id(), ada.user_id());
    assert_eq!(came.linked().await.unwrap(), ["idp"]);
    let copy = came.get("/users/me/export").await.unwrap();
    assert_eq!(copy["data"]["attributes"]["socialIdentities"][0]["provider"], "idp");
    service.mails_about("ada@example.com", "", 3).await;
    ada.client.login("ada@example.com", crate::support::PASSWORD).await.expect("the password stays");
}

#[tokio::test]
async fn g11_an_enrolled_factor_is_asked_for() {
    let (service, provider) = start().await;
    let (ada, program) = service.enrolled("ada@example.com").await;
    let asked = come(&service.native(), provider, &Account::new("a", "ada@example.com")).await.unwrap().half_way();
    assert_eq!(asked.options, ["totp"]);
    assert_eq!(ada.linked().await.unwrap(), Vec::<String>::new(), "nothing is linked before the factor is shown");
    let code = service.fresh_code(&program).await;
    let came = asked.answer("totp", &code).await.unwrap();
    assert_eq!(came.user_id(), ada.user_id());
}

#[tokio::test]
async fn an_address_that_nobody_vouches_for_is_proved_by_a_code() {
    let (service, provider) = start_with(|idp| idp.vouches_for_addresses = false).await;
    let account = Account::new("ada", "ada@example.com");
    let claim = come(&service.native(), provider, &account).await.unwrap().half_way();
    let ada = claim.verify(&service.code("ada@example.com").await).await.unwrap();
    assert_eq!(ada.linked().await.unwrap(), ["idp"]);
    let again = come(&service.native(), provider, &account).await.unwrap().signed_in();
    assert_eq!(again.user_id(), ada.user_id());
}

#[tokio::test]
async fn whoever_has_no_address_or_no_business_here_is_told_so() {
    let (service, provider) = start().await;
    let client = service.native();
    let nobody = come(&client, provider, &Account::without_address("x")).await;
    assert_eq!(nobody.unwrap_err(), refusal(422, "SOCIAL_NO_ADDRESS"));
    assert_eq!(client.begin_social("nowhere").await.unwrap_err(), refusal(404, "NOT_FOUND"));
    let idp = configured(provider, "idp", "RS256");
    let closed = Service::builder().configured(|config| {
        config.social.providers = vec![idp];
        config.registration.open = false;
    });
    let closed = closed.start().await;
    let stranger = come(&closed.native(), provider, &Account::new("x", "stranger@example.com")).await;
    assert_eq!(stranger.unwrap_err(), refusal(403, "REGISTRATION_CLOSED"));
}

#[tokio::test]
async fn texts_are_no_booleans() {
    let (service, provider) = start().await;
    service.registered("ada@example.com").await;
    for verified in [json!("true"), json!(1), Value::Null] {
        let account = Account::new("mallory", "ada@example.com").with("email_verified", verified);
        let decoy = come(&service.native(), provider, &account).await.unwrap().half_way();
        assert_eq!(decoy.claims()["purpose"], "register");
    }
    assert_eq!(service.database().count("users"), 1);
}

#[tokio::test]
async fn the_providers_are_told() {
    let (service, _) = start().await;
    let list = service.api().get("/api/v1/social").await.ok(200).unwrap().json();
    let told: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| (&one["id"], &one["attributes"])).collect();
    let (idp, other) = (json!({ "displayName": "The idp" }), json!({ "displayName": "The other" }));
    assert_eq!(told, [(&json!("idp"), &idp), (&json!("other"), &other)]);
}

#[tokio::test]
async fn coming_back_changes_nothing_and_leads_to_our_own_page() {
    let (service, provider) = start().await;
    let flow = service.native().begin_social("idp").await.unwrap();
    let back = provider.visit(&flow.url, &Account::new("ada", "ada@example.com")).await;
    let base = service.api().base();
    let query = format!("code={}&state={}&session_state=x&iss={}", back.code, back.state, provider.issuer);
    for _ in 0..3 {
        let reply = service.api().get(&format!("/api/v1/social/idp/callback?{query}")).await;
        assert_eq!((reply.status, reply.header("cache-control")), (302, Some("no-store")));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        let page = reply.header("location").unwrap();
        assert!(page.starts_with(&format!("{base}/social/callback#provider=idp&code={}&state=", back.code)), "{page}");
        assert!(!page.contains("session_state"));
    }
    // What others write there stays in the fragment of our page.
    for (path, query) in [
        ("idp", "code=x%23y%26provider=evil&state=%0d%0aSet-Cookie:%20a=b"),
        ("idp", "error=access_denied&error_description=%3Cscript%3E"),
        ("nowhere", "code=https://evil.example"),
        ("idp", "redirect_uri=https://evil.example&next=//evil.example&state=a"),
    ] {
        let reply = service.api().get(&format!("/api/v1/social/{path}/callback?{query}")).await;
        let page = reply.header("location").unwrap();
        assert!(page.starts_with(&format!("{base}/social/callback#provider={path}")), "{page}");
        assert!(!page.contains("script") && page.matches("provider=").count() == 1, "{page}");
        assert_eq!(reply.header("set-cookie"), None);
    }
    for odd in ["/api/v1/social/..%2f..%2fevil/callback", "/api/v1/social/%40evil.example/callback"] {
        assert_eq!(service.api().get(odd).await.status, 404, "{odd}");
    }
    let twice = service.api().get("/api/v1/social/idp/callback?code=a&code=b").await;
    assert_eq!(twice.refusal(), refusal(400, "DUPLICATE_PARAMETER"));
    // Nothing was used up.
    flow.complete(&back).await.unwrap().signed_in();
}
