//! G16, I04: every act of an administrator is one event that names who, as whom, to whom and why, and holds no secret.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_domain::account::Role;
use keystead_domain::audit::AuditEventName;
use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, GRACE, ids, pages};
use crate::at_rest::{contains, forms, hex};
use crate::support::{PASSWORD, Service, SignedIn, eventually, refusal};

const REASON: &str = "ticket 4711: canary reason";

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["attributes"]["name"].as_str().unwrap()).collect()
}

fn text<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row["attributes"][name].as_str()
}

#[tokio::test]
async fn g16_every_act_is_one_event() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let other = service.native().login(ADA, PASSWORD).await.unwrap();
    let (me, her) = (chief.user_id(), ada.user_id());
    let known = chief.audit_events("").await.len();

    let grace = chief.create_user(&json!({ "email": GRACE, "role": "admin" })).await.unwrap();
    let grace = grace["id"].as_str().unwrap();
    chief.change_user(&her, &json!({ "fullName": "Ada Lovelace" })).await.unwrap();
    chief.end_session_of_somebody(other.session_id()).await.unwrap();
    chief.set_role(&her, Role::Admin).await.unwrap();
    chief.set_role(&her, Role::User).await.unwrap();
    chief.end_sessions_of(&her).await.unwrap();
    chief.impersonate(&ada, REASON).await.unwrap();
    chief.ban(&her).await.unwrap();
    chief.change_user(&her, &json!({ "isActive": true })).await.unwrap();
    chief.delete_user(grace).await.unwrap();
    // Reading, and what was refused or changed nothing, is none.
    chief.ban(&me).await.unwrap_err();
    chief.delete_user(grace).await.unwrap_err();
    chief.change_user(&her, &json!({ "isActive": true })).await.unwrap();
    for route in ["/admin/users", "/admin/sessions", "/admin/outbox", "/admin/audit-events"] {
        chief.get(route).await.unwrap();
    }
    let mut rows = chief.audit_events("").await;
    rows.truncate(rows.len() - known);
    rows.reverse();
    let expected = [
        ("user_created_by_admin", grace, Some("admin")),
        ("user_updated", &her, None),
        ("session_ended_by_admin", &her, None),
        ("authz_change", &her, Some("user -> admin")),
        ("authz_change", &her, Some("admin -> user")),
        ("session_ended_all_by_admin", &her, None),
        ("authn_impersonate_start", &her, Some(REASON)),
        ("user_banned", &her, None),
        ("user_unbanned", &her, None),
        ("user_deleted", grace, None),
    ];
    let found: Vec<_> = rows
        .iter()
        .map(|row| (names(std::slice::from_ref(row))[0], text(row, "subjectId"), text(row, "detail")))
        .collect();
    assert_eq!(found, expected.map(|(name, subject, detail)| (name, Some(subject), detail)));
    for row in &rows {
        assert_eq!((text(row, "actorId"), text(row, "impersonatorId")), (Some(me.as_str()), None), "{row}");
        assert_eq!(text(row, "ip"), Some("127.0.0.1"));
        let session = if text(row, "name") == Some("session_ended_by_admin") { &other } else { &chief };
        assert_eq!(text(row, "sessionId"), Some(session.session_id()), "{row}");
    }
    chief.end_everybodys_sessions().await.unwrap();
    assert_eq!(service.database().audited("session_ended_everybody"), 1);
}

#[tokio::test]
async fn i04_what_is_done_as_somebody_names_both() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    let acting = chief.impersonate(&ada, REASON).await.unwrap();
    let refused = acting.update_profile(&json!({ "fullName": "Eve" })).await.unwrap_err();
    assert_eq!(refused, refusal(403, "IMPERSONATION_FORBIDDEN"));
    acting.profile().await.unwrap();
    acting.log_out().await.unwrap();
    bob.update_profile(&json!({ "fullName": "Bob Babbage" })).await.unwrap();
    let (me, her) = (chief.user_id(), ada.user_id());
    let both = chief.audit_events(&format!("filter[actor]={her}")).await;
    let acted: Vec<&Value> = both.iter().filter(|row| text(row, "impersonatorId").is_some()).collect();
    let what: Vec<_> = acted.iter().map(|row| (text(row, "name").unwrap(), text(row, "detail"))).collect();
    assert_eq!(what, [("session_ended", None), ("authz_fail", Some("PATCH /api/v1/users/me"))]);
    for row in &acted {
        assert_eq!((text(row, "actorId"), text(row, "impersonatorId")), (Some(her.as_str()), Some(me.as_str())));
        assert_eq!(text(row, "sessionId"), Some(acting.session_id()), "{row}");
    }
    // Looked for by who really did it, in person or not.
    let mine = chief.audit_events(&format!("filter[actor]={me}")).await;
    assert!(acted.iter().all(|row| mine.contains(row)));
    assert!(names(&mine).contains(&"authn_impersonate_start"));
    assert!(mine.iter().all(|row| [text(row, "actorId"), text(row, "impersonatorId")].contains(&Some(me.as_str()))));
}

#[tokio::test]
async fn events_are_found_by_name_person_and_time_and_read_page_by_page() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    chief.ban(&ada.user_id()).await.unwrap();
    service.advance(Duration::from_secs(60)).await;
    chief.ban(&bob.user_id()).await.unwrap();
    service.advance(Duration::from_secs(60)).await;
    chief.change_user(&ada.user_id(), &json!({ "isActive": true })).await.unwrap();

    let all = chief.audit_events("").await;
    let times: Vec<&str> = all.iter().filter_map(|row| text(row, "at")).collect();
    assert!(all.len() > 6 && times.windows(2).all(|pair| pair[0] >= pair[1]), "newest first: {times:?}");
    for size in [1, 3, 100] {
        let joined = pages(&chief, &format!("/admin/audit-events?page[size]={size}")).await;
        assert_eq!(ids(&joined.concat()), ids(&all), "{size}");
    }
    let banned = chief.audit_events("filter[name]=user_banned").await;
    assert_eq!(
        banned.iter().filter_map(|row| text(row, "subjectId")).collect::<Vec<_>>(),
        [bob.user_id(), ada.user_id()]
    );
    let hers = format!("filter[subject]={}", ada.user_id());
    let about = chief.audit_events(&format!("{hers}&filter[actor]={}", chief.user_id())).await;
    assert_eq!(names(&about), ["user_unbanned", "user_banned"]);
    let paged = pages(&chief, &format!("/admin/audit-events?{hers}&page[size]=1")).await.concat();
    assert!(paged.len() > 2 && paged.iter().all(|row| text(row, "subjectId") == Some(&ada.user_id())));

    // `from` belongs to what is looked for, `until` does not.
    let (later, earlier) = (text(&banned[0], "at").unwrap(), text(&banned[1], "at").unwrap());
    let between =
        |from: &str, until: &str| format!("filter[name]=user_banned&filter[from]={from}&filter[until]={until}");
    assert_eq!(ids(&chief.audit_events(&between(earlier, later)).await), [banned[1]["id"].as_str().unwrap()]);
    assert_eq!(
        ids(&chief.audit_events(&format!("filter[name]=user_banned&filter[from]={later}")).await),
        ids(&banned[..1])
    );
    assert_eq!(chief.audit_events(&between(later, earlier)).await, Vec::<Value>::new());
    assert_eq!(chief.audit_events("filter[name]=user_purged").await, Vec::<Value>::new());
    for row in &all {
        assert!(AuditEventName::parse(text(row, "name").unwrap()).is_some(), "{row}");
    }
}

#[tokio::test]
async fn i04_nobody_changes_or_deletes_an_event() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let rows = chief.audit_events("").await;
    let id = rows[0]["id"].as_str().unwrap();
    for route in ["/admin/audit-events".to_owned(), format!("/admin/audit-events/{id}")] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let reply = chief.call(method.clone(), &route).json(&json!({ "detail": null })).send().await;
            assert!(matches!(reply.status, 404 | 405), "{method} {route}: {reply:?}");
        }
    }
    assert_eq!(ids(&chief.audit_events("").await), ids(&rows));
}

#[tokio::test]
async fn g16_the_log_holds_the_reason_and_no_secret() {
    let service = Service::start().await;
    let (chief, program) = service.in_charge_at("chief@example.com", Role::SuperAdmin).await;
    let registered = service.native().register(ADA, PASSWORD).await.unwrap();
    let code = service.code(ADA).await;
    let ada = registered.verify(&code).await.unwrap();
    service.native().login(ADA, "canary-wrong-password-77").await.unwrap_err();
    ada.client.forgot(ADA).await.unwrap();
    let reset = service.link_tokens(ADA, 1).await.remove(0);
    chief.create_user(&json!({ "email": GRACE })).await.unwrap();
    let link = service.link_tokens(GRACE, 1).await.remove(0);
    let acting = chief.impersonate(&ada, REASON).await.unwrap();
    ada.update_profile(&json!({ "fullName": "Canary Name" })).await.unwrap();
    acting.update_profile(&json!({ "fullName": "Canary Eve" })).await.unwrap_err();
    chief.ask_step_up("authenticator").await.unwrap();
    let totp = service.fresh_code(&program).await;
    let chief = chief.step_up(&totp).await.unwrap();
    chief.change_user(&ada.user_id(), &json!({ "fullName": "Canary Other" })).await.unwrap();
    service.native().begin_reset(&reset).await.unwrap().reset("canary-password-two-5179").await.unwrap();

    let rows = service.database().dump(&[]);
    let shown = json!(chief.audit_events("").await).to_string();
    let kept = [rows["audit_events"].concat(), rows["audit_checkpoints"].concat(), shown.clone()];
    assert!(shown.contains(REASON) && kept[0].contains(REASON), "the reason is there");
    let mut secrets =
        vec![PASSWORD.to_owned(), "canary-wrong-password-77".to_owned(), "canary-password-two-5179".to_owned()];
    secrets.extend([reset, link, registered.token.clone(), registered.client_id.clone()]);
    for person in [&chief, &ada, &acting] {
        secrets.extend([person.access.clone(), person.refresh.clone(), person.client_id.clone()]);
        secrets.extend(person.proof.clone().into_iter().chain(person.device.clone()));
    }
    secrets.extend([
        program.base32.clone(),
        "Canary Name".to_owned(),
        "Canary Eve".to_owned(),
        "Canary Other".to_owned(),
    ]);
    secrets.extend([ADA, GRACE].map(str::to_owned));
    for text in &kept {
        for secret in &secrets {
            let in_clear =
                forms(secret).iter().any(|form| contains(text.as_bytes(), form) || text.contains(&hex(form)));
            assert!(!in_clear, "{secret} is in the log");
        }
        // Six digits can be part of a time: as a word they would be the code.
        for code in [&code, &totp] {
            assert!(!text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code), "a code is in the log");
        }
    }
}

/// What verifying finds, once everything is linked.
async fn verified(service: &Service) -> u64 {
    let operator = service.other_process().await;
    let report = eventually("a log that is linked", async || {
        let report = operator.verify_audit.run(None).await.unwrap();
        assert_eq!(report.problems, []);
        (report.unlinked == 0).then_some(report)
    });
    report.await.rows
}

#[tokio::test]
async fn g16_sixteen_writers_leave_an_unbroken_chain() {
    const WRITERS: usize = 16;
    const ACTS: usize = 8;
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let mut made = Vec::new();
    for number in 0..WRITERS {
        let person = chief.create_user(&json!({ "email": format!("person{number}@example.com") })).await.unwrap();
        made.push(person["id"].as_str().unwrap().to_owned());
    }
    let writer = |number: usize| {
        let (chief, id): (SignedIn, String) = (chief.clone(), made[number].clone());
        async move {
            for act in 0..ACTS {
                chief.change_user(&id, &json!({ "fullName": format!("Name {act}") })).await.unwrap();
                chief.change_user(&id, &json!({ "isActive": act % 2 == 1 })).await.unwrap();
            }
        }
    };
    race(WRITERS, writer).await;
    let rows = verified(&service).await;
    let mut database = service.database();
    assert_eq!(i64::try_from(rows).unwrap(), database.count("audit_events"));
    let each = i64::try_from(WRITERS * ACTS).unwrap();
    assert_eq!(database.audited("user_updated"), each);
    assert_eq!(database.audited("user_banned") + database.audited("user_unbanned"), each);
    drop(database);
    let mut positions = BTreeMap::new();
    for row in chief.audit_events("").await {
        *positions.entry(row["attributes"]["position"].as_i64().unwrap()).or_insert(0) += 1;
    }
    let expected: Vec<(i64, i32)> = (1..=i64::try_from(rows).unwrap()).map(|position| (position, 1)).collect();
    assert_eq!(positions.into_iter().collect::<Vec<_>>(), expected);
}
