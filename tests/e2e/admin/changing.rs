//! Changes of accounts: profile, role, standing. G04, G05: role and standing hold from the next request on, on every replica.

use keystead_domain::account::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, BOB, NOBODYS};
use crate::support::{PASSWORD, Service, refusal};

#[tokio::test]
async fn each_attribute_is_changed_by_itself_and_null_removes_it() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    for (name, value) in [("fullName", "Ada Lovelace"), ("username", "ada_l"), ("locale", "en")] {
        let before = admin.managed(&id).await.unwrap();
        let changed = admin.change_user(&id, &json!({ name: value })).await.unwrap();
        assert_eq!(changed[name], value);
        for (other, kept) in before.as_object().unwrap() {
            assert!(other == name || other == "updatedAt" || changed[other] == *kept, "{other} beside {name}");
        }
        assert_eq!(ada.profile().await.unwrap()[name], value, "and its owner sees it, still signed in");
    }
    service.native().login("ada_l", PASSWORD).await.expect("a username is a login name");
    for name in ["fullName", "username", "locale"] {
        assert_eq!(admin.change_user(&id, &json!({ name: null })).await.unwrap()[name], Value::Null);
    }
    assert_eq!(service.database().audited("user_updated"), 6);
    let mails = service.told(ADA).await;
    assert_eq!(mails.len(), 6);
    assert!(mails.iter().all(|mail| mail.text.contains("changed your profile") && !mail.text.contains("admin@")));
    ada.verify().await.expect("no session ended");
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_nothing_behind() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    let named = admin.change_user(&id, &json!({ "fullName": "Ada Lovelace" })).await.unwrap();
    let (events, told) = (service.events(), service.told(ADA).await.len());
    for same in [
        json!({}),
        json!({ "fullName": "Ada Lovelace", "username": null }),
        json!({ "role": "user", "isActive": true }),
    ] {
        assert_eq!(admin.change_user(&id, &same).await.unwrap(), named, "{same}");
    }
    assert_eq!((service.events(), service.told(ADA).await.len()), (events, told));
    ada.verify().await.unwrap();
}

#[tokio::test]
async fn g04_z05_a_role_holds_from_the_next_request_on() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    assert_eq!(ada.get("/admin/users").await.unwrap_err(), refusal(403, "FORBIDDEN"));
    assert_eq!(chief.set_role(&id, Role::Admin).await.unwrap()["role"], "admin");
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"), "the token that says user");
    let promoted = ada.refresh().await.unwrap();
    let (promoted, program) = service.proved_by_mail(&promoted, ADA).await.enrol(&service).await;
    assert_eq!(promoted.claims()["role"], "admin");
    for api in service.api().each() {
        promoted.through(&api).get("/admin/users").await.unwrap();
    }

    assert_eq!(service.told(ADA).await.len(), 1);
    chief.set_role(&id, Role::User).await.unwrap();
    assert_eq!(promoted.refused().await, refusal(401, "TOKEN_REVOKED"), "the token that says admin");
    for api in service.api().each() {
        assert_eq!(promoted.through(&api).get("/admin/users").await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
    }
    let demoted = promoted.refresh().await.unwrap();
    assert_eq!(demoted.claims()["role"], "user");
    assert_eq!(demoted.get("/admin/users").await.unwrap_err(), refusal(403, "FORBIDDEN"), "with the proof of before");
    demoted.ask_step_up("authenticator").await.unwrap();
    let demoted = demoted.step_up(&service.fresh_code(&program).await).await.unwrap();
    for (method, route) in [
        (Method::GET, "/admin/users".to_owned()),
        (Method::GET, "/admin/audit-events".to_owned()),
        (Method::DELETE, format!("/admin/users/{}", chief.user_id())),
        (Method::DELETE, "/admin/sessions".to_owned()),
    ] {
        let reply = demoted.call(method, &route).send().await;
        assert_eq!(reply.refusal(), refusal(403, "FORBIDDEN"), "{route}");
    }
    let mails = service.told(ADA).await;
    let roles: Vec<bool> = mails.iter().map(|mail| mail.text.contains("Your role is now: admin.")).collect();
    assert_eq!(roles, [true, false]);
    assert!(mails[1].text.contains("Your role is now: user."), "{}", mails[1].text);
    assert_eq!(service.database().audited("authz_change"), 2);
}

#[tokio::test]
async fn g04_g05_a_ban_ends_everything_and_its_end_brings_nothing_back() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let ada = service.person(ADA).await;
    let browser = service.browser().login(ADA, PASSWORD).await.unwrap();
    ada.client.forgot(ADA).await.unwrap();
    let link = service.link_tokens(ADA, 1).await.remove(0);
    let id = ada.user_id();
    let banned = admin.ban(&id).await.unwrap();
    assert_eq!((&banned["isActive"], &banned["status"]), (&json!(false), &json!("banned")));
    for person in [&ada, &browser] {
        assert_eq!(person.refused().await, refusal(401, "TOKEN_REVOKED"));
        assert_eq!(person.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    }
    assert_eq!(service.native().login(ADA, PASSWORD).await.unwrap_err(), refusal(403, "ACCOUNT_INACTIVE"));
    let wrong = service.native().login(ADA, "copper-violin-meadow-17").await.unwrap_err();
    assert_eq!(wrong, refusal(401, "INVALID_CREDENTIALS"), "only who knows the password learns it");
    assert_eq!(service.native().begin_reset(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"));

    // One after the other: two mails on their way at once may arrive in either order.
    assert_eq!(service.told(ADA).await.len(), 1);
    let opened = admin.change_user(&id, &json!({ "isActive": true })).await.unwrap();
    assert_eq!((&opened["isActive"], &opened["status"]), (&json!(true), &json!("active")));
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(browser.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(service.native().begin_reset(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    let device = ada.device.as_deref().unwrap();
    let back = service.native().on_device(device).login(ADA, PASSWORD).await.expect("one can come back");
    assert_ne!(back.device.as_deref(), Some(device), "as from a device nobody knows");
    let mails = service.told(ADA).await;
    assert_eq!(mails.len(), 2);
    assert!(mails[0].text.contains("locked your account") && mails[1].text.contains("opened your account again"));
    assert!(mails.iter().all(|mail| mail.link_token().is_none() && mail.code().is_none()));
    assert!(mails.iter().all(|mail| !mail.text.contains("127.0.0.1") && !mail.text.contains("admin@example.com")));
    let mut database = service.database();
    assert_eq!((database.audited("user_banned"), database.audited("user_unbanned")), (1, 1));
}

#[tokio::test]
async fn an_account_closed_by_its_owner_is_opened_again_and_never_banned() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    ada.close_account().await.unwrap();
    let events = service.events();
    assert_eq!(admin.ban(&id).await.unwrap()["status"], "deactivated");
    assert_eq!(service.events(), events);
    assert_eq!(admin.change_user(&id, &json!({ "isActive": true })).await.unwrap()["status"], "active");
    service.native().login(ADA, PASSWORD).await.unwrap();
    let mut database = service.database();
    assert_eq!((database.audited("user_reactivated"), database.audited("user_unbanned")), (1, 0));
}

#[tokio::test]
async fn several_changes_at_once_are_one_request_and_an_event_each() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let all = json!({ "role": "admin", "isActive": false, "fullName": "Ada Lovelace" });
    chief.change_user(&ada.user_id(), &all).await.unwrap();
    assert_eq!(service.told(ADA).await.len(), 3);
    let mut database = service.database();
    for name in ["authz_change", "user_banned", "user_updated"] {
        assert_eq!(database.audited(name), 1, "{name}");
    }
    drop(database);
    // One of them refused: none is made.
    let bob = service.person(BOB).await;
    chief.change_user(&bob.user_id(), &json!({ "username": "bob" })).await.unwrap();
    let (before, events) = (chief.managed(&ada.user_id()).await.unwrap(), service.events());
    let reply = chief.call(Method::PATCH, &format!("/admin/users/{}", ada.user_id()));
    let reply = reply.json(&json!({ "isActive": true, "role": "user", "username": "BOB" })).send().await;
    assert_eq!(reply.refusal(), refusal(409, "USERNAME_TAKEN"));
    assert_eq!(reply.json()["errors"][0]["source"]["pointer"], "/username");
    assert_eq!((chief.managed(&ada.user_id()).await.unwrap(), service.events()), (before, events));
}

#[tokio::test]
async fn a01_what_no_administrator_may_change_is_refused_and_nothing_is_changed() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    let (before, events) = (chief.managed(&id).await.unwrap(), service.events());
    let hashes: Vec<String> = service.database().dump(&[])["passwords"].clone();
    for name in NOBODYS.into_iter().chain(["email", "phone"]) {
        let reply = chief.call(Method::PATCH, &format!("/admin/users/{id}"));
        let reply = reply.json(&json!({ "fullName": "Eve", name: "x" })).send().await;
        assert_eq!(reply.refusal(), refusal(422, "UNKNOWN_ATTRIBUTE"), "{name}");
    }
    for wrong in [
        json!({ "isActive": "false" }),
        json!({ "isActive": 0 }),
        json!({ "isActive": [false] }),
        json!({ "role": { "$ne": "user" } }),
        json!({ "role": "owner" }),
        json!({ "role": "ADMIN" }),
        json!({ "username": "eve@example.com" }),
        json!({ "fullName": ["Eve"] }),
    ] {
        let refused = chief.change_user(&id, &wrong).await.unwrap_err();
        assert_eq!(refused.status, 422, "{wrong}: {refused:?}");
    }
    assert_eq!((chief.managed(&id).await.unwrap(), service.events()), (before, events));
    assert_eq!(service.database().dump(&[])["passwords"], hashes);
    assert_eq!(service.told(ADA).await.len(), 0);
}

#[tokio::test]
async fn a02_a_document_about_something_else_than_its_path_changes_nothing() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let id = ada.user_id();
    let (before, events) = (chief.managed(&id).await.unwrap(), service.events());
    let patch = async |document: &Value| {
        let call = chief.call(Method::PATCH, &format!("/admin/users/{id}")).json(document).without("content-type");
        call.header("content-type", "application/vnd.api+json").send().await
    };
    let attributes = json!({ "fullName": "Eve" });
    for (document, expected) in [
        (json!({ "data": { "type": "sessions", "id": id, "attributes": attributes } }), 409),
        (json!({ "data": [{ "type": "users", "id": id, "attributes": attributes }] }), 422),
        (json!({ "data": { "type": "users", "id": [id], "attributes": attributes } }), 422),
        // JSON:API 1.1, updating resources: type and id are those of the endpoint.
        (json!({ "data": { "type": "users", "id": chief.user_id(), "attributes": attributes } }), 409),
    ] {
        let reply = patch(&document).await;
        assert_eq!(reply.status, expected, "{document}: {}", reply.text);
    }
    assert_eq!((chief.managed(&id).await.unwrap(), service.events()), (before, events));
    let own = json!({ "data": { "type": "users", "id": id, "attributes": { "fullName": "Ada Lovelace" } } });
    assert_eq!(patch(&own).await.ok(200).unwrap().attributes()["fullName"], "Ada Lovelace");
}
