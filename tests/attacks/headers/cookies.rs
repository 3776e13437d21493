//! D02: the cookies of browsers, behind an https address as in production.

use serde_json::json;

use crate::process::api::{Answer, Api, PASSWORD};
use crate::process::configured::Configured;
use crate::process::keystead::finish;

const ORIGIN: &str = "https://id.example.com";
const PUBLIC_URL: &str = "http.public_url=https://id.example.com";
/// Names and paths of the three.
const COOKIES: [(&str, &str); 3] = [
    ("__Host-keystead-client=", "/"),
    ("__Secure-keystead-refresh=", "/api/v1/auth"),
    ("__Host-keystead-device=", "/"),
];

fn set_by(answer: &Answer) -> Vec<String> {
    answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
}

/// What a browser sends back.
fn sent(cookies: &[String]) -> String {
    cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

/// The attributes of a cookie besides its time, sorted.
fn attributes(cookie: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = cookie.split("; ").skip(1).filter(|part| !part.starts_with("Max-Age=")).collect();
    parts.sort_unstable();
    parts
}

/// Exactly these: nothing that would let a script, another site, another host or plain http have it.
#[track_caller]
fn are_exact(cookies: &[String], names: &[(&str, &str)]) {
    assert_eq!(cookies.len(), names.len(), "{cookies:?}");
    for (prefix, path) in names {
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(prefix)).unwrap_or_else(|| panic!("{cookies:?}"));
        let path = format!("Path={path}");
        assert_eq!(attributes(cookie), ["HttpOnly", path.as_str(), "SameSite=Strict", "Secure"], "{cookie}");
        assert!(cookie.contains("; Max-Age=") && cookie.len() < 4096, "{cookie}");
    }
}

#[tokio::test]
async fn d02_cookies_are_exact_and_browsers_get_no_secret_in_a_body() {
    let configured = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = configured.serve(&[PUBLIC_URL]);
    let mut add = configured.command(&["user", "add"], &["--email", "ada@example.com", "--password-stdin"]);
    add.args(["--set", PUBLIC_URL]);
    finish(add, PASSWORD).ok();
    let api = Api::new(service.url());
    let body = json!({"identity": "ada@example.com", "password": PASSWORD});
    let login = api.send("POST", "/api/v1/auth/login", &[], Some(&body)).await.expect(200);
    let cookies = set_by(&login);
    are_exact(&cookies, &COOKIES);
    for cookie in &cookies {
        let secret = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
        assert!(secret.len() > 20 && !login.body.contains(secret), "{cookie}");
    }

    // A refresh sets its own anew.
    let pages = [("cookie", sent(&cookies)), ("origin", ORIGIN.to_owned())];
    let headers: Vec<(&str, &str)> = pages.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refreshed = api.send("POST", "/api/v1/auth/refresh", &headers, None).await.expect(200);
    let fresh = set_by(&refreshed);
    are_exact(&fresh, &COOKIES[1..2]);
    assert!(!cookies.contains(&fresh[0]), "it is another one");

    // The end clears what was of the session, in the places where it was put; the device stays known.
    let kept: Vec<String> =
        cookies.iter().map(|cookie| if cookie.contains("-refresh=") { &fresh[0] } else { cookie }.clone()).collect();
    let pages = [("cookie", sent(&kept)), ("origin", ORIGIN.to_owned())];
    let headers: Vec<(&str, &str)> = pages.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ended = api.send("POST", "/api/v1/auth/logout", &headers, None).await.expect(204);
    let cleared = set_by(&ended);
    are_exact(&cleared, &COOKIES[..2]);
    for cookie in &cleared {
        assert!(cookie.contains("; Max-Age=0") && cookie.contains("=;"), "{cookie}");
    }
    let again = api.send("POST", "/api/v1/auth/refresh", &headers, None).await;
    assert_eq!(again.status, 401, "{}", again.body);
    // A native client gets none.
    let native = api.login("ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(set_by(&native), Vec::<String>::new());
}
