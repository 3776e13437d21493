//! One's own sessions, logins and tokens; nobody else's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Kind, PASSWORD, Service, SignedIn, refusal};

const EMAIL: &str = "ada@example.com";

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|session| session["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_the_current_one_is_marked() {
    let service = Service::start().await;
    let first = service.registered(EMAIL).await;
    service.advance(Duration::from_secs(1)).await;
    let second = service.browser().login(EMAIL, PASSWORD).await.unwrap();
    service.registered("bob@example.com").await;
    let list = first.sessions().await.unwrap();
    assert_eq!(ids(&list), [second.session_id(), first.session_id()]);
    let marks: Vec<&Value> = list.iter().map(|session| &session["attributes"]["current"]).collect();
    assert_eq!(marks, [&json!(false), &json!(true)]);
    let kinds: Vec<&Value> = list.iter().map(|session| &session["attributes"]["client"]).collect();
    assert_eq!(kinds, [&json!("browser"), &json!("native")]);
    assert_eq!(list[0]["attributes"]["ip"], "127.0.0.1");

    let page = first.get("/sessions?page[size]=1").await.unwrap();
    assert_eq!(ids(page["data"].as_array().unwrap()), [second.session_id()]);
    let rest = first.get(&local(&page["links"]["next"])).await.unwrap();
    assert_eq!(ids(rest["data"].as_array().unwrap()), [first.session_id()]);
    assert!(rest["links"]["next"].is_null());
}

#[tokio::test]
async fn a_password_does_not_age() {
    let service = Service::start().await;
    service.registered(EMAIL).await;
    for _ in 0..2 {
        // A step of the clock is at most a year.
        service.advance(Duration::from_secs(200 * 86_400)).await;
    }
    let back = service.browser().login(EMAIL, PASSWORD).await.expect("nothing but the password is asked for");
    assert_eq!(ids(&back.sessions().await.unwrap()), [back.session_id()]);
}

/// A link of ours as a route of the API.
fn local(link: &Value) -> String {
    let link = link.as_str().unwrap();
    link.split_once("/api/v1").unwrap_or_else(|| panic!("{link}")).1.to_owned()
}

#[tokio::test]
async fn ending_a_session_ends_that_one() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let [second, third] = [Kind::Native, Kind::Browser].map(|kind| service.client(kind));
    let second = second.login(EMAIL, PASSWORD).await.unwrap();
    let third = third.login(EMAIL, PASSWORD).await.unwrap();
    ada.end_session(second.session_id()).await.unwrap();
    assert_eq!(second.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(second.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(ids(&ada.sessions().await.unwrap()).len(), 2);
    third.end_session("current").await.unwrap();
    assert_eq!(third.refused().await, refusal(401, "TOKEN_REVOKED"));

    ada.end_all_sessions().await.unwrap();
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    service.native().login(EMAIL, PASSWORD).await.expect("and one can come back");
}

#[tokio::test]
async fn others_sessions_and_tokens_look_like_unknown_ones() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let bob = service.registered("bob@example.com").await;
    let unknown = "AAAAAAAAAAAAAAAAAAAAA";
    let not_found = refusal(404, "NOT_FOUND");
    for id in [bob.session_id(), unknown] {
        assert_eq!(ada.end_session(id).await.unwrap_err(), not_found, "{id}");
    }
    for id in [bob.token_id.clone(), format!("{unknown}.{unknown}"), format!("{}.x", bob.session_id())] {
        assert_eq!(ada.revoke_token(&id).await.unwrap_err(), not_found, "{id}");
    }
    bob.verify().await.expect("nothing was ended");
    bob.refresh().await.unwrap();
    let ended = bob.clone();
    bob.log_out().await.unwrap();
    assert_eq!(ada.end_session(ended.session_id()).await.unwrap_err(), not_found);
}

#[tokio::test]
async fn revoking_a_token_leaves_its_session() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let second = service.native().login(EMAIL, PASSWORD).await.unwrap();
    let fresh = second.refresh().await.unwrap();
    ada.revoke_token(&second.token_id).await.unwrap();
    assert_eq!(second.refused().await, refusal(401, "TOKEN_REVOKED"));
    fresh.verify().await.expect("a newer token of the same session");
    ada.revoke_token(&second.token_id).await.expect("twice is fine");
    assert_eq!(service.database().audited("authn_token_revoked"), 1);

    ada.revoke_token(&ada.token_id).await.unwrap();
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    ada.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn logins_are_listed_page_by_page() {
    let service = Service::start().await;
    let ada = service.registered(EMAIL).await;
    let mut sessions = vec![ada.session_id().to_owned()];
    for _ in 0..4 {
        service.advance(Duration::from_secs(1)).await;
        let login: SignedIn = service.native().login(EMAIL, PASSWORD).await.unwrap();
        sessions.insert(0, login.session_id().to_owned());
    }
    let bob = service.registered("bob@example.com").await;

    let (mut seen, mut route, mut pages) = (Vec::new(), "/login-history?page[size]=2".to_owned(), 0);
    loop {
        let page = ada.get(&route).await.unwrap();
        pages += 1;
        for login in page["data"].as_array().unwrap() {
            seen.push(login["attributes"]["sessionId"].as_str().unwrap().to_owned());
        }
        match &page["links"]["next"] {
            Value::Null => break,
            next => route = local(next),
        }
    }
    assert_eq!((seen, pages), (sessions, 3));
    assert_eq!(bob.get("/login-history").await.unwrap()["data"].as_array().unwrap().len(), 1);
    for query in ["page[size]=0", "page[size]=101", "page[size]=x", "page[after]=x", "page[sze]=1", "sort=at"] {
        let reply = ada.call(reqwest::Method::GET, &format!("/login-history?{query}")).send().await;
        assert_eq!(reply.status, 400, "{query}");
    }
}

/// Signs in one after the other.
async fn signed_in(service: &Service, times: usize) -> Vec<SignedIn> {
    let mut all = Vec::new();
    for nth in 0..times {
        let kind = if nth % 2 == 0 { Kind::Native } else { Kind::Browser };
        all.push(service.client(kind).login(EMAIL, PASSWORD).await.unwrap());
    }
    all
}

/// The session is over everywhere: its tokens are refused.
async fn is_over(who: &SignedIn) {
    assert_eq!(who.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(who.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
}

#[tokio::test]
async fn the_21st_login_ends_the_session_that_was_seen_least_recently() {
    let service = Service::start().await;
    let first = service.registered(EMAIL).await;
    let mut all = signed_in(&service, 19).await;
    let first = first.refresh().await.expect("twenty may be");
    all.extend(signed_in(&service, 1).await);
    is_over(&all.remove(0)).await;
    for live in &all {
        live.verify().await.expect("the twenty others go on");
    }
    first.refresh().await.expect("the oldest one was seen since");
    let listed = all[0].get("/sessions?page[size]=100").await.unwrap()["data"].as_array().unwrap().len();
    assert_eq!((listed, service.database().audited("session_displaced")), (20, 1));
    all[0].refresh().await.expect("a session goes on");
}

#[tokio::test]
async fn every_way_of_signing_in_counts() {
    let service = Service::builder().configured(|config| config.tokens.max_sessions = 1).start().await;
    let other = service.registered("bob@example.com").await;
    let registered = service.srp_registered(EMAIL).await;
    let native = service.native().srp_login(EMAIL, PASSWORD).await.unwrap();
    is_over(&registered).await;
    let browser = service.browser().srp_login(EMAIL, PASSWORD).await.unwrap();
    is_over(&native).await;
    browser.verify().await.unwrap();
    other.verify().await.expect("another's goes on");
    let login = service.browser().login("bob@example.com", PASSWORD).await.unwrap();
    is_over(&other).await;
    login.verify().await.unwrap();
    assert_eq!(service.database().audited("session_displaced"), 3);
}

#[tokio::test]
async fn thirty_parallel_logins_leave_twenty_sessions() {
    let service = Service::start().await;
    service.registered(EMAIL).await;
    let mut logins = tokio::task::JoinSet::new();
    for nth in 0..30 {
        let client = service.native().through(&service.replica(nth));
        logins.spawn(async move { client.login(EMAIL, PASSWORD).await.unwrap() });
    }
    let all = logins.join_all().await;
    let mut left = Vec::new();
    for person in &all {
        match person.refresh().await {
            Ok(fresh) => left.push(fresh),
            Err(refused) => {
                assert_eq!(refused, refusal(401, "SESSION_ENDED"));
                is_over(person).await;
            }
        }
    }
    assert_eq!(left.len(), 20);
    for live in &left {
        live.verify().await.expect("still there");
    }
    assert_eq!(service.database().audited("session_displaced"), 11);
}
