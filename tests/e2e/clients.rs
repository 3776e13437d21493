//! Two kinds of client: browsers keep secrets in cookies, native clients in bodies, and neither gets the other's.

use std::time::Duration;

use keystead_api_actix::config::{Config, ConfigSources, encode_master_key};
use reqwest::Method;
use serde_json::json;

use crate::support::{Call, Kind, PASSWORD, Reply, Service, SignedIn, refusal};

/// What a request says of where it came from.
type Origin = fn(Call) -> Call;

/// What follows a cookie's value.
fn attributes(reply: &Reply, name: &str) -> String {
    let cookies = reply.cookies();
    let line = cookies.get(name).unwrap_or_else(|| panic!("{name} is not set: {reply:?}"));
    line.split_once(';').unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn cookies_of_browsers_are_exact() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;

    let login = service.browser().login_reply("ada@example.com", PASSWORD).await;
    assert_eq!(
        login.cookies().into_keys().collect::<Vec<_>>(),
        ["keystead-client", "keystead-device", "keystead-refresh"]
    );
    assert_eq!(attributes(&login, "keystead-client"), "HttpOnly; SameSite=Strict; Path=/; Max-Age=1296000");
    // What is left of the session, in whole seconds.
    let refresh = attributes(&login, "keystead-refresh");
    let (fixed, age) = refresh.rsplit_once('=').unwrap();
    assert_eq!(fixed, "HttpOnly; SameSite=Strict; Path=/api/v1/auth; Max-Age");
    assert!((1_295_990..=1_296_000).contains(&age.parse().unwrap()), "{refresh}");
    assert_eq!(attributes(&login, "keystead-device"), "HttpOnly; SameSite=Strict; Path=/; Max-Age=15552000");

    service.advance(Duration::from_secs(86_400)).await;
    let refreshed = ada.refresh_reply().await.ok(200).unwrap();
    assert_eq!(refreshed.cookies().into_keys().collect::<Vec<_>>(), ["keystead-refresh"]);
    let refresh = attributes(&refreshed, "keystead-refresh");
    let (_, age) = refresh.rsplit_once('=').unwrap();
    assert!((1_209_500..=1_209_600).contains(&age.parse().unwrap()), "{refresh}");

    let ada = service.browser().login("ada@example.com", PASSWORD).await.unwrap();
    let out = ada.call(Method::POST, "/auth/logout").send().await.ok(204).unwrap();
    assert_eq!(out.cookies().into_keys().collect::<Vec<_>>(), ["keystead-client", "keystead-refresh"]);
    assert_eq!(out.cookies()["keystead-client"], "; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    assert_eq!(out.cookies()["keystead-refresh"], "; HttpOnly; SameSite=Strict; Path=/api/v1/auth; Max-Age=0");
}

#[tokio::test]
async fn over_https_cookies_are_secure_and_prefixed() {
    // Not `keystead dev`: that one always speaks plain http.
    let https = Service::builder().configured(|config| {
        let flags = [
            ("http.listen", "127.0.0.1:0".to_owned()),
            ("http.public_url", "https://auth.example.com".to_owned()),
            ("store.url", "sqlite://set-below".to_owned()),
            ("captcha.provider", "none".to_owned()),
            ("secrets.master_key", encode_master_key(&config.secrets.master_key).to_string()),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value)).into();
        let store = config.store.clone();
        *config = Config::load(ConfigSources { flags, ..ConfigSources::default() }).unwrap();
        config.store = store;
    });
    let service = https.start().await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let reply = service.browser().post("/auth/register", &body).await.ok(201).unwrap();
    assert_eq!(reply.cookies().into_keys().collect::<Vec<_>>(), ["__Host-keystead-client"]);
    assert_eq!(
        attributes(&reply, "__Host-keystead-client"),
        "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=1296000"
    );

    let client = reply.cookie("__Host-keystead-client").unwrap();
    let verify = |name: &str| {
        let call = service.browser().call(Method::POST, "/auth/register/verify").cookie(name, &client);
        call.bearer(&reply.text_of("accessToken").unwrap()).json(&json!({ "code": "000000" }))
    };
    assert_eq!(verify("keystead-client").send().await.refusal(), refusal(401, "FINGERPRINT_MISMATCH"));
    assert_eq!(verify("__Host-keystead-client").send().await.refusal(), refusal(401, "CODE_INVALID"));
    assert_eq!(service.api().get("/dev/mail").await.status, 404, "no mailbox outside development");
}

#[tokio::test]
async fn a_native_client_with_a_cookie_of_ours_is_refused() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let login = json!({ "identity": "ada@example.com", "password": PASSWORD });
    let refresh = json!({ "refreshToken": ada.refresh });
    for name in ["keystead-client", "keystead-refresh", "keystead-device", "__Host-keystead-client"] {
        for call in [
            ada.client.call(Method::POST, "/auth/login").json(&login),
            ada.call_without_token(Method::POST, "/auth/refresh").json(&refresh),
            ada.call(Method::POST, "/auth/token/verify"),
            ada.call(Method::GET, "/users/me"),
            ada.call(Method::POST, "/auth/logout"),
        ] {
            let reply = call.cookie(name, "value").send().await;
            assert_eq!(reply.refusal(), refusal(400, "CLIENT_KIND_MISMATCH"), "{name}");
            assert!(reply.cookies().is_empty());
        }
    }
    let strange = ada.call(Method::POST, "/auth/token/verify").cookie("theme", "dark").send().await;
    strange.ok(200).unwrap();
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn a_session_cannot_change_its_kind() {
    let service = Service::start().await;
    for kind in [Kind::Native, Kind::Browser] {
        let email = format!("{kind:?}@example.com").to_lowercase();
        let mine = service.registered_at(&service.client(kind), &email).await;
        let other = match kind {
            Kind::Native => service.browser(),
            Kind::Browser => service.native(),
        };
        let disguised = SignedIn { client: other, ..mine.clone() };
        let reply = disguised.refresh_reply().await;
        assert_eq!(reply.refusal(), refusal(400, "CLIENT_KIND_MISMATCH"), "{kind:?}");
        assert!(reply.cookies().is_empty() && !reply.text.contains("ksr_"), "{reply:?}");
        let mine = mine.refresh().await.expect("the session lives");
        mine.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_browser_shows_no_secret_outside_cookies() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    let in_header = ada.client.call(Method::POST, "/auth/token/verify").bearer(&ada.access);
    let reply = in_header.header("keystead-client-id", &ada.client_id).send().await;
    assert_eq!(reply.refusal(), refusal(400, "CLIENT_KIND_MISMATCH"));
    let in_body = ada.call_without_token(Method::POST, "/auth/refresh").json(&json!({ "refreshToken": ada.refresh }));
    assert_eq!(in_body.send().await.refusal(), refusal(400, "CLIENT_KIND_MISMATCH"));
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn routes_that_trust_cookies_ask_where_the_page_came_from() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    let own = service.api().base().to_owned();
    let localhost = own.replace("127.0.0.1", "localhost");
    let page = |method: Method, route: &str| ada.call_without_token(method, route).without("origin");
    let foreign: [(&str, Origin); 6] = [
        ("no word at all", |call| call),
        ("foreign origin", |call| call.header("origin", "https://evil.example")),
        ("opaque origin", |call| call.header("origin", "null")),
        ("cross-site", |call| call.header("sec-fetch-site", "cross-site")),
        ("same-site", |call| call.header("sec-fetch-site", "same-site")),
        ("foreign origin that claims more", |call| {
            call.header("origin", "https://evil.example").header("sec-fetch-site", "same-origin")
        }),
    ];
    for (name, from) in foreign {
        for (method, route) in
            [(Method::POST, "/auth/refresh"), (Method::GET, "/auth/token"), (Method::POST, "/auth/logout")]
        {
            let reply = from(page(method, route)).send().await;
            assert_eq!(reply.refusal(), refusal(403, "CSRF_ORIGIN"), "{name} {route}");
            assert!(reply.cookies().is_empty());
        }
    }
    for origin in [&own, &localhost] {
        page(Method::GET, "/auth/token").header("origin", origin).send().await.ok(200).unwrap();
    }
    let same = page(Method::GET, "/auth/token").header("sec-fetch-site", "same-origin").send().await;
    same.ok(200).unwrap();
    ada.refresh().await.expect("nothing was rotated or ended");
}

#[tokio::test]
async fn a_page_that_just_loaded_gets_an_access_token_and_changes_nothing() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    let loaded = ada.exchange().await.unwrap();
    assert_ne!(loaded.token_id, ada.token_id);
    assert_eq!(loaded.refresh, ada.refresh, "no rotation");
    loaded.verify().await.unwrap();

    let next = ada.refresh().await.unwrap();
    ada.exchange().await.expect("the predecessor counts for thirty seconds");
    service.advance(Duration::from_secs(31)).await;
    assert_eq!(ada.exchange().await.unwrap_err(), refusal(401, "REFRESH_INVALID"));
    next.exchange().await.expect("and nothing ended");
    next.refresh().await.unwrap();

    let thief = SignedIn { client_id: "someone-else".into(), ..next.clone() };
    assert_eq!(thief.exchange().await.unwrap_err(), refusal(401, "REFRESH_INVALID"));
    next.exchange().await.expect("nor here");

    let native = service.native().call(Method::GET, "/auth/token").send().await;
    assert_eq!(native.refusal(), refusal(400, "CLIENT_KIND_MISMATCH"));
}

#[tokio::test]
async fn a_page_load_does_not_prolong_a_session() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    service.advance(Duration::from_secs(6 * 86_400)).await;
    ada.exchange().await.unwrap();
    service.advance(Duration::from_secs(86_400)).await;
    assert_eq!(ada.exchange().await.unwrap_err(), refusal(401, "REFRESH_INVALID"));
    let late = ada.refresh_reply().await;
    assert_eq!(late.refusal(), refusal(401, "REFRESH_EXPIRED"));
    assert_eq!(late.cookie("keystead-refresh").as_deref(), Some(""), "cookies of no use are cleared");
}

#[tokio::test]
async fn an_access_token_counts_with_its_client_id_only() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let bob = service.registered("bob@example.com").await;
    let verify = || ada.client.call(Method::POST, "/auth/token/verify").bearer(&ada.access);
    let mismatch = refusal(401, "FINGERPRINT_MISMATCH");
    assert_eq!(verify().send().await.refusal(), mismatch);
    assert_eq!(verify().header("keystead-client-id", &bob.client_id).send().await.refusal(), mismatch);
    ada.verify().await.expect("a wrong client id ends nothing here");
    let missing = ada.call(Method::POST, "/auth/token/verify").without("authorization").send().await;
    assert_eq!(missing.refusal(), refusal(401, "TOKEN_MISSING"));
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"keystead\""));
    let refresh = ada.call_without_token(Method::POST, "/auth/token/verify").bearer(&ada.refresh).send().await;
    assert_eq!(refresh.refusal(), refusal(401, "TOKEN_INVALID"));
}
