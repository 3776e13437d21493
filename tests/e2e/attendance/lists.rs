//! Who sees which rows, as pages and as a file; what becomes of rows; a service without attendance.

use std::time::Duration;

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::berlin;
use crate::support::{Service, SignedIn, refusal};

const DAY: Duration = Duration::from_secs(86_400);

async fn start() -> Service {
    let service = Service::builder().configured(|config| config.attendance.calendar = berlin()).start().await;
    service.advance_to_time(&berlin(), "09:00").await;
    service
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// Five days of one person, two of another; the last ones are open. Rows oldest first, and the people.
async fn a_week(service: &Service) -> (Vec<Value>, [SignedIn; 2]) {
    let (_, ada_program) = service.enrolled("ada@example.com").await;
    let (_, bob_program) = service.enrolled("bob@example.com").await;
    let mut rows = Vec::new();
    for day in 0..5 {
        let ada = service.back("ada@example.com", &ada_program).await;
        let row = ada.check_in().await.unwrap();
        rows.push(if day < 4 { ada.check_out().await.unwrap() } else { row });
        if day >= 3 {
            rows.push(service.back("bob@example.com", &bob_program).await.check_in().await.unwrap());
        }
        if day < 4 {
            service.advance(DAY).await;
            service.ready().await;
        }
    }
    let ada = service.back("ada@example.com", &ada_program).await;
    (rows, [ada, service.back("bob@example.com", &bob_program).await])
}

#[tokio::test]
async fn everybody_sees_their_own_rows_and_administrators_everybodys() {
    let service = start().await;
    let (rows, [ada, bob]) = a_week(&service).await;
    let boss = service.administrator(Role::Admin).await;
    let newest_first = |of: &dyn Fn(usize) -> bool| -> Vec<&str> {
        (0..rows.len()).rev().filter(|nth| of(*nth)).map(|nth| rows[nth]["id"].as_str().unwrap()).collect()
    };
    let is_his = |nth: usize| nth == 4 || nth == 6;
    let (own, pages) = ada.all_rows("/attendances?page[size]=2").await;
    assert_eq!((ids(&own), pages), (newest_first(&|nth| !is_his(nth)), 3));
    assert_eq!(ids(&bob.all_rows("/attendances").await.0), newest_first(&is_his));
    let (all, pages) = boss.all_rows("/admin/attendances?page[size]=3").await;
    assert_eq!((ids(&all), pages), (newest_first(&|_| true), 3));
    let row = all.iter().find(|row| row["id"] == rows[4]["id"]).unwrap();
    assert_eq!(
        (&row["attributes"]["userId"], &row["attributes"]["email"]),
        (&json!(bob.user_id()), &json!("bob@example.com"))
    );
    let of_bob = format!("/admin/users/{}/attendances?page[size]=1", bob.user_id());
    let (of_bob, pages) = boss.all_rows(&of_bob).await;
    assert_eq!((ids(&of_bob), pages), (newest_first(&is_his), 2));

    let day = |nth: usize| rows[nth]["attributes"]["date"].as_str().unwrap();
    for (query, wanted) in [
        (format!("filter[date]={}", day(5)), vec![6, 5]),
        (format!("filter[from]={}", day(5)), vec![6, 5]),
        (format!("filter[to]={}", day(1)), vec![1, 0]),
        (format!("filter[from]={}&filter[to]={}", day(1), day(2)), vec![2, 1]),
        (format!("filter[date]={}&filter[to]={}", day(2), day(1)), vec![]),
        ("filter[open]=true".to_owned(), vec![6, 5, 4]),
        ("filter[open]=false".to_owned(), vec![3, 2, 1, 0]),
        (format!("filter[user]={}&filter[open]=true", bob.user_id()), vec![6, 4]),
    ] {
        let (found, _) = boss.all_rows(&format!("/admin/attendances?page[size]=2&{query}")).await;
        let wanted: Vec<&str> = wanted.into_iter().map(|nth: usize| rows[nth]["id"].as_str().unwrap()).collect();
        assert_eq!(ids(&found), wanted, "{query}");
    }
    let wrong = [
        "filter[date]=today",
        "filter[date]=2026-02-30",
        "filter[open]=1",
        "filter[user]=ada",
        "filter[from]=",
        "page[after]=x",
        "page[after]=1~2",
        "page[size]=101",
    ];
    for query in wrong {
        let reply = boss.call(Method::GET, &format!("/admin/attendances?{query}")).send().await;
        assert_eq!(reply.refusal(), refusal(400, "INVALID_PARAMETER"), "{query}");
    }
    let reply = ada.call(Method::GET, &format!("/attendances?filter[user]={}", bob.user_id())).send().await;
    assert_eq!(reply.refusal(), refusal(400, "UNKNOWN_PARAMETER"));
}

/// The lines of a file, each as its cells.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut cells, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(rest.next(), Some('\n'));
                cells.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut cells));
            }
            c => cell.push(c),
        }
    }
    assert!(cell.is_empty() && cells.is_empty() && !quoted, "the last line ends like the others");
    lines
}

#[tokio::test]
async fn a_file_is_for_administrators_and_holds_no_formula() {
    let service = start().await;
    let formulas = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "a\",=1+1,\"b", "a;=1+1"];
    let mut people = Vec::new();
    for (nth, formula) in formulas.iter().enumerate() {
        let (person, _) = service.enrolled(&format!("person-{nth}@example.com")).await;
        person.update_profile(&json!({ "fullName": "=1+1" })).await.unwrap();
        let call = person.call(Method::POST, "/attendance/in").header("user-agent", "=HYPERLINK(\"http://x\")");
        call.json(&json!({ "remarks": formula })).send().await.ok(201).unwrap();
        people.push(person);
    }
    let boss = service.administrator(Role::Admin).await;
    let file = boss.call(Method::GET, "/admin/attendances/export").header("accept", "text/csv").send().await;
    let file = file.ok(200).unwrap();
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"attendances.csv\""));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    let lines = parsed(&file.text);
    assert_eq!(lines.len(), 1 + formulas.len());
    let column = |name: &str| lines[0].iter().position(|cell| cell == name).unwrap();
    for line in &lines[1..] {
        assert_eq!(line.len(), lines[0].len());
        assert!(line.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{line:?}");
        assert_eq!(line[column("checkedInUserAgent")], "'=HYPERLINK(\"http://x\")");
        assert_eq!(line[column("fullName")], "'=1+1");
    }
    let mut remarks: Vec<&str> = lines[1..].iter().map(|line| line[column("checkedInRemarks")].as_str()).collect();
    let mut wanted: Vec<String> = formulas
        .iter()
        .map(|text| if text.starts_with('a') { text.replace('=', "'=") } else { format!("'{text}") })
        .collect();
    remarks.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(remarks, wanted);

    let one = format!("/admin/attendances/export?filter[user]={}", people[0].user_id());
    assert_eq!(parsed(&boss.call(Method::GET, &one).send().await.ok(200).unwrap().text).len(), 2);
    let events = boss.audit_events("filter[name]=sys_attendances_exported").await;
    let told: Vec<_> = events.iter().map(|event| &event["attributes"]["subjectId"]).collect();
    assert_eq!(told, [&json!(people[0].user_id()), &Value::Null]);
    let refused = people[0].call(Method::GET, "/admin/attendances/export").send().await.refusal();
    assert_eq!(refused, refusal(403, "FORBIDDEN"));
    let unproved = boss.without_proof().call(Method::GET, "/admin/attendances/export").header("accept", "text/csv");
    assert_eq!(unproved.send().await.refusal(), refusal(403, "MFA_REQUIRED"));
    // Nothing else is a file.
    let list = boss.call(Method::GET, "/admin/attendances").header("accept", "text/csv").send().await;
    assert_eq!(list.refusal(), refusal(406, "NOT_ACCEPTABLE"));
    let wrong = boss.call(Method::GET, "/admin/attendances/export").header("accept", "text/html").send().await;
    assert_eq!(wrong.refusal(), refusal(406, "NOT_ACCEPTABLE"));
}

#[tokio::test]
async fn rows_belong_to_their_person_are_in_their_copy_and_go_with_them() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    ada.attendance_reply("in", Some("  early  ")).await.ok(201).unwrap();
    ada.attendance_reply("out", Some("dentist")).await.ok(200).unwrap();
    let copy = ada.get("/users/me/export").await.unwrap()["data"]["attributes"]["attendances"].take();
    let row = &copy[0];
    assert_eq!((&row["checkedIn"]["remarks"], &row["checkedOut"]["remarks"]), (&json!("early"), &json!("dentist")));
    for end in ["checkedIn", "checkedOut"] {
        assert_eq!(row[end]["ip"], "127.0.0.1");
    }
    let boss = service.administrator(Role::Admin).await;
    boss.delete_user(&ada.user_id()).await.unwrap();
    assert_eq!(service.database().count("attendances"), 0);
}

#[tokio::test]
async fn what_is_said_is_one_short_line_and_nobody_comes_in_somebody_elses_name() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    for remarks in ["x".repeat(101), "a\nb".to_owned()] {
        let refused = ada.attendance_reply("in", Some(&remarks)).await;
        assert_eq!(refused.refusal(), refusal(422, "INVALID_REMARKS"));
    }
    assert_eq!(ada.check_out().await.unwrap_err(), refusal(409, "NOT_CHECKED_IN"));
    let boss = service.administrator(Role::SuperAdmin).await;
    let acting = boss.impersonate(&ada, "ticket 4711").await.unwrap();
    for proof in [None, ada.proof.as_deref(), boss.proof.as_deref()] {
        let acting = SignedIn { proof: proof.map(str::to_owned), ..acting.clone() };
        assert_eq!(acting.check_in().await.unwrap_err(), refusal(403, "IMPERSONATION_FORBIDDEN"));
    }
    for route in ["/attendance/status", "/attendances"] {
        // Administrators have lists of their own.
        assert_eq!(acting.get(route).await.unwrap_err(), refusal(403, "IMPERSONATION_FORBIDDEN"), "{route}");
    }
    assert_eq!(ada.without_proof().check_in().await.unwrap_err(), refusal(403, "MFA_REQUIRED"));
    ada.attendance_reply("in", Some(&"é".repeat(100))).await.ok(201).unwrap();
}

#[tokio::test]
async fn a_quarter_of_an_hour_has_fifteen_tries() {
    let service = Service::builder().default_limits().start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    ada.check_in().await.unwrap();
    for _ in 0..14 {
        assert_eq!(ada.check_in().await.unwrap_err(), refusal(409, "ALREADY_CHECKED_IN"));
    }
    assert_eq!(ada.check_out().await.unwrap_err(), refusal(429, "ACCOUNT_LIMITED"));
}

#[tokio::test]
async fn switched_off_it_is_not_there_and_rows_are_kept() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    ada.check_in().await.unwrap();
    let boss = service.administrator(Role::Admin).await;
    let id = ada.user_id();
    let service = service.restart_configured(|config| config.attendance.enabled = false).await;
    let routes = [
        (Method::GET, "/attendance/status".to_owned()),
        (Method::POST, "/attendance/in".to_owned()),
        (Method::POST, "/attendance/out".to_owned()),
        (Method::GET, "/attendances".to_owned()),
        (Method::GET, "/admin/attendances".to_owned()),
        (Method::GET, "/admin/attendances/export".to_owned()),
        (Method::GET, format!("/admin/users/{id}/attendances")),
    ];
    let bob = service.registered("bob@example.com").await;
    for (method, route) in routes {
        let replies = [
            service.api().call(method.clone(), &route).send().await,
            bob.call(method.clone(), &route).send().await,
            boss.call(method, &route).send().await,
        ];
        for reply in replies {
            assert_eq!(reply.refusal(), refusal(404, "NOT_FOUND"), "{route}");
        }
    }
    assert_eq!(service.database().count("attendances"), 1);
}
