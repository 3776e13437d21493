//! What administrators do not do: to themselves, and to who is above them.

use keystead_api_actix::config::{Config, SmsTransport};
use keystead_domain::account::Role;
use serde_json::json;

use super::{ADA, BOB};
use crate::support::{PASSWORD, Service, add_account, refusal};

#[tokio::test]
async fn z05_nobody_changes_their_own_standing() {
    let service = Service::start().await;
    let (admin, _) = service.in_charge_at(ADA, Role::Admin).await;
    let (chief, _) = service.in_charge_at(BOB, Role::SuperAdmin).await;
    // Others of their role: it is not for want of them.
    service.in_charge(Role::SuperAdmin).await;
    for person in [&admin, &chief] {
        let (id, own) = (person.user_id(), refusal(409, "OWN_ACCOUNT"));
        let (before, events) = (person.managed(&id).await.unwrap(), service.events());
        assert_eq!(person.set_role(&id, Role::User).await.unwrap_err(), own);
        assert_eq!(person.ban(&id).await.unwrap_err(), own);
        assert_eq!(person.delete_user(&id).await.unwrap_err(), own);
        let both = json!({ "fullName": "Eve", "isActive": false });
        assert_eq!(person.change_user(&id, &both).await.unwrap_err(), own);
        assert_eq!((person.managed(&id).await.unwrap(), service.events()), (before, events));
        person.change_user(&id, &json!({ "fullName": "Grace Hopper" })).await.expect("a name is no standing");
        person.verify().await.unwrap();
    }
    let above = admin.set_role(&admin.user_id(), Role::SuperAdmin).await.unwrap_err();
    assert!([refusal(409, "OWN_ACCOUNT"), refusal(403, "FORBIDDEN")].contains(&above), "{above:?}");
    assert_eq!(service.told(ADA).await.len(), 1);
}

#[tokio::test]
async fn z05_nobody_reaches_above_themselves() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let ada = service.person(ADA).await;
    let (id, forbidden) = (chief.user_id(), refusal(403, "FORBIDDEN"));
    let (before, events) = (chief.managed(&id).await.unwrap(), service.events());
    assert_eq!(admin.set_role(&id, Role::User).await.unwrap_err(), forbidden);
    assert_eq!(admin.set_role(&id, Role::SuperAdmin).await.unwrap_err(), forbidden);
    assert_eq!(admin.ban(&id).await.unwrap_err(), forbidden);
    assert_eq!(admin.change_user(&id, &json!({ "fullName": "Eve" })).await.unwrap_err(), forbidden);
    assert_eq!(admin.delete_user(&id).await.unwrap_err(), forbidden);
    assert_eq!(admin.set_role(&ada.user_id(), Role::SuperAdmin).await.unwrap_err(), forbidden);
    assert_eq!((chief.managed(&id).await.unwrap(), service.events()), (before, events));
    chief.verify().await.unwrap();
    assert_eq!(admin.managed(&id).await.unwrap()["role"], "super-admin", "seeing is not doing");
    // Among equals.
    admin.set_role(&ada.user_id(), Role::Admin).await.unwrap();
    admin.set_role(&ada.user_id(), Role::User).await.unwrap();
    chief.ban(&admin.user_id()).await.unwrap();
    assert_eq!(admin.refused().await, refusal(401, "TOKEN_REVOKED"));
}

#[tokio::test]
async fn z05_the_last_administrator_stays() {
    let service = Service::start().await;
    let chief = service.in_charge(Role::SuperAdmin).await;
    let admin = service.in_charge(Role::Admin).await;
    assert_eq!(chief.close_account().await.unwrap_err(), refusal(409, "LAST_ADMINISTRATOR"));
    chief.verify().await.unwrap();
    // Whoever has no password yet is nobody to rely on.
    chief.create_user(&json!({ "email": BOB, "role": "super-admin" })).await.unwrap();
    assert_eq!(chief.close_account().await.unwrap_err(), refusal(409, "LAST_ADMINISTRATOR"), "invited is not there");
    // An administrator is not the last while there is a super-admin, and the other way round is no help.
    admin.close_account().await.unwrap();
    let (second, _) = service.in_charge_at(ADA, Role::SuperAdmin).await;
    chief.ban(&second.user_id()).await.unwrap();
    assert_eq!(chief.close_account().await.unwrap_err(), refusal(409, "LAST_ADMINISTRATOR"), "the other is banned");
    chief.change_user(&second.user_id(), &json!({ "isActive": true })).await.unwrap();
    chief.close_account().await.unwrap();
    assert_eq!(chief.refused().await, refusal(401, "TOKEN_REVOKED"));
}

/// Administrators prove a contact before their first factor. Where no contact can be proved, a fresh sign-in has to do: else
/// the service could never be administered.
#[tokio::test]
async fn an_administrator_who_can_prove_no_contact_still_enrols_a_factor() {
    let change = |config: &mut Config| {
        config.login.email_codes = false;
        config.sms.transport = SmsTransport::Off;
    };
    let service = Service::builder().configured(change).start().await;
    add_account(&*service.other_process().await, ADA, Role::SuperAdmin).await;
    let ada = service.native().login(ADA, PASSWORD).await.unwrap();
    assert!(ada.ask_step_up("email").await.is_err(), "no codes by mail here");
    let (ada, _) = ada.enrol(&service).await;
    ada.get("/admin/users").await.unwrap();
}
