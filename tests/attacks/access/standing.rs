//! Z05: a role that was taken away opens nothing with the token from before, nor with the next one; and somebody stays in
//! charge. What administrators may do to each other is in `admin::guards`.

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::json;

use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Service, SignedIn, refusal};

/// What only administrators do, about somebody.
fn acts(id: &str) -> Vec<(Method, String, Option<serde_json::Value>)> {
    vec![
        (Method::GET, "/admin/users".into(), None),
        (Method::GET, format!("/admin/users/{id}"), None),
        (Method::PATCH, format!("/admin/users/{id}"), Some(json!({ "role": "super-admin" }))),
        (Method::POST, "/admin/users".into(), Some(json!({ "email": "new@example.com", "role": "super-admin" }))),
        (Method::DELETE, format!("/admin/users/{id}"), None),
        (Method::DELETE, format!("/admin/users/{id}/sessions"), None),
        (Method::POST, format!("/admin/users/{id}/impersonations"), Some(json!({ "reason": "because I could" }))),
        (Method::GET, "/admin/audit-events".into(), None),
        (Method::DELETE, "/admin/sessions".into(), None),
    ]
}

/// None of it is done with these tokens, on any replica.
async fn are_refused(who: &SignedIn, id: &str, status: u16, code: &str) -> usize {
    let mut asked = 0;
    for api in who.client.api.each() {
        for (method, route, body) in acts(id) {
            let mut call = who.through(&api).call(method.clone(), &route);
            if let Some(body) = &body {
                call = call.json(body);
            }
            assert_refused(&format!("{method} {route}"), &call.send().await, status, code);
            asked += 1;
        }
    }
    asked
}

#[tokio::test]
async fn z05_a_role_that_was_taken_away_opens_nothing() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let (admin, program) = service.administrator_at(&service.native(), "admin@example.com", Role::SuperAdmin).await;
    let ada = service.registered("ada@example.com").await.user_id();
    admin.get("/admin/users").await.unwrap();
    boss.set_role(&admin.user_id(), Role::User).await.unwrap();
    assert_eq!(admin.refused_within_a_second().await, refusal(401, "TOKEN_REVOKED"));
    let before = Digest::of(&service).await;
    are_refused(&admin, &ada, 401, "TOKEN_REVOKED").await;
    before.is_still_that_of(&service).await;

    let demoted = admin.refresh().await.unwrap();
    demoted.ask_step_up("authenticator").await.unwrap();
    let demoted = demoted.step_up(&service.fresh_code(&program).await).await.unwrap();
    let before = Digest::of(&service).await;
    let asked = are_refused(&demoted, &ada, 403, "FORBIDDEN").await;
    before.is_still_that_of_but_for(&service, &[("authz_fail", asked)]).await;
}

#[tokio::test]
async fn z05_whoever_is_last_in_charge_cannot_leave() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    // An administrator of a lesser role is none of that role.
    service.administrator_at(&service.native(), "admin@example.com", Role::Admin).await;
    let own = format!("/admin/users/{}", boss.user_id());
    let before = Digest::of(&service).await;
    for (method, route, body, code) in [
        (Method::PATCH, own.as_str(), Some(json!({ "role": "user" })), "OWN_ACCOUNT"),
        (Method::PATCH, &own, Some(json!({ "role": "admin" })), "OWN_ACCOUNT"),
        (Method::PATCH, &own, Some(json!({ "isActive": false })), "OWN_ACCOUNT"),
        (Method::DELETE, &own, None, "OWN_ACCOUNT"),
        (Method::DELETE, "/users/me", None, "LAST_ADMINISTRATOR"),
    ] {
        let mut call = boss.call(method.clone(), route);
        if let Some(body) = &body {
            call = call.json(body);
        }
        assert_refused(&format!("{method} {body:?}"), &call.send().await, 409, code);
    }
    before.is_still_that_of(&service).await;
    boss.get("/admin/users").await.expect("still in charge");
}
