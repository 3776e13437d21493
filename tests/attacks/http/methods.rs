//! H07: other methods, and headers that would change the method or the path.

use keystead_api_actix::authorization::RULES;
use reqwest::Method;
use serde_json::json;

use super::{Target, refused};

/// What must not come back (cross-site tracing).
const MARKER: &str = "marker-2917";

#[tokio::test]
async fn h07_methods_and_their_overrides() {
    let target = Target::start().await;
    for method in ["TRACE", "TRACK", "PROPFIND", "get", "Get", "DELETE2", "FOO", "PUT", "POST"] {
        let request = format!(
            "{method} /api/v1/users/me HTTP/1.1\r\nHost: a\r\nX-Echo: {MARKER}\r\nCookie: a={MARKER}\r\nContent-Length: 0\r\n\r\n"
        );
        let reply = target.exchange(request).await;
        refused(method, &reply, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(reply.header("allow"), Some("GET, HEAD, PATCH, DELETE"), "{method}");
        assert!(!format!("{reply:?}").contains(MARKER), "{method}");
    }
    for connect in ["evil.example:443", "127.0.0.1:22"] {
        let reply = target.exchange(format!("CONNECT {connect} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        refused("CONNECT", &reply, 405, "METHOD_NOT_ALLOWED");
    }
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/api/v1/sessions"),
        ("x-rewrite-url", "/api/v1/sessions"),
        ("x-override-url", "/api/v1/sessions"),
        ("x-forwarded-prefix", "/api/v1/sessions"),
    ] {
        let reply = target.ada.call(Method::GET, "/users/me").header(name, value).send().await.ok(200).unwrap();
        assert_eq!(reply.json()["data"]["type"], "users", "{name}");
        // From a method that could carry one, too.
        let reply = target.ada.call(Method::POST, "/users/me").header(name, value).json(&json!({})).send().await;
        refused(name, &reply, 405, "METHOD_NOT_ALLOWED");
    }
    let reply = target.ada.call(Method::GET, "/sessions?_method=DELETE").send().await;
    refused("_method", &reply, 400, "UNKNOWN_PARAMETER");
    let reply = target.ada.call(Method::PATCH, "/users/me").json(&json!({ "_method": "DELETE" })).send().await;
    refused("_method in a body", &reply, 422, "UNKNOWN_ATTRIBUTE");
    target.unharmed().await;
}

#[tokio::test]
async fn h07_no_route_answers_to_a_method_it_has_not() {
    let target = Target::start().await;
    for rule in RULES {
        let path = rule.path.replace(['{', '}'], "");
        for method in ["TRACE", "TRACK", "PROPFIND", &rule.method.to_lowercase()] {
            let attack = format!("{method} {path}");
            let request = format!("{attack} HTTP/1.1\r\nHost: a\r\nX-Echo: {MARKER}\r\nContent-Length: 0\r\n\r\n");
            let reply = target.exchange(request).await;
            refused(&attack, &reply, 405, "METHOD_NOT_ALLOWED");
            let allowed: Vec<&str> = reply.header("allow").unwrap_or_default().split(", ").collect();
            assert!(allowed.contains(&rule.method) && !allowed.contains(&method), "{attack}: {allowed:?}");
            assert!(!format!("{reply:?}").contains(MARKER), "{attack}");
        }
    }
    target.unharmed().await;
}
