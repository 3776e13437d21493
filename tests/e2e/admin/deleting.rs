//! Deleted accounts: refused everywhere, and nothing is left of them.

use std::collections::BTreeSet;

use keystead_domain::account::Role;
use serde_json::json;

use super::{ADA, BOB, PHONE};
use crate::at_rest::hex;
use crate::support::{PASSWORD, Service, SignedIn, refusal};

/// Names that stand for somebody in rows: forms of their identifier, then what they are called and reached by.
fn names_of(person: &SignedIn) -> Vec<String> {
    let id = person.user_id();
    let digits = id.replace('-', "");
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
    let mut names = vec![id.clone(), digits, hex(&bytes), hex(id.as_bytes())];
    for name in [ADA, "ada_l", "Lovelace", PHONE] {
        names.extend([name.to_owned(), hex(name.as_bytes())]);
    }
    names
}

/// Where the names begin that are no identifiers.
const ADDRESSES: usize = 4;

/// Every row that holds one of these, with its table.
fn rows_with(service: &Service, names: &[String]) -> Vec<(String, String)> {
    let dump = service.database().dump(&[]);
    let rows = dump.into_iter().flat_map(|(table, rows)| rows.into_iter().map(move |row| (table.clone(), row)));
    rows.filter(|(_, row)| names.iter().any(|name| row.contains(name.as_str()))).collect()
}

#[tokio::test]
async fn g04_g05_a_deleted_account_is_refused_everywhere_and_nothing_of_it_is_left() {
    let service = Service::start().await;
    let admin = service.in_charge(Role::Admin).await;
    let (ada, _) = service.person(ADA).await.enrol(&service).await;
    ada.recovery_codes().await.unwrap();
    ada.update_profile(&json!({ "username": "ada_l", "fullName": "Ada Lovelace" })).await.unwrap();
    ada.add_contact("phone", PHONE).await.unwrap();
    service.native().forgot(ADA).await.unwrap();
    let link = service.link_tokens(ADA, 1).await.remove(0);
    let half_way = service.native().login_asked(ADA, PASSWORD).await.unwrap();
    let id = ada.user_id();
    let names = names_of(&ada);
    service.mail_settled().await;
    let before = rows_with(&service, &names);
    let tables: BTreeSet<&str> = before.iter().map(|(table, _)| table.as_str()).collect();
    assert!(tables.len() > 8, "the search finds what is there: {tables:?}");

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
    let left = rows_with(&service, &names);
    let kept = |(table, row): &(String, String)| match table.as_str() {
        // What happened; what refuses tokens and recognises refresh tokens that are still about, for a session's life; for
        // five minutes, a code that was sent.
        "audit_events" | "revocations" | "feed" | "sessions" | "ceremonies" => true,
        // Counts of a day at most, by the identifier alone.
        "guess_budgets" | "factor_failures" => !names[ADDRESSES..].iter().any(|name| row.contains(name.as_str())),
        _ => false,
    };
    let unexpected: Vec<&(String, String)> = left.iter().filter(|row| !kept(row)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");

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
    let admin = service.in_charge(Role::Admin).await;
    let (ada, bob) = (service.person(ADA).await, service.person(BOB).await);
    admin.delete_user(&ada.user_id()).await.unwrap();
    bob.verify().await.unwrap();
    bob.refresh().await.unwrap();
    service.native().login(BOB, PASSWORD).await.unwrap();
    admin.verify().await.unwrap();
    assert_eq!(service.told(BOB).await.len(), 0);
}
