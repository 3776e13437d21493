//! D06: what errors tell, where redirects lead, and what there is to be read without being somebody.

use reqwest::Method;
use serde_json::json;

use super::protected;
use crate::attacks::support::{INNARDS, assert_explained};
use crate::process::api::Api;
use crate::process::configured::Configured;
use crate::support::{PASSWORD, Service};

/// A table that is gone is a failure nobody foresaw.
#[tokio::test]
async fn d06_a_failure_tells_nothing_of_itself() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    service.mail_settled().await;
    service.database().command("ALTER TABLE users RENAME TO elsewhere");
    let native = service.native();
    let replies = [
        native.login_reply("ada@example.com", PASSWORD).await,
        native.post("/auth/register", &json!({ "email": "eve@example.com", "password": PASSWORD })).await,
        native.post("/auth/password/forgot", &json!({ "identity": "ada@example.com" })).await,
        ada.call(Method::GET, "/users/me").send().await,
        ada.call(Method::PATCH, "/users/me").json(&json!({ "fullName": "Ada" })).send().await,
    ];
    service.database().command("ALTER TABLE elsewhere RENAME TO users");
    let failures: Vec<_> = replies.iter().filter(|reply| reply.status >= 500).collect();
    assert!(failures.len() >= 3, "{replies:#?}");
    for reply in failures {
        let document = reply.json();
        let error = &document["errors"][0];
        let code = error["code"].as_str().unwrap_or_default();
        assert!(matches!((reply.status, code), (500, "INTERNAL") | (503, "DEPENDENCY_UNAVAILABLE")), "{}", reply.text);
        assert_eq!(error["id"].as_str(), reply.header("x-request-id"));
        protected(code, reply);
        for word in
            INNARDS.into_iter().chain(["users", "table", "relation", "elsewhere", "backtrace", "ada@example.com"])
        {
            assert!(!reply.text.contains(word), "it tells of {word}: {}", reply.text);
        }
    }
    ada.profile().await.expect("it serves on");
    native.login("ada@example.com", PASSWORD).await.expect("it serves on");
}

#[tokio::test]
async fn d06_refusals_tell_nothing_of_the_inside() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    for value in [
        "'",
        "' OR 1=1 --",
        "\"; DROP TABLE users; --",
        "${jndi:ldap://evil.example/a}",
        "{{7*7}}",
        "../../etc/passwd",
        "%s%n",
        "\u{0}",
    ] {
        let encoded = value.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02x}"));
        let native = service.native();
        for reply in [
            native.login_reply(value, PASSWORD).await,
            native.post("/auth/register", &json!({ "email": value, "password": value })).await,
            native.post("/auth/password/reset/begin", &json!({ "token": value })).await,
            ada.call(Method::GET, &format!("/sessions?page[after]={encoded}")).send().await,
            ada.call(Method::DELETE, &format!("/sessions/{encoded}")).send().await,
            ada.call(Method::GET, &format!("/{encoded}")).send().await,
            ada.call(Method::GET, "/users/me").without("authorization").bearer(&encoded).send().await,
            ada.call(Method::PATCH, "/users/me").json(&json!({ "fullName": value, "x": value })).send().await,
        ] {
            assert_explained(value, &reply);
        }
    }
}

#[tokio::test]
async fn d06_redirects_lead_to_our_own_pages_alone() {
    let service = Service::start().await;
    let own = service.api().base().to_owned();
    let address = own.strip_prefix("http://").unwrap();
    for next in [
        "//evil.example",
        "https:evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "%2f%2fevil.example",
        "@evil.example",
        ".evil.example",
    ] {
        for name in ["next", "redirect", "redirect_uri", "return_to", "url", "state", "code"] {
            for path in ["/.well-known/change-password", "/api/v1/social/google/callback"] {
                let request = format!(
                    "GET {path}?{name}={next} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
                     Referer: https://evil.example/\r\n\r\n"
                );
                let answer = crate::attacks::wire::exchange(address, request.as_bytes()).await.unwrap();
                if answer.status == 302 {
                    let location = answer.header("location");
                    let (page, _) = location.split_once('#').unwrap_or((location, ""));
                    assert!(
                        page.starts_with(&format!("{own}/")) && !page.contains("evil"),
                        "{path}?{name}={next}: {location}"
                    );
                } else {
                    assert!((400..500).contains(&answer.status), "{path}?{name}={next}: {}", answer.body);
                    assert_eq!(answer.header("location"), "");
                }
            }
        }
    }
    let plain = service.api().get("/.well-known/change-password").await;
    assert_eq!((plain.status, plain.header("location")), (302, Some(format!("{own}/account/password").as_str())));
}

/// As it runs in production: metrics have an address of their own, the document is for everybody, and nothing else tells
/// what runs here.
#[tokio::test]
async fn d06_nobody_is_told_what_runs_here() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["http.admin_listen=127.0.0.1:0"]);
    let api = Api::new(service.url());
    for path in [
        "/metrics",
        "/version",
        "/info",
        "/debug",
        "/debug/pprof",
        "/status",
        "/env",
        "/dev",
        "/dev/mail",
        "/dev/clock",
        "/api/v1",
        "/api",
        "/swagger",
        "/swagger-ui",
        "/docs",
        "/openapi.json",
        "/graphql",
        "/actuator",
        "/admin",
        "/api/v2/users/me",
        "/api/v1/version",
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{path}: {}", answer.body);
    }
    let document = api.get("/api/v1/openapi.json").await.expect(200);
    assert!(document.json()["paths"].as_object().is_some_and(|paths| !paths.is_empty()));
    let version = env!("CARGO_PKG_VERSION");
    for path in [
        "/health/live",
        "/health/ready",
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
        "/nowhere",
        "/api/v1/users/me",
    ] {
        let answer = api.get(path).await;
        let text = format!("{:?} {}", answer.headers, answer.body).to_lowercase();
        for word in [version, "actix", "rust", "sqlite", "postgres", "redis", "127.0.0.1"] {
            assert!(!text.contains(word), "{path} tells of {word}: {text}");
        }
    }
    let metrics = crate::process::api::admin_of(&service).await.get("/metrics").await.expect(200);
    assert!(metrics.body.contains("keystead_http_requests_total"));
}
