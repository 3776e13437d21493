//! D04: requests that another site makes a browser send, with the cookies it has here.

use keystead_api_actix::authorization::RULES;
use reqwest::Method;
use serde_json::json;

use super::protected;
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Call, PASSWORD, Service, SignedIn};

const ADA: &str = "ada@example.com";
/// Routes where a cookie opens something.
const ROUTES: [(Method, &str); 3] =
    [(Method::POST, "/auth/refresh"), (Method::GET, "/auth/token"), (Method::POST, "/auth/logout")];

/// What a browser sends of somebody when another page asks it to: the cookies, and what that page can make it say.
fn with_cookies(person: &SignedIn, method: &Method, route: &str) -> Call {
    let call = person.call_without_token(method.clone(), route).without("origin");
    person.device.iter().fold(call, |call, device| call.cookie("keystead-device", device))
}

#[tokio::test]
async fn d04_cookies_count_from_our_own_pages_alone() {
    let service = Service::start().await;
    let own = service.api().base().to_owned();
    service.registered(ADA).await;
    let ada = service.browser().login(ADA, PASSWORD).await.unwrap();
    let before = Digest::of(&service).await;
    let twin = format!("{own}0");
    let headers: [&[(&str, &str)]; 12] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &twin)],
        &[("origin", "")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        &[("referer", &own)],
        &[("origin", "https://evil.example"), ("referer", &own), ("x-requested-with", "XMLHttpRequest")],
    ];
    for headers in headers {
        for (method, route) in &ROUTES {
            // As a script, a form, a form that looks like JSON, a file.
            for media in [
                None,
                Some("application/x-www-form-urlencoded"),
                Some("text/plain"),
                Some("multipart/form-data; boundary=x"),
            ] {
                let attack = format!("{method} {route} {headers:?} {media:?}");
                let call = headers
                    .iter()
                    .fold(with_cookies(&ada, method, route), |call, (name, value)| call.header(name, value));
                let call =
                    media.iter().fold(call, |call, media| call.header("content-type", media).text("{\"a\":\"=1\"}"));
                let reply = call.send().await;
                match media {
                    None => assert_refused(&attack, &reply, 403, "CSRF_ORIGIN"),
                    Some(_) => assert!(matches!(reply.status, 403 | 415), "{attack}: {}", reply.text),
                }
                assert_eq!(reply.header("set-cookie"), None, "{attack}");
                protected(&attack, &reply);
            }
        }
    }
    // A page cannot turn its cookies into a body by calling itself native.
    for (method, route) in &ROUTES {
        let call = with_cookies(&ada, method, route).header("origin", &own).header("keystead-client", "native");
        assert_refused(route, &call.send().await, 400, "CLIENT_KIND_MISMATCH");
    }
    before.is_still_that_of(&service).await;
    ada.exchange().await.unwrap();
    ada.refresh().await.unwrap();
}

/// Nobody signs a browser in, registers with it or resets a password: no form can send what the routes take.
#[tokio::test]
async fn d04_nobody_is_signed_in_by_another_site() {
    let service = Service::start().await;
    service.registered(ADA).await;
    let before = Digest::of(&service).await;
    let login = json!({ "identity": ADA, "password": PASSWORD }).to_string();
    let form = format!("identity={ADA}&password={PASSWORD}");
    for (media, body) in [
        ("application/x-www-form-urlencoded", form.as_str()),
        ("text/plain", login.as_str()),
        ("text/plain;charset=UTF-8", login.as_str()),
        ("text/plain; application/json", login.as_str()),
        (
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=\"identity\"\r\n\r\na\r\n--x--\r\n",
        ),
    ] {
        for route in ["/auth/login", "/auth/register", "/auth/password/forgot", "/auth/passwordless", "/auth/activate"]
        {
            let call = service.api().call(Method::POST, route).header("origin", "https://evil.example");
            let reply =
                call.header("sec-fetch-site", "cross-site").header("content-type", media).text(body).send().await;
            assert_refused(&format!("{media} at {route}"), &reply, 415, "UNSUPPORTED_MEDIA_TYPE");
            assert_eq!(reply.header("set-cookie"), None, "{media} at {route}");
        }
    }
    // With the right media type a script asks first, and is refused then.
    let ask = service.api().call(Method::OPTIONS, "/auth/login").header("origin", "https://evil.example");
    let ask =
        ask.header("access-control-request-method", "POST").header("access-control-request-headers", "content-type");
    assert_refused("a preflight", &ask.send().await, 403, "CSRF_ORIGIN");
    before.is_still_that_of(&service).await;
}

/// A link, an image, a prefetch: whatever a GET reads, it changes nothing.
#[tokio::test]
async fn d04_no_get_changes_anything() {
    let service = Service::start().await;
    service.registered(ADA).await;
    let ada = service.browser().login(ADA, PASSWORD).await.unwrap();
    let own = service.api().base().to_owned();
    let before = Digest::of(&service).await;
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        let path =
            rule.path.replace("{id}", &ada.user_id()).replace("{provider}", "google").replace("{jti}", &ada.token_id);
        for method in [Method::GET, Method::HEAD] {
            let Some(route) = path.strip_prefix("/api/v1") else {
                service.api().at(method, &path).send().await;
                continue;
            };
            with_cookies(&ada, &method, route).header("origin", &own).send().await;
            ada.call(method.clone(), route).send().await;
        }
    }
    for route in
        ["/auth/logout", "/auth/refresh", "/sessions/end", "/auth/login?identity=a&password=b", "/auth/register"]
    {
        let reply = with_cookies(&ada, &Method::GET, route).header("origin", &own).send().await;
        assert!(matches!(reply.status, 404 | 405), "{route}: {reply:?}");
    }
    before.is_still_that_of(&service).await;
    ada.refresh().await.unwrap();
}
