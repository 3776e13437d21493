//! G07: GET and HEAD change nothing, whoever asks for whatever.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Call, PASSWORD, Service, SignedIn, eventually};

/// Counters of limits, and the minute somebody was last seen: told about requests, not changed by what they ask.
const INCIDENTAL: [&str; 1] = ["sessions.last_seen_at"];

fn state(service: &Service) -> BTreeMap<String, Vec<String>> {
    let mut state = service.database().dump(&INCIDENTAL);
    state.remove("rate_windows");
    // Whoever is refused by role or impersonation is written down, and what is written down is linked and signed.
    for table in ["audit_checkpoints", "sqlite_sequence"] {
        state.remove(table);
    }
    if let Some(events) = state.get_mut("audit_events") {
        events.retain(|row| !row.contains("name='authz_fail'"));
    }
    state
}

/// Every path of the served document, with those it does not list.
async fn paths(service: &Service, ada: &SignedIn) -> Vec<String> {
    let document: Value = service.api().get("/api/v1/openapi.json").await.ok(200).unwrap().json();
    let listed = document["paths"].as_object().unwrap().keys().cloned();
    let others = ["/dev/mail", "/dev/clock", "/reset-password", "/.well-known/security.txt", "/metrics", "/"];
    let fill = |path: String| path.replace("{jti}", &ada.token_id).replace("{id}", ada.session_id());
    listed.chain(others.map(str::to_owned)).map(fill).collect()
}

#[tokio::test]
async fn g07_reading_changes_nothing() {
    let service = Service::start().await;
    let ada = service.registered_at(&service.browser(), "ada@example.com").await;
    ada.client.forgot("ada@example.com").await.unwrap();
    let link = service.link_tokens("ada@example.com", 1).await.remove(0);
    let pending = service.browser().register("bob@example.com", PASSWORD).await.unwrap();
    let code = service.code("bob@example.com").await;
    service.mail_settled().await;
    let paths = paths(&service, &ada).await;
    assert!(paths.len() > 20, "{paths:?}");

    // Events that are linked meanwhile change, too.
    eventually("every event linked", async || {
        let events = service.database().dump(&[]).remove("audit_events").unwrap();
        (!events.iter().any(|row| row.contains("position=NULL") || row.contains("position='NULL'"))).then_some(())
    })
    .await;
    let before = state(&service);
    let mut answered = 0;
    for path in &paths {
        let secrets = format!("token={link}&code={code}&all=true");
        for path in [path.clone(), format!("{path}?{secrets}")] {
            for method in [Method::GET, Method::HEAD] {
                answered += walk(&service, &ada, &pending.token, &method, &path).await;
            }
        }
    }
    assert!(answered > 40, "{answered} answers with 200");
    assert_eq!(state(&service), before);

    // What a scanner of mails opened still works for its owner.
    pending.verify(&code).await.unwrap();
    ada.client.begin_reset(&link).await.unwrap();
    ada.refresh().await.unwrap().verify().await.unwrap();
}

/// Asks with every credential there is; returns how often it was answered with 200.
async fn walk(service: &Service, ada: &SignedIn, half_way: &str, method: &Method, path: &str) -> usize {
    let anonymous = service.api().at(method.clone(), path);
    let cookies = |call: Call| {
        call.header("origin", service.api().base())
            .cookie("keystead-client", &ada.client_id)
            .cookie("keystead-refresh", &ada.refresh)
            .cookie("keystead-device", ada.device.as_deref().unwrap())
    };
    let mut answered = 0;
    for call in [
        anonymous.clone(),
        cookies(anonymous.clone()),
        cookies(anonymous.clone()).bearer(&ada.access),
        cookies(anonymous.clone()).bearer(half_way),
        anonymous.clone().header("keystead-client", "native").bearer(&ada.refresh),
    ] {
        let reply = call.send().await;
        assert!(reply.status < 500, "{method} {path}: {reply:?}");
        answered += usize::from(reply.status == 200);
    }
    answered
}
