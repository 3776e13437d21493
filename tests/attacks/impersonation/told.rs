//! I01, I02, I04: whom an administrator may act as, what they may do as somebody else, and who is told.

use keystead_api_actix::authorization::{Admits, RULES};
use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::support::Digest;
use crate::authorization::start;
use crate::support::{Kind, Service, refusal};

const REASON: &str = "ticket 4711: cannot see her invoices";
const SUBJECT: &str = "An administrator is acting as you";
const UNKNOWN: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

#[tokio::test]
async fn i01_nobody_is_acted_as_who_may_not_be() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let (admin, _) = service.administrator_at(&service.native(), "admin@example.com", Role::Admin).await;
    let (other, _) = service.administrator_at(&service.native(), "other@example.com", Role::SuperAdmin).await;
    let [banned, closed, deleted] = [
        service.registered("banned@example.com").await,
        service.registered("closed@example.com").await,
        service.registered("deleted@example.com").await,
    ];
    boss.ban(&banned.user_id()).await.unwrap();
    closed.close_account().await.unwrap();
    boss.delete_user(&deleted.user_id()).await.unwrap();
    let before = Digest::of(&service).await;
    let forbidden = refusal(403, "IMPERSONATION_FORBIDDEN");
    let unknown = refusal(404, "NOT_FOUND");
    let cases = [
        (admin.user_id(), &forbidden),
        (other.user_id(), &forbidden),
        (boss.user_id(), &forbidden),
        (banned.user_id(), &forbidden),
        (closed.user_id(), &forbidden),
        (deleted.user_id(), &unknown),
        (UNKNOWN.to_owned(), &unknown),
        ("*".to_owned(), &unknown),
    ];
    for (id, wanted) in &cases {
        let told = boss.impersonate_reply(id, &json!({ "reason": REASON })).await.refusal();
        assert_eq!(told, **wanted, "{id}");
    }
    before.is_still_that_of(&service).await;
    let mut noted: Vec<Value> = boss.audit_events("filter[name]=authz_fail").await;
    noted.reverse();
    let noted: Vec<(Value, Value)> = noted
        .iter()
        .map(|row| (row["attributes"]["actorId"].clone(), row["attributes"]["subjectId"].clone()))
        .collect();
    let wanted = cases.iter().filter(|(_, wanted)| **wanted == forbidden);
    let wanted: Vec<(Value, Value)> = wanted.map(|(id, _)| (json!(boss.user_id()), json!(id))).collect();
    assert_eq!(noted, wanted);
}

#[tokio::test]
async fn i01_nobody_acts_as_somebody_without_role_proof_and_reason() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let (admin, _) = service.administrator_at(&service.native(), "admin@example.com", Role::Admin).await;
    let (user, _) = service.enrolled("user@example.com").await;
    let ada = service.registered("ada@example.com").await;
    let before = Digest::of(&service).await;
    let good = json!({ "reason": REASON });
    let long = "x".repeat(201);
    for (who, body, wanted) in [
        (&user, &good, refusal(403, "FORBIDDEN")),
        (&admin, &good, refusal(403, "FORBIDDEN")),
        (&boss.without_proof(), &good, refusal(403, "MFA_REQUIRED")),
        (&boss.showing(admin.proof.as_deref().unwrap()), &good, refusal(403, "MFA_REQUIRED")),
        (&boss, &json!({}), refusal(422, "MISSING_ATTRIBUTE")),
        (&boss, &json!({ "reason": null }), refusal(422, "WRONG_TYPE")),
        (&boss, &json!({ "reason": "why" }), refusal(422, "INVALID_REASON")),
        (&boss, &json!({ "reason": "  why  " }), refusal(422, "INVALID_REASON")),
        (&boss, &json!({ "reason": long }), refusal(422, "INVALID_REASON")),
        (&boss, &json!({ "reason": "a\nline below" }), refusal(422, "INVALID_REASON")),
        (&boss, &json!({ "reason": REASON, "expiresIn": 86400 }), refusal(422, "UNKNOWN_ATTRIBUTE")),
    ] {
        assert_eq!(who.impersonate_reply(&ada.user_id(), body).await.refusal(), wanted, "{body}");
    }
    before.is_still_that_of(&service).await;
    assert_eq!(service.database().audited("authz_fail"), 2, "whose role is too small");
    assert_eq!(service.database().audited("authn_impersonate_start"), 0);
}

/// What the token says, what it does not come with, and who is told.
#[tokio::test]
async fn i04_who_acts_as_whom_is_told_to_everybody_concerned() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    let claims = acting.claims();
    assert_eq!(claims["sub"], json!(ada.user_id()));
    assert_eq!(claims["act"]["sub"], json!(boss.user_id()));
    assert_eq!(claims["role"], "user");
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((1..=15 * 60).contains(&life), "{life} s");
    assert_ne!(acting.session_id(), boss.session_id());
    for api in service.api().each() {
        assert_eq!(acting.through(&api).verify().await.unwrap()["act"]["sub"], json!(boss.user_id()));
    }

    let sessions = ada.sessions().await.unwrap();
    let shown = |id: &str| sessions.iter().find(|session| session["id"] == id).unwrap()["attributes"].clone();
    assert_eq!((sessions.len(), &shown(acting.session_id())["impersonated"]), (2, &json!(true)));
    assert_eq!(shown(ada.session_id())["impersonated"], json!(false));
    let history = ada.get("/login-history").await.unwrap();
    assert_eq!(history["data"][0]["attributes"]["sessionId"], json!(acting.session_id()));
    assert_eq!(history["data"][0]["attributes"]["impersonated"], json!(true));
    let of_ada = boss.get(&format!("/admin/sessions?filter[user]={}", ada.user_id())).await.unwrap();
    let listed = of_ada["data"].as_array().unwrap().iter().find(|session| session["id"] == acting.session_id());
    assert_eq!(listed.unwrap()["attributes"]["impersonatorId"], json!(boss.user_id()));

    let mail = service.mails_about("ada@example.com", SUBJECT, 1).await.remove(0);
    assert!(mail.text.contains(REASON), "{}", mail.text);
    let begun = boss.audit_events("filter[name]=authn_impersonate_start").await;
    assert_eq!(begun.len(), 1);
    let row = &begun[0]["attributes"];
    assert_eq!((&row["actorId"], &row["subjectId"]), (&json!(boss.user_id()), &json!(ada.user_id())));
    assert_eq!(row["detail"], REASON);
}

#[tokio::test]
async fn i04_the_mail_can_be_switched_off() {
    let service = Service::builder().configured(|config| config.admin.notify_impersonation = false).start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    acting.profile().await.unwrap();
    service.mail_settled().await;
    let mails = service.mails("ada@example.com").await;
    assert!(!mails.iter().any(|mail| mail.subject.starts_with(SUBJECT) || mail.text.contains(REASON)), "{mails:?}");
    assert!(ada.sessions().await.unwrap().iter().any(|session| session["attributes"]["impersonated"] == true));
}

/// Whatever is done, or refused, in somebody's name: the log names both. What is only read is not written down: an
/// impersonation may read little, and its beginning and its end say when.
#[tokio::test]
async fn i04_every_row_of_an_impersonation_names_both() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    acting.verify().await.expect("let in");
    acting.profile().await.expect("let in");
    acting.get("/login-history").await.expect("let in");
    let renamed = acting.update_profile(&json!({ "fullName": "Ada Lovelace" })).await;
    assert_eq!(renamed.unwrap_err(), refusal(403, "IMPERSONATION_FORBIDDEN"));
    let told = acting.call(Method::DELETE, "/users/me").send().await.refusal();
    assert_eq!(told, refusal(403, "IMPERSONATION_FORBIDDEN"));
    assert_eq!(acting.log_out_everywhere().await.unwrap_err(), refusal(403, "IMPERSONATION_FORBIDDEN"));
    ada.verify().await.expect("her own session is not touched");
    acting.log_out().await.unwrap();
    acting.refused().await;
    ada.verify().await.expect("her own session is not touched");
    boss.verify().await.expect("nor the administrator's");

    let rows = boss.audit_events("").await;
    let since = rows.iter().map(|row| &row["attributes"]).take_while(|row| row["name"] != "authn_impersonate_start");
    let rows: Vec<&Value> = since.collect();
    let names: Vec<&str> = rows.iter().rev().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["authz_fail", "authz_fail", "authz_fail", "session_ended"]);
    for row in rows {
        assert_eq!((&row["actorId"], &row["impersonatorId"]), (&json!(ada.user_id()), &json!(boss.user_id())), "{row}");
    }
    // And nobody takes that back.
    let written = boss.audit_events("").await;
    let id = written[0]["id"].as_str().unwrap();
    for route in ["/admin/audit-events".to_owned(), format!("/admin/audit-events/{id}")] {
        for method in [Method::DELETE, Method::PUT, Method::PATCH, Method::POST] {
            let reply = boss.call(method.clone(), &route).send().await;
            assert!(matches!(reply.status, 404 | 405), "{method} {route}: {reply:?}");
        }
    }
    assert_eq!(boss.audit_events("").await, written);
}

/// The browser of an administrator keeps what it is signed in with: an impersonation is one more token, and neither gives nor
/// takes a cookie.
#[tokio::test]
async fn i02_a_browser_goes_on_as_the_administrator() {
    let service = start().await;
    let (boss, _) = service.administrator_at(&service.browser(), "boss@example.com", Role::SuperAdmin).await;
    assert_eq!(boss.client.kind, Kind::Browser);
    let ada = service.registered("ada@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    let exchanged = acting.exchange().await.unwrap();
    assert_eq!((exchanged.user_id(), &exchanged.claims()["act"]), (boss.user_id(), &Value::Null));
    let out = acting.call(Method::POST, "/auth/logout").send().await.ok(204).unwrap();
    assert_eq!(out.cookies(), [].into(), "the cookies are of the administrator's own session");
    acting.refused().await;
    boss.exchange().await.expect("still signed in");
    boss.refresh().await.expect("still signed in");
}

/// I03: nothing makes more of an impersonation.
#[tokio::test]
async fn i03_an_impersonation_is_not_prolonged() {
    let service = start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await;
    let acting = boss.impersonate(&ada, REASON).await.unwrap();
    for token in [&acting.access, &acting.token_id] {
        let call = acting.client.call(Method::POST, "/auth/refresh").header("keystead-client-id", &acting.client_id);
        let told = call.json(&json!({ "refreshToken": token })).send().await.refusal();
        assert_eq!(told, refusal(401, "REFRESH_INVALID"));
    }
    let again = acting.impersonate_reply(&ada.user_id(), &json!({ "reason": REASON })).await.refusal();
    assert_eq!(again, refusal(403, "IMPERSONATION_FORBIDDEN"));
    let told =
        acting.showing(boss.proof.as_deref().unwrap()).change_user(&ada.user_id(), &json!({ "fullName": "A" })).await;
    assert_eq!(told.unwrap_err(), refusal(403, "IMPERSONATION_FORBIDDEN"));
    acting.verify().await.expect("and it is not ended by that");
}

/// I02: what is open, and nothing else. The walk shows that the rest is closed.
#[test]
fn i02_the_table_keeps_from_impersonation_what_belongs_to_the_person() {
    let open: Vec<(&str, &str)> = RULES
        .iter()
        .filter(|rule| matches!(rule.admits, Admits::SignedIn | Admits::Role(_)) && rule.impersonated)
        .map(|rule| (rule.method, rule.path))
        .collect();
    let wanted = [("POST", "/api/v1/auth/token/verify"), ("GET", "/api/v1/users/me"), ("GET", "/api/v1/login-history")];
    assert_eq!(open, wanted);
}
