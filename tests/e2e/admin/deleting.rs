//! Deleted accounts: refused everywhere, and nothing is left of them.

use std::collections::BTreeSet;

use keystead_domain::account::Role;
use serde_json::json;

use super::{ADA, BOB};
use crate::at_rest::hex;
use crate::support::{PASSWORD, Service, SignedIn, refusal};

/// Names that stand for somebody in rows.
fn names_of(person: &SignedIn) -> Vec<String> {
    let id = person.user_id();
    let bytes: Vec<u8> = id.replace('-', "").as_bytes().chunks(2).map(byte).collect();
    let mut names = vec![id.clone(), id.to_uppercase(), id.replace('-', ""), hex(&bytes), hex(id.as_bytes())];
    names.extend([ADA, "ada_l", "Lovelace", "+442079460923"].map(str::to_owned));
    names
}

fn byte(digits: &[u8]) -> u8 {
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
}

/// Tables with a row that holds one of these.
fn tables_with(service: &Service, names: &[String]) -> BTreeSet<String> {
    let dump = service.database().dump(&[]);
    let holds = |rows: &Vec<String>| rows.iter().any(|row| names.iter().any(|name| row.contains(name.as_str())));
    dump.into_iter().filter(|(_, rows)| holds(rows)).map(|(table, _)| table).collect()
}

#[tokio::test]
async fn g04_g05_a_deleted_account_is_refused_everywhere_and_nothing_of_it_is_left() {
    let service = Service::start().await;
    let admin = service.administrator(Role::Admin).await;
    let (ada, _) = service.person(ADA).await.enrol(&service).await;
    ada.recovery_codes().await.unwrap();
    ada.update_profile(&json!({ "username": "ada_l", "fullName": "Ada Lovelace" })).await.unwrap();
    ada.add_contact("phone", "+442079460923").await.unwrap();
    service.native().forgot(ADA).await.unwrap();
    let link = service.link_tokens(ADA, 1).await.remove(0);
    let half_way = service.native().login_asked(ADA, PASSWORD).await.unwrap();
    let id = ada.user_id();
    let names = names_of(&ada);
    service.mail_settled().await;
    let before = tables_with(&service, &names);
    assert!(before.len() > 5, "the search finds what is there: {before:?}");

    admin.delete_user(&id).await.unwrap();
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(admin.managed(&id).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    assert_eq!(admin.delete_user(&id).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    assert_eq!(admin.ban(&id).await.unwrap_err(), refusal(404, "NOT_FOUND"));
    for name in [ADA, "ada_l"] {
        let refused = service.native().login(name, PASSWORD).await.unwrap_err();
        assert_eq!(refused, refusal(401, "INVALID_CREDENTIALS"), "{name}");
    }
    assert_eq!(service.native().begin_reset(&link).await.unwrap_err(), refusal(401, "LINK_INVALID"));
    assert!(half_way.answer("totp", "000000").await.is_err());
    let mails = service.told(ADA).await;
    assert_eq!((mails.len(), mails[0].text.contains("deleted your account")), (1, true));
    assert_eq!(service.database().audited("user_deleted"), 1);
    let left = tables_with(&service, &names);
    let may_stay = BTreeSet::from(["audit_events", "revocations", "feed"].map(str::to_owned));
    assert!(left.is_subset(&may_stay), "{left:?}");

    // The address is free, and who has it next is somebody else.
    let next = service.registered(ADA).await;
    assert_ne!(next.user_id(), id);
    assert_eq!(ada.refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(
        next.get("/users/me/export").await.unwrap()["data"]["attributes"]["logins"].as_array().unwrap().len(),
        1
    );
    assert_eq!(admin.audit_events(&format!("filter[subject]={id}&filter[name]=user_deleted")).await.len(), 1);
}

#[tokio::test]
async fn deleting_one_leaves_everybody_else() {
    let service = Service::start().await;
    let admin = service.administrator(Role::Admin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    admin.delete_user(&ada.user_id()).await.unwrap();
    bob.verify().await.unwrap();
    bob.refresh().await.unwrap();
    service.native().login(BOB, PASSWORD).await.unwrap();
    admin.verify().await.unwrap();
    assert_eq!(service.told(BOB).await.len(), 0);
}
