//! Messages that wait and messages that are dead, as administrators see them: never what they say, or to whom.

use keystead_api_actix::config::{Config, MailTransport, SmtpConfig, SmtpSecurity};
use keystead_domain::account::{EmailAddress, Role};
use keystead_testkit::smtp_peer::{Behaviour, SmtpPeer};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, GRACE, ids, pages, proved_by_mail_at};
use crate::support::{DEADLINE, PASSWORD, Service, SignedIn, add_account, eventually, refusal};

/// Mail goes to this server.
fn mailing(peer: &SmtpPeer) -> impl FnOnce(&mut Config) {
    let server = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: peer.port(),
        security: SmtpSecurity::Plain,
        credentials: None,
        from: EmailAddress::try_new("no-reply@example.com").unwrap(),
        from_name: "Keystead".to_owned(),
        extra_ca_file: None,
    };
    move |config| config.mail.transport = MailTransport::Smtp(server)
}

/// The messages in this state, once there are so many that were tried.
async fn listed(admin: &SignedIn, state: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} messages that are {state}"), async || {
        let all = pages(admin, "/admin/outbox?page[size]=1").await.concat();
        let tried =
            |message: &&Value| message["attributes"]["state"] == state && message["attributes"]["error"].is_string();
        let found: Vec<Value> = all.iter().filter(tried).cloned().collect();
        (found.len() == count).then_some(found)
    })
    .await
}

#[tokio::test]
async fn what_waits_is_tried_at_once_and_what_is_dead_never_again() {
    let peer = SmtpPeer::start().await.unwrap();
    let service = Service::builder().configured(mailing(&peer)).start().await;
    add_account(&*service.other_process().await, "admin@example.com", Role::Admin).await;
    let admin = service.native().login("admin@example.com", PASSWORD).await.unwrap();
    let (admin, _) = proved_by_mail_at(&peer, &admin).await.enrol(&service).await;
    service.mail_settled().await;
    assert_eq!(admin.get("/admin/outbox").await.unwrap()["data"], json!([]));

    peer.set_behaviour(Behaviour::RejectRecipient(550));
    admin.create_user(&json!({ "email": ADA, "fullName": "Ada Lovelace" })).await.unwrap();
    let dead = listed(&admin, "dead", 1).await.remove(0);
    assert!(dead["attributes"]["deadAt"].is_string() && dead["attributes"]["dueAt"].is_null(), "{dead}");
    peer.set_behaviour(Behaviour::RejectRecipient(451));
    for email in [BOB, GRACE] {
        admin.create_user(&json!({ "email": email })).await.unwrap();
    }
    let waiting = listed(&admin, "waiting", 2).await;
    let all = pages(&admin, "/admin/outbox?page[size]=2").await.concat();
    assert_eq!(ids(&all), [ids(&waiting), vec![dead["id"].as_str().unwrap()]].concat(), "newest first");
    let shown = json!(all).to_string();
    for secret in [ADA, BOB, GRACE, "Lovelace", "token", "activate"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(shown.contains("451") && shown.contains("550"), "why it failed: {shown}");
    assert!(waiting.iter().all(|message| message["attributes"]["attempts"].as_i64().unwrap() >= 1));

    let retry = async |id: &str| admin.call(Method::POST, &format!("/admin/outbox/{id}/retry")).send().await;
    assert_eq!(retry(dead["id"].as_str().unwrap()).await.refusal(), refusal(409, "MESSAGE_DEAD"));
    for unknown in ["AAAAAAAAAAAAAAAAAAAAA", "x", "*", "%00", "'"] {
        assert_eq!(retry(unknown).await.refusal(), refusal(404, "NOT_FOUND"), "{unknown}");
    }
    assert_eq!(service.database().audited("sys_outbox_retried"), 0);

    let earlier = peer.messages().len();
    peer.set_behaviour(Behaviour::Accept);
    let id = ids(&waiting)[1];
    let reply = retry(id).await.ok(200).unwrap();
    assert_eq!((reply.id().as_str(), reply.text_of("state").as_deref()), (id, Some("waiting")));
    assert!(reply.text_of("dueAt") <= waiting[1]["attributes"]["dueAt"].as_str().map(str::to_owned));
    let mails = peer.wait_for(earlier + 2, DEADLINE).await.unwrap();
    let to: Vec<&[String]> = mails[earlier..].iter().map(|mail| &mail.recipients[..]).collect();
    assert_eq!(to[0], [BOB], "the one that was tried at once: {to:?}");
    service.mail_settled().await;
    assert!(peer.messages().iter().all(|mail| mail.recipients != [ADA]), "it has no contents any more");
    let events = admin.audit_events("filter[name]=sys_outbox_retried").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["attributes"]["detail"], id);
    assert_eq!(events[0]["attributes"]["subjectId"], Value::Null);
}
