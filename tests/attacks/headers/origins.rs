//! D03: pages of other origins.

use reqwest::Method;

use super::protected;
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Reply, Service};

const LOGIN: &str = "/api/v1/auth/login";

/// Nothing lets a page of another origin read the answer, and no cache gives it to one.
#[track_caller]
fn unshared(attack: &str, reply: &Reply) {
    let shares = reply.header_names().into_iter().find(|name| name.starts_with("access-control"));
    assert_eq!(shares, None, "{attack}: {reply:?}");
    let vary: Vec<&str> = reply.headers.get_all("vary").iter().map(|vary| vary.to_str().unwrap()).collect();
    assert!(vary.iter().any(|vary| vary.contains("Origin")), "{attack}: {vary:?}");
}

#[tokio::test]
async fn d03_other_origins_learn_nothing() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    let before = Digest::of(&service).await;
    let own = service.api().base().to_owned();
    let port = own.rsplit_once(':').unwrap().1;
    for origin in [
        "https://evil.example".to_owned(),
        "null".into(),
        "*".into(),
        "file://".into(),
        format!("{own}.evil.example"),
        format!("{own}0"),
        own.replace("http://", "https://"),
        "http://127.0.0.1".into(),
        "http://127.0.0.1:1".into(),
        format!("http://evil127.0.0.1:{port}"),
        format!("http://a.127.0.0.1:{port}"),
        format!("{own}/"),
        format!("{own}@evil.example"),
        format!("{own} https://evil.example"),
        own.replace("http", "HTTP"),
    ] {
        let api = service.api();
        let simple = api.at(Method::GET, "/api/v1/auth/status").header("origin", &origin).send().await.ok(200).unwrap();
        unshared(&origin, &simple);
        // With credentials.
        let own_data = ada.call(Method::GET, "/users/me").without("origin").header("origin", &origin).send().await;
        unshared(&origin, &own_data);
        let missing = api.at(Method::GET, "/nowhere").header("origin", &origin).send().await;
        unshared(&origin, &missing);
        for (method, path) in [("POST", LOGIN), ("GET", "/api/v1/users/me"), ("DELETE", "/api/v1/users/me")] {
            let preflight = api.at(Method::OPTIONS, path).header("origin", &origin);
            let preflight = preflight
                .header("access-control-request-method", method)
                .header("access-control-request-headers", "authorization, content-type, x-evil")
                .header("access-control-request-private-network", "true");
            let preflight = preflight.send().await;
            assert_refused(&origin, &preflight, 403, "CSRF_ORIGIN");
            unshared(&origin, &preflight);
            protected(&origin, &preflight);
        }
    }
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn d03_our_own_origin_is_named_exactly() {
    let service = Service::start().await;
    let own = service.api().base().to_owned();
    let call = service.api().at(Method::OPTIONS, LOGIN).header("origin", &own);
    let preflight = call.header("access-control-request-method", "POST").send().await.ok(204).unwrap();
    let simple = service.api().at(Method::GET, "/api/v1/auth/status").header("origin", &own).send().await;
    for reply in [&preflight, &simple.ok(200).unwrap()] {
        assert_eq!(reply.header("access-control-allow-origin"), Some(own.as_str()));
        assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(reply.header("vary"), Some("Origin"));
        let listed: Vec<&str> =
            reply.header_names().into_iter().filter(|name| name.starts_with("access-control")).collect();
        assert!(listed.iter().all(|name| !reply.header(name).unwrap().contains('*')), "{reply:?}");
    }
    // A page is told of the headers it may send; what it asks for is not echoed.
    let call = service.api().at(Method::OPTIONS, LOGIN).header("origin", &own);
    let asking =
        call.header("access-control-request-method", "POST").header("access-control-request-headers", "x-evil");
    let allowed = asking.send().await.ok(204).unwrap();
    assert!(!allowed.header("access-control-allow-headers").unwrap().to_lowercase().contains("x-evil"));
    assert_eq!(allowed.header("access-control-allow-private-network"), None);
}
