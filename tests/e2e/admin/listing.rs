//! Lists of accounts: pages, filters, and what is no query of theirs (A02).

use std::collections::BTreeSet;

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::json;

use super::{ADA, BOB, ids, local, pages};
use crate::support::{Service, SignedIn, refusal};

async fn makes(admin: &SignedIn, email: &str) -> String {
    admin.create_user(&json!({ "email": email })).await.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pages_have_no_gap_and_no_double_while_accounts_are_added() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let mut made = vec![admin.user_id()];
    for number in 0..6 {
        made.push(makes(&admin, &format!("person{number}@example.com")).await);
    }
    for (sort, newest_first) in [("createdAt", false), ("-createdAt", true)] {
        let before = made.clone();
        let (mut seen, mut next) = (Vec::new(), Some(format!("/admin/users?sort={sort}&page[size]=2")));
        while let Some(route) = next {
            let page = admin.get(&route).await.unwrap();
            let part = page["data"].as_array().unwrap();
            seen.extend(ids(part).into_iter().map(str::to_owned));
            next = local(&page["links"]["next"]);
            assert_eq!(part.len(), if next.is_some() { 2 } else { part.len().clamp(1, 2) });
            if seen.len() < 6 {
                made.push(makes(&admin, &format!("late{}@example.com", made.len())).await);
            }
        }
        let expected: Vec<String> = if newest_first { before.into_iter().rev().collect() } else { made.clone() };
        assert_eq!(seen, expected, "{sort}");
    }
    let whole = pages(&admin, "/admin/users?page[size]=100").await;
    assert_eq!((whole.len(), ids(&whole[0])), (1, made.iter().map(String::as_str).collect()));
}

#[tokio::test]
async fn each_filter_and_all_of_them_together() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    for (email, role) in [("first@a.example", "user"), ("second@a.example", "user"), ("third@a.example", "admin")] {
        chief.create_user(&json!({ "email": email, "role": role })).await.unwrap();
    }
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    chief.ban(&ada.user_id()).await.unwrap();
    bob.close_account().await.unwrap();
    for (query, expected) in [
        ("filter[status]=banned", vec![ADA]),
        ("filter[status]=deactivated", vec![BOB]),
        ("filter[role]=super-admin", vec!["super-admin@example.com"]),
        ("filter[role]=admin", vec!["third@a.example"]),
        ("filter[role]=user&filter[status]=active", vec!["first@a.example", "second@a.example"]),
        ("filter[role]=user&filter[status]=active&filter[email]=s", vec!["second@a.example"]),
        ("filter[role]=admin&filter[email]=s", vec![]),
        ("filter[status]=banned&filter[email]=ADA%40", vec![ADA]),
        ("filter[status]=banned&filter[email]=ada@example.com", vec![ADA]),
        ("filter[status]=banned&filter[email]=ada@example.com.", vec![]),
    ] {
        let lists = pages(&chief, &format!("/admin/users?{query}&page[size]=1")).await.concat();
        let found: Vec<&str> = lists.iter().filter_map(|user| user["attributes"]["email"].as_str()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let banned = &pages(&chief, "/admin/users?filter[status]=banned").await[0][0];
    assert_eq!((&banned["attributes"]["isActive"], &banned["attributes"]["status"]), (&json!(false), &json!("banned")));
}

#[tokio::test]
async fn a02_the_beginning_of_an_address_is_taken_literally() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    for local in ["a_b", "axb", "a%b", "a%xb", "%", "_", "zz"] {
        makes(&admin, &format!("{local}@z.example")).await;
    }
    for (prefix, expected) in [
        ("a_", vec!["a_b"]),
        ("A_B", vec!["a_b"]),
        ("a%25", vec!["a%b", "a%xb"]),
        ("a%25b", vec!["a%b"]),
        ("%25", vec!["%"]),
        ("_", vec!["_"]),
        ("a", vec!["a%b", "a%xb", "a_b", "axb"]),
        ("z", vec!["zz"]),
        ("a%5C_", vec![]),
        ("%5C", vec![]),
        ("a*", vec![]),
        ("a?b", vec![]),
        ("[a]", vec![]),
        ("'", vec![]),
        ("a%27%20OR%201=1--", vec![]),
        ("%C3%BF", vec![]),
        ("%F4%8F%BF%BF", vec![]),
        ("%ED%9F%BF", vec![]),
        ("z%F4%8F%BF%BF", vec![]),
    ] {
        let list = pages(&admin, &format!("/admin/users?filter[email]={prefix}&page[size]=100")).await.concat();
        let emails = list.iter().map(|user| user["attributes"]["email"].as_str().unwrap());
        let found: BTreeSet<&str> = emails.filter_map(|email| email.strip_suffix("@z.example")).collect();
        let admins = list.iter().filter(|user| user["id"] == admin.user_id().as_str()).count();
        assert_eq!(list.len() - admins, found.len(), "{prefix}: {list:?}");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{prefix}");
    }
    let reply = admin.call(Method::GET, "/admin/users?filter[email]=%00").send().await;
    assert!(matches!(reply.status, 200 | 400), "{reply:?}");
}

/// Query, code, the parameter that is named.
type Bad = (&'static str, &'static str, &'static str);

/// Of every list.
const PAGES: [Bad; 15] = [
    ("page[size]=0", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=-1", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=101", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=1e9", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=1000000000", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=NaN", "INVALID_PARAMETER", "page[size]"),
    ("page[size]=", "INVALID_PARAMETER", "page[size]"),
    ("page[after]=", "INVALID_PARAMETER", "page[after]"),
    ("page[after]='", "INVALID_PARAMETER", "page[after]"),
    ("page[after]=%00", "INVALID_PARAMETER", "page[after]"),
    ("page[number]=1", "UNKNOWN_PARAMETER", "page[number]"),
    ("include=sessions", "UNKNOWN_PARAMETER", "include"),
    ("fields[users]=passwordHash", "UNKNOWN_PARAMETER", "fields[users]"),
    ("filter[passwordHash]=$argon2id", "UNKNOWN_PARAMETER", "filter[passwordHash]"),
    ("page[size]=1&page%5Bsize%5D=2", "DUPLICATE_PARAMETER", "page[size]"),
];

const OTHERS: [(&str, &[Bad]); 4] = [
    (
        "/admin/users",
        &[
            ("sort=email", "INVALID_PARAMETER", "sort"),
            ("sort=-passwordHash", "INVALID_PARAMETER", "sort"),
            ("sort=createdAt,id", "INVALID_PARAMETER", "sort"),
            ("sort=", "INVALID_PARAMETER", "sort"),
            ("filter[status]=gone", "INVALID_PARAMETER", "filter[status]"),
            ("filter[status]=", "INVALID_PARAMETER", "filter[status]"),
            ("filter[role]=root", "INVALID_PARAMETER", "filter[role]"),
            ("filter[role]=Admin", "INVALID_PARAMETER", "filter[role]"),
            ("filter[email]=", "INVALID_PARAMETER", "filter[email]"),
            ("filter[epoch]=1", "UNKNOWN_PARAMETER", "filter[epoch]"),
            ("filter[phone]=1", "UNKNOWN_PARAMETER", "filter[phone]"),
            ("filter[status][]=active", "UNKNOWN_PARAMETER", "filter[status][]"),
            ("filter=active", "UNKNOWN_PARAMETER", "filter"),
        ],
    ),
    (
        "/admin/sessions",
        &[
            ("filter[user]=*", "INVALID_PARAMETER", "filter[user]"),
            ("filter[user]=", "INVALID_PARAMETER", "filter[user]"),
            ("filter[user]=null", "INVALID_PARAMETER", "filter[user]"),
            ("filter[ip]=127.0.0.1", "UNKNOWN_PARAMETER", "filter[ip]"),
            ("sort=userId", "UNKNOWN_PARAMETER", "sort"),
        ],
    ),
    (
        "/admin/audit-events",
        &[
            ("filter[name]=authn_login", "INVALID_PARAMETER", "filter[name]"),
            ("filter[name]=%25", "INVALID_PARAMETER", "filter[name]"),
            ("filter[actor]=1", "INVALID_PARAMETER", "filter[actor]"),
            ("filter[subject]=*", "INVALID_PARAMETER", "filter[subject]"),
            ("filter[from]=yesterday", "INVALID_PARAMETER", "filter[from]"),
            ("filter[until]=2026-13-01T00:00:00Z", "INVALID_PARAMETER", "filter[until]"),
            ("filter[detail]=x", "UNKNOWN_PARAMETER", "filter[detail]"),
            ("sort=-at", "UNKNOWN_PARAMETER", "sort"),
        ],
    ),
    (
        "/admin/outbox",
        &[
            ("filter[to]=ada@example.com", "UNKNOWN_PARAMETER", "filter[to]"),
            ("page[after]=1~2", "INVALID_PARAMETER", "page[after]"),
            ("page[after]=9999999999999999999999~AAAAAAAAAAAAAAAAAAAAA", "INVALID_PARAMETER", "page[after]"),
        ],
    ),
];

#[tokio::test]
async fn a02_what_is_no_parameter_of_a_list_is_named_and_refused() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    for (route, own) in OTHERS {
        for (query, code, parameter) in PAGES.iter().chain(own) {
            let reply = admin.call(Method::GET, &format!("{route}?{query}")).send().await;
            assert_eq!(reply.refusal(), refusal(400, code), "{route}?{query}: {}", reply.text);
            let source = &reply.json()["errors"][0]["source"]["parameter"];
            assert_eq!(source, parameter, "{route}?{query}: {}", reply.text);
        }
    }
    // All at once.
    let reply = admin.call(Method::GET, "/admin/users?page[size]=0&sort=x&filter[role]=x&y=1").send().await;
    assert_eq!((reply.status, reply.json()["errors"].as_array().unwrap().len()), (400, 4), "{}", reply.text);
    // One account and one that is nobody's take no parameters.
    let reply = admin.call(Method::GET, &format!("/admin/users/{}?include=sessions", admin.user_id())).send().await;
    assert_eq!(reply.refusal(), refusal(400, "UNKNOWN_PARAMETER"));
}

#[tokio::test]
async fn z01_ids_that_are_nobodys_are_unknown() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let events = service.events();
    let neighbour = admin.user_id().replace(|digit: char| digit.is_ascii_digit(), "1");
    let ids = ["00000000-0000-0000-0000-000000000000", "*", "me", "null", "1", "%00", "-1", "..", &neighbour];
    for id in ids.iter().filter(|id| **id != "..") {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let call = admin.call(method.clone(), &format!("/admin/users/{id}"));
            let call = if method == Method::PATCH { call.json(&json!({ "isActive": false })) } else { call };
            let reply = call.send().await;
            assert_eq!(reply.refusal(), refusal(404, "NOT_FOUND"), "{method} {id}");
        }
        let reply = admin.call(Method::DELETE, &format!("/admin/users/{id}/sessions")).send().await;
        assert_eq!(reply.refusal(), refusal(404, "NOT_FOUND"), "{id}");
        let reply = admin.call(Method::DELETE, &format!("/admin/sessions/{id}")).send().await;
        assert_eq!(reply.refusal(), refusal(404, "NOT_FOUND"), "{id}");
    }
    assert_eq!(service.events(), events);
}
