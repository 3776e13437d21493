//! D01: the security headers, on every answer of every status, behind an https address as in production.

use std::collections::BTreeSet;

use keystead_api_actix::authorization::RULES;
use serde_json::json;

use super::protected;
use crate::attacks::http::reply;
use crate::attacks::wire::exchange;
use crate::process::api::{Answer, Api, PASSWORD};
use crate::process::configured::Configured;

const HSTS: &str = "max-age=63072000; includeSubDomains";

/// What every answer has, and what goes with its status.
#[track_caller]
fn complete(what: &str, answer: &Answer) {
    protected(what, &reply(Some(answer.clone())));
    assert_eq!(answer.header("strict-transport-security"), HSTS, "{what}");
    let cache = answer.header("cache-control");
    assert!(cache == "no-store" || (answer.status == 200 && cache.starts_with("public, ")), "{what}: {cache}");
    if matches!(answer.status, 429 | 503) {
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{what}");
    }
}

#[tokio::test]
async fn d01_every_status_carries_every_header() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    // One hash at a time, one waiting: more are turned away with 503.
    let service = configured.serve(&[
        "http.public_url=https://id.example.com",
        "passwords.argon2.permits=1",
        "passwords.argon2.queue=1",
        "http.body_timeout=1s",
        "limits.login=1000/1m",
        "limits.slow-down=1000/1m",
        "limits.link=1/1h",
    ]);
    let api = Api::new(service.url());
    let native = [("keystead-client", "native")];
    let send = async |method: &str, path: &str, headers: &[(&str, &str)], body: Option<serde_json::Value>| {
        api.send(method, path, headers, body.as_ref()).await
    };
    let login = "/api/v1/auth/login";
    let mut answers: Vec<Answer> = vec![
        send("GET", "/api/v1/auth/status", &[], None).await,
        send("GET", "/health/live", &[], None).await,
        send("GET", "/.well-known/jwks.json", &[], None).await,
        send("GET", "/api/v1/openapi.json", &[], None).await,
        send("POST", "/api/v1/auth/register", &native, Some(json!({"email": "a@example.com", "password": PASSWORD})))
            .await,
        send("POST", "/api/v1/auth/password/forgot", &native, Some(json!({"identity": "a@example.com"}))).await,
        send(
            "OPTIONS",
            login,
            &[("origin", "https://id.example.com"), ("access-control-request-method", "POST")],
            None,
        )
        .await,
        send("GET", "/.well-known/change-password", &[], None).await,
        send("GET", "/api/v1/sessions?a=1&a=2", &[], None).await,
        send("GET", "/api/v1/users/me", &[], None).await,
        send("HEAD", "/api/v1/users/me", &[], None).await,
        send("OPTIONS", login, &[("origin", "https://evil.example"), ("access-control-request-method", "POST")], None)
            .await,
        send("GET", "/nowhere", &[], None).await,
        send("GET", "/dev/mail", &[], None).await,
        send("GET", "/api/v1/nowhere", &[], None).await,
        send("GET", login, &[], None).await,
        send("GET", "/api/v1/users/me", &[("accept", "text/html")], None).await,
        send("POST", login, &[("content-type", "application/vnd.api+json")], None).await,
        send("POST", login, &native, Some(json!({"identity": "a", "password": "b", "x": 1}))).await,
        send("POST", login, &native, Some(json!({"identity": "a".repeat(70_000)}))).await,
        send("GET", &format!("/{}", "a".repeat(2000)), &[], None).await,
        send("GET", "/", &[("x-large", &"a".repeat(20_000))], None).await,
    ];
    for _ in 0..2 {
        let link = json!({"token": "x"});
        answers.push(send("POST", "/api/v1/auth/password/reset/begin", &native, Some(link)).await);
    }
    let document = json!({"data": {"type": "users", "attributes": {}}}).to_string();
    let head = format!("POST {login} HTTP/1.1\r\nHost: a\r\nContent-Type: ");
    for rest in [
        format!("application/vnd.api+json\r\nContent-Length: {}\r\n\r\n{document}", document.len()),
        "text/plain\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        "application/json\r\nContent-Length: 2\r\n\r\n{".to_owned(),
    ] {
        answers.push(exchange(service.address(), format!("{head}{rest}").as_bytes()).await.unwrap());
    }
    let flood: Vec<_> = (0..12)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { api.login("nobody@example.com", PASSWORD).await })
        })
        .collect();
    for one in flood {
        answers.push(one.await.unwrap());
    }
    for answer in &answers {
        complete(&format!("{} {}", answer.status, answer.body), answer);
    }
    let seen: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    let wanted = [200, 201, 202, 204, 302, 400, 401, 403, 404, 405, 406, 408, 409, 413, 414, 415, 422, 429, 431, 503];
    assert_eq!(seen, BTreeSet::from(wanted));

    // Every route, to whom it is not for: as a stranger, in another method, in another form, from another site.
    for rule in RULES {
        let path = rule.path.replace(['{', '}'], "");
        for (method, headers) in [
            (rule.method, &[][..]),
            ("TRACE", &[]),
            ("OPTIONS", &[("origin", "https://evil.example"), ("access-control-request-method", "POST")]),
            (rule.method, &[("accept", "text/html")]),
            (rule.method, &[("host", "a b")]),
        ] {
            let answer = send(method, &path, headers, None).await;
            complete(&format!("{method} {path} {headers:?}: {}", answer.status), &answer);
        }
    }
}
