//! D01 to D05: headers of every answer, cookies, other origins.

use std::collections::BTreeSet;

use serde_json::json;

use super::wire::exchange;
use super::{Target, protected};
use crate::process::api::{Answer, Api, PASSWORD};
use crate::process::configured::Configured;

const HSTS: &str = "max-age=63072000; includeSubDomains";

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
        let what = format!("{} {}", answer.status, answer.body);
        protected(&what, answer);
        assert_eq!(answer.header("strict-transport-security"), HSTS, "{what}");
        let cache = answer.header("cache-control");
        assert!(cache == "no-store" || (answer.status == 200 && cache.starts_with("public, ")), "{what}: {cache}");
        if matches!(answer.status, 429 | 503) {
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{what}");
        }
    }
    let seen: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    let wanted = [200, 201, 202, 204, 302, 400, 401, 403, 404, 405, 406, 408, 409, 413, 414, 415, 422, 429, 431, 503];
    assert_eq!(seen, BTreeSet::from(wanted));
}

#[tokio::test]
async fn d02_cookies_are_exact_and_browsers_get_no_secret_in_a_body() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&["http.public_url=https://id.example.com"]);
    let mut add = configured.command(&["user", "add"], &["--email", "ada@example.com", "--password-stdin"]);
    add.args(["--set", "http.public_url=https://id.example.com"]);
    crate::process::keystead::finish(add, PASSWORD).ok();
    let api = Api::new(service.url());
    let body = json!({"identity": "ada@example.com", "password": PASSWORD});
    let answer = api.send("POST", "/api/v1/auth/login", &[], Some(&body)).await.expect(200);
    let cookies: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    for (prefix, path) in [
        ("__Host-keystead-client=", "Path=/;"),
        ("__Secure-keystead-refresh=", "Path=/api/v1/auth;"),
        ("__Host-keystead-device=", "Path=/;"),
    ] {
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(prefix)).unwrap_or_else(|| panic!("{cookies:?}"));
        for part in ["HttpOnly;", "SameSite=Strict;", "Secure;", path, "Max-Age="] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain") && cookie.len() < 4096, "{cookie}");
        let secret = cookie.strip_prefix(prefix).unwrap().split(';').next().unwrap();
        assert!(secret.len() > 20 && !answer.body.contains(secret), "{prefix}");
    }
}

#[tokio::test]
async fn d03_other_origins_learn_nothing() {
    let target = Target::dev().await;
    let own = target.service().url().to_owned();
    let port = own.rsplit_once(':').unwrap().1;
    for origin in [
        "https://evil.example".to_owned(),
        "null".into(),
        format!("{own}.evil.example"),
        format!("{own}0"),
        own.replace("http://", "https://"),
        "http://127.0.0.1".into(),
        format!("http://evil127.0.0.1:{port}"),
        format!("{own}/"),
        own.replace("http", "HTTP"),
    ] {
        let simple = target.api.send("GET", "/api/v1/auth/status", &[("origin", &origin)], None).await.expect(200);
        let asked = [("origin", origin.as_str()), ("access-control-request-method", "POST")];
        let preflight = target.api.send("OPTIONS", "/api/v1/auth/login", &asked, None).await;
        target.refused(&origin, &preflight, 403, "CSRF_ORIGIN");
        for answer in [simple, preflight] {
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{origin}");
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("Origin")));
        }
    }
    let asked = [("origin", own.as_str()), ("access-control-request-method", "POST")];
    let preflight = target.api.send("OPTIONS", "/api/v1/auth/login", &asked, None).await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), own);
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    assert!(!preflight.header("access-control-allow-methods").contains('*'));
    target.unharmed().await;
}

#[tokio::test]
async fn d04_cookies_count_from_our_own_pages_alone() {
    let target = Target::dev().await;
    let own = target.service().url().to_owned();
    let body = json!({"identity": "ada@example.com", "password": PASSWORD});
    let login = target.api.send("POST", "/api/v1/auth/login", &[], Some(&body)).await.expect(200);
    let cookies: Vec<String> = login
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned())
        .collect();
    let cookies = cookies.join("; ");
    let with = |headers: &[(&'static str, &'static str)]| {
        let mut all = vec![("cookie".to_owned(), cookies.clone())];
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    };
    let send = async |method: &str, path: &str, headers: &[(String, String)]| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        target.api.send(method, path, &headers, None).await
    };
    let routes = [("POST", "/api/v1/auth/refresh"), ("GET", "/api/v1/auth/token"), ("POST", "/api/v1/auth/logout")];
    for headers in [
        with(&[]),
        with(&[("origin", "https://evil.example")]),
        with(&[("origin", "null")]),
        with(&[("sec-fetch-site", "cross-site")]),
        with(&[("sec-fetch-site", "same-site")]),
        with(&[("sec-fetch-site", "none")]),
        with(&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]),
    ] {
        for (method, path) in routes {
            let answer = send(method, path, &headers).await;
            target.refused(&format!("{path} {headers:?}"), &answer, 403, "CSRF_ORIGIN");
            assert_eq!(answer.header("set-cookie"), "", "{path}");
        }
    }
    // A page cannot turn its cookies into a body by calling itself native.
    let native = [("cookie", cookies.as_str()), ("origin", own.as_str()), ("keystead-client", "native")];
    for (method, path) in routes {
        let answer = target.api.send(method, path, &native, None).await;
        target.refused(path, &answer, 400, "CLIENT_KIND_MISMATCH");
    }
    // Forms and beacons cannot log anybody in: they cannot send this media type.
    let form = [("origin", "https://evil.example"), ("content-type", "application/x-www-form-urlencoded")];
    let answer = target.api.send("POST", "/api/v1/auth/login", &form, None).await;
    target.refused("a form", &answer, 415, "UNSUPPORTED_MEDIA_TYPE");

    let ours = [("cookie", cookies.as_str()), ("origin", own.as_str())];
    target.api.send("GET", "/api/v1/auth/token", &ours, None).await.expect(200);
    target.api.send("POST", "/api/v1/auth/refresh", &ours, None).await.expect(200);
}
