//! L07: the audit log is whole, in order, names who did what, and shows whatever its database's owner changes in it.

use keystead_domain::account::Role;
use serde_json::{Value, json};

use crate::process::keystead::Finished;
use crate::support::{PASSWORD, Service, eventually};

const ADA: &str = "ada@example.com";
/// What a problem that was found ends with.
const FOUND: i32 = 3;

fn verify(service: &Service) -> Finished {
    service.command(&["audit", "verify"], &[])
}

/// Every event, oldest first, once each has its place in the chain.
async fn events(service: &Service) -> Vec<Value> {
    let linked = || async {
        let report = service.command(&["audit", "verify"], &["--json"]).ok();
        let report: Value = serde_json::from_str(report.trim()).unwrap();
        assert_eq!(report["problems"], json!([]));
        (report["unlinked"] == json!(0)).then_some(())
    };
    eventually("a log that is linked", linked).await;
    let lines = service.command(&["audit", "export"], &[]).ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn l07_every_case_is_an_event_in_its_place_and_names_who() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let known = events(&service).await.len();
    let ada = service.registered(ADA).await;
    service.native().login(ADA, "a wrong password 1").await.unwrap_err();
    let second = service.native().login(ADA, PASSWORD).await.unwrap();
    let (her, me) = (ada.user_id(), boss.user_id());
    second.call(reqwest::Method::GET, "/admin/users").send().await.ok(200).unwrap_err();
    let acting = boss.impersonate(&ada, "ticket 4711").await.unwrap();
    acting.update_profile(&json!({ "fullName": "Eve" })).await.unwrap_err();
    second.log_out().await.unwrap();
    boss.ban(&her).await.unwrap();

    let all = events(&service).await;
    let positions: Vec<u64> = all.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=u64::try_from(all.len()).unwrap()).collect::<Vec<_>>(), "no gap");
    let times: Vec<&str> = all.iter().map(|event| event["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let text = |event: &Value, name: &str| event[name].as_str().map(str::to_owned);
    let told: Vec<_> = all[known..]
        .iter()
        .map(|event| (text(event, "event").unwrap(), text(event, "actor"), text(event, "impersonator")))
        .collect();
    let person = |id: &str| Some(id.to_owned());
    for (name, actor, impersonator) in [
        ("user_created", person(&her), None),
        ("authn_login_fail", None, None),
        ("authn_login_success", person(&her), None),
        ("authz_fail", person(&her), None),
        ("authn_impersonate_start", person(&me), None),
        ("authz_fail", person(&her), person(&me)),
        ("session_ended", person(&her), None),
        ("user_banned", person(&me), None),
    ] {
        let wanted = (name.to_owned(), actor, impersonator);
        assert_eq!(told.iter().filter(|one| **one == wanted).count(), 1, "{wanted:?} in {told:#?}");
    }
    assert!(all.iter().all(|event| event["id"].is_i64()), "{all:?}");
}

#[tokio::test]
async fn l07_what_the_databases_owner_changes_is_found() {
    let service = Service::start().await;
    let ada = service.registered(ADA).await;
    for _ in 0..6 {
        service.native().login(ADA, "a wrong password 1").await.unwrap_err();
    }
    ada.log_out().await.unwrap();
    let all = events(&service).await;
    let id = |position: usize| all[position - 1]["id"].as_i64().unwrap();
    assert!(all.len() >= 9, "{all:?}");
    // Nobody who only writes SQL gets past the triggers; who owns the database does.
    let unguarded = if crate::support::Stores::are_shared() {
        "ALTER TABLE audit_events DISABLE TRIGGER USER"
    } else {
        "DROP TRIGGER audit_events_update; DROP TRIGGER audit_events_insert; DROP TRIGGER audit_events_delete"
    };
    service.database().command(unguarded);
    for (sql, words) in [
        ("UPDATE audit_events SET detail = 'another' WHERE position = 2", format!("row {} (position 2)", id(2))),
        ("UPDATE audit_events SET ip = '203.0.113.9' WHERE position = 4", format!("row {} (position 4)", id(4))),
        ("UPDATE audit_events SET name = 'user_updated' WHERE position = 6", format!("row {} (position 6)", id(6))),
        ("DELETE FROM audit_events WHERE position = 8", "position 8".to_owned()),
    ] {
        service.database().command(sql);
        let found = verify(&service);
        assert_eq!(found.code, Some(FOUND), "{sql}: {found:?}");
        assert!(found.stdout.contains(&words), "{sql}: {words} is not in {}", found.stdout);
    }
}
