//! Z04: other spellings of a path, and other methods, open nothing.

use keystead_api_actix::authorization::{Admits, RULES, Rule};
use keystead_domain::account::Role;
use reqwest::Method;

use crate::attacks::support::Digest;
use crate::attacks::wire::as_spelled;
use crate::authorization::asking::Target;
use crate::authorization::cast::{Cast, Principal, Proof, Who};
use crate::authorization::expected::{Expected, expected};
use crate::authorization::start;
use crate::support::Call;

/// Other ways to write a path, of which none is that path.
fn spellings(path: &str) -> Vec<String> {
    let (before, last) = path.rsplit_once('/').unwrap();
    vec![
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        path.replace("/admin/", "//admin/"),
        path.replace("/admin/", "/admin//"),
        path.replace("/admin/", "%2fadmin%2f"),
        path.replace("/admin/", "/admin%2F"),
        path.replace("/admin/", "/admin\\"),
        path.replace("/admin/", "/admin%5c"),
        path.replace("/admin/", "/ADMIN/"),
        path.replace("/admin/", "/Admin/"),
        path.replace("/admin/", "/admin;a=b/"),
        path.replace("/admin/", "/users/..;/admin/"),
        path.replace("/admin/", "/users/%2e%2e/admin/"),
        path.replace("/admin/", "/%61dmin/"),
        path.replace("/api/v1/", "/API/v1/"),
        path.replace("/api/v1/", "/api/v1/v1/"),
        path.replace("/api/v1/", "/"),
        format!("{before}/{};a=b", last),
        format!("{before}/{}.json", last),
        format!("{before}/{}%00", last),
        format!("{before}/{}%20", last),
        format!("{before}/{}%23", last),
    ]
}

fn admin_rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| matches!(rule.admits, Admits::Role(_)))
}

/// Who is not let in at any route of administration.
const OUTSIDERS: [Who; 4] =
    [Who::Nobody, Who::Banned, Who::Person(Role::User, Proof::Proved), Who::Person(Role::Admin, Proof::Unproved)];

/// What an outsider is told where a path is spelled otherwise: there is no such route, or what they are always told.
fn decision_stays(person: &Principal, rule: &Rule, status: u16, code: Option<&str>) -> bool {
    let Expected::Refused(always) = expected(rule, person.who.shows()) else { return false };
    matches!(status, 400 | 404 | 405) || (status == always.status && code.is_none_or(|code| code == always.code))
}

#[tokio::test]
async fn z04_other_spellings_of_a_path_open_nothing() {
    let service = start().await;
    let gathered = Cast::new(&service).await.gather(&OUTSIDERS).await;
    let target = Target::of(&gathered.half_ways.ada).await;
    let there = service.replica(1);
    // Sent like this, a request of an administrator is whole.
    let boss = as_spelled(gathered.boss.through(&there).call(Method::GET, "/admin/users")).await;
    assert_eq!(boss.status, 200, "{}", boss.text);
    let before = Digest::of(&service).await;
    let mut wrong = Vec::new();
    for rule in admin_rules() {
        let path = target.path(rule);
        for spelled in spellings(&path).into_iter().filter(|spelled| *spelled != path) {
            for person in &gathered.people {
                let call = person.call(&there, rule.method, rule, &spelled);
                let call = target.body(rule, person.nth).iter().fold(call, Call::json);
                let reply = as_spelled(call).await;
                let code = (reply.status >= 400).then(|| reply.refusal().code);
                if !decision_stays(person, rule, reply.status, code.as_deref()) {
                    wrong.push(format!("{:?} at {} {spelled}: {} {code:?}", person.who, rule.method, reply.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.is_still_that_of(&service).await;
}

#[tokio::test]
async fn z04_other_methods_open_nothing() {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];
    let service = start().await;
    let gathered = Cast::new(&service).await.gather(&OUTSIDERS).await;
    let target = Target::of(&gathered.half_ways.ada).await;
    let there = service.replica(1);
    let before = Digest::of(&service).await;
    let mut wrong = Vec::new();
    for rule in admin_rules() {
        for method in METHODS {
            let declared = |method: &str| RULES.iter().any(|other| (other.method, other.path) == (method, rule.path));
            if declared(method) || (method == "HEAD" && declared("GET")) {
                continue;
            }
            for person in &gathered.people {
                let reply = person.ask_at(&there, method, rule, &target.path(rule), &target).await;
                if reply.status != 405 {
                    wrong.push(format!("{:?} at {method} {}: {}", person.who, rule.path, reply.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.is_still_that_of(&service).await;
}
