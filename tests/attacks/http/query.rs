//! H01: query strings.

use reqwest::Method;
use serde_json::json;

use super::{ADA, Target, refused};

#[tokio::test]
async fn h01_query_strings_are_strict() {
    let target = Target::start().await;
    let many = (0..5000).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    let repeated = vec!["a=1"; 10_000].join("&");
    let forty = (0..40).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    for (query, status, code) in [
        ("page[size]=1&page[size]=2", 400, "DUPLICATE_PARAMETER"),
        ("page[size]=1&page%5Bsize%5D=2", 400, "DUPLICATE_PARAMETER"),
        ("page[size]=1&p%61ge[size]=1", 400, "DUPLICATE_PARAMETER"),
        ("a=1&a=2", 400, "DUPLICATE_PARAMETER"),
        ("page[size][]=1", 400, "UNKNOWN_PARAMETER"),
        ("page[size][0]=1&page[size][1]=2", 400, "UNKNOWN_PARAMETER"),
        ("page[]=1", 400, "UNKNOWN_PARAMETER"),
        ("page=1", 400, "UNKNOWN_PARAMETER"),
        ("PAGE[SIZE]=1", 400, "UNKNOWN_PARAMETER"),
        ("page.size=1", 400, "UNKNOWN_PARAMETER"),
        ("page[size]=1;page[size]=2", 400, "INVALID_PARAMETER"),
        ("include=user", 400, "UNKNOWN_PARAMETER"),
        ("fields[sessions]=ip", 400, "UNKNOWN_PARAMETER"),
        ("sort=-passwordHash", 400, "UNKNOWN_PARAMETER"),
        ("page[size]=0", 400, "INVALID_PARAMETER"),
        ("page[size]=-1", 400, "INVALID_PARAMETER"),
        ("page[size]=101", 400, "INVALID_PARAMETER"),
        ("page[size]=1e9", 400, "INVALID_PARAMETER"),
        ("page[size]=99999999999999999999", 400, "INVALID_PARAMETER"),
        ("page[size]=", 400, "INVALID_PARAMETER"),
        ("page[after]='", 400, "INVALID_PARAMETER"),
        ("page[after]=%00", 400, "INVALID_PARAMETER"),
        ("page[size]=%ff", 400, "INVALID_PARAMETER"),
        ("page[size]=%2", 400, "INVALID_PARAMETER"),
        (forty.as_str(), 400, "INVALID_PARAMETER"),
        (repeated.as_str(), 414, "URI_TOO_LONG"),
        (many.as_str(), 414, "URI_TOO_LONG"),
    ] {
        for path in ["/sessions", "/login-history"] {
            let reply = target.ada.call(Method::GET, &format!("{path}?{query}")).send().await;
            refused(query, &reply, status, code);
        }
    }
    let reply = target.ada.call(Method::POST, "/auth/logout?all=yes").send().await;
    refused("a flag", &reply, 400, "INVALID_PARAMETER");
    let reply = target.ada.call(Method::POST, "/auth/logout?all=false&all=true").send().await;
    refused("a flag twice", &reply, 400, "DUPLICATE_PARAMETER");
    target.unharmed().await;
}

#[tokio::test]
async fn h01_a_parameter_is_in_its_own_place_alone() {
    let target = Target::start().await;
    let native = target.service.native();
    let login = json!({ "identity": ADA, "password": "a wrong password 1" });
    for query in ["identity=eve%40example.com", "identity=ada%40example.com", "password=x", "x=1"] {
        let reply = native.post(&format!("/auth/login?{query}"), &login).await;
        refused(query, &reply, 400, "UNKNOWN_PARAMETER");
    }
    let reply = target.ada.call(Method::PATCH, "/users/me?fullName=Eve").json(&json!({ "fullName": "Eva" })).send();
    refused("in both", &reply.await, 400, "UNKNOWN_PARAMETER");
    // What belongs in the query is not taken from a body.
    let reply = target.ada.call(Method::POST, "/auth/logout").json(&json!({ "all": true })).send().await;
    assert!((400..500).contains(&reply.status), "{reply:?}");
    target.unharmed().await;
}
