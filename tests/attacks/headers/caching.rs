//! D05: nothing of a signed-in person is kept by a cache, or can be passed off as a picture.

use keystead_api_actix::authorization::{Admits, RULES};
use keystead_domain::account::Role;
use reqwest::Method;

use super::protected;
use crate::attacks::support::{Digest, assert_refused};
use crate::attacks::wire::as_spelled;
use crate::support::{PASSWORD, Service};

/// What everybody may keep, being the same for everybody.
const PUBLIC: [&str; 4] = [
    "/.well-known/jwks.json",
    "/.well-known/passkey-endpoints",
    "/api/v1/openapi.json",
    "/.well-known/change-password",
];

/// What is large, and has a tag by which nobody is told from anybody.
const TAGGED: &str = "/api/v1/openapi.json";

#[tokio::test]
async fn the_document_is_sent_once_to_whoever_keeps_it() {
    let service = Service::start().await;
    let ask = async |tag: &str| service.api().at(Method::GET, TAGGED).header("if-none-match", tag).send().await;
    let first = ask("\"other\"").await;
    assert_eq!(first.status, 200);
    let tag = first.header("etag").unwrap().to_owned();
    let again = ask(&tag).await;
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{again:?}");
    assert_eq!(again.header("cache-control"), first.header("cache-control"));
    assert_eq!(again.header("content-type"), None);
    protected(TAGGED, &again);
}

#[tokio::test]
async fn d05_nothing_of_a_person_is_cached() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await;
    let mut answered = 0;
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        let path =
            rule.path.replace("{id}", &ada.user_id()).replace("{provider}", "google").replace("{jti}", &ada.token_id);
        let call = match path.strip_prefix("/api/v1") {
            None => service.api().at(Method::GET, &path),
            Some(route) => boss.call(Method::GET, route),
        };
        let reply = call.send().await;
        answered += usize::from(reply.status == 200 && !matches!(rule.admits, Admits::Everybody));
        let cache = reply.header("cache-control").unwrap_or_default();
        let may_be_kept = PUBLIC.contains(&rule.path) && cache.starts_with("public, ");
        assert!(cache == "no-store" || may_be_kept, "{path}: {} {cache}", reply.status);
        let has_tag = reply.header("etag").is_some();
        assert_eq!((has_tag, reply.header("last-modified")), (path == TAGGED && reply.status == 200, None), "{path}");
        protected(&path, &reply);
    }
    assert!(answered > 15, "only {answered} routes were answered");
    let login = service.native().login_reply("ada@example.com", PASSWORD).await;
    let half_way = service.native().login_reply("super-admin@example.com", PASSWORD).await;
    let (fresh, wrong) = (ada.refresh_reply().await, service.native().login_reply("ada@example.com", "x").await);
    for (what, reply) in [("tokens", &login), ("a question", &half_way), ("a refresh", &fresh), ("a refusal", &wrong)] {
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}: {reply:?}");
    }
}

#[tokio::test]
async fn d05_no_page_passes_for_a_file() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let me = as_spelled(ada.call(Method::GET, "/users/me")).await;
    assert!(me.status == 200 && me.text.contains("ada@example.com"), "undisguised it is hers: {}", me.text);
    let before = Digest::of(&service).await;
    for page in ["/users/me", "/sessions", "/auth/status", "/users/me/export", "/auth/token"] {
        for disguise in [
            "/x.css",
            "%2fx.css",
            "/.css",
            ".css",
            ".json",
            "%0a.js",
            "%0d%0a.js",
            "%00.js",
            ";.js",
            ";x.css",
            "%3b.js",
            "%3fx.css",
            "%23x.css",
            "/..%2fx.css",
            "/;/x.js",
            "/",
            "%20",
            "%20.png",
            "\\x.css",
            "%5cx.css",
            "//",
            "/./x.png",
            "%e2%80%a8.js",
        ] {
            let route = format!("{page}{disguise}");
            for call in [ada.call(Method::GET, &route), ada.call(Method::GET, &route).header("accept", "*/*")] {
                let reply = as_spelled(call).await;
                // Behind `/sessions/` is a session's id, and a session is not read.
                if page == "/sessions" && reply.status == 405 {
                    continue;
                }
                assert_refused(&route, &reply, 404, "NOT_FOUND");
                assert_eq!(reply.header("cache-control"), Some("no-store"), "{route}");
            }
        }
    }
    before.is_still_that_of(&service).await;
}
