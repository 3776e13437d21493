//! `ContactRepository`.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::{
    START, a_contact_undo, a_pending_contact, a_user, after, contact_id, email, phone, user_id, user_number,
};
use keystead_domain::Timestamp;
use keystead_domain::account::{Address, Contact, ContactKind, ContactUndo, Epoch, PendingContact, UndoTokenHash};

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

/// Ada's address with an identifier of its own.
fn address(number: u8) -> PendingContact {
    PendingContact { id: contact_id(number), ..a_pending_contact() }
}

/// A number Ada wants to add.
fn number(number: u8) -> PendingContact {
    PendingContact { address: Address::Phone(phone("+442079460958")), ..address(number) }
}

fn undo(number: u8) -> ContactUndo {
    ContactUndo { hash: UndoTokenHash([number; 32]), ..a_contact_undo() }
}

/// Ada and a second user.
async fn people(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;
}

async fn add(store: &Arc<dyn Store>, contacts: &[PendingContact]) {
    let mut tx = begin(store).await;
    for contact in contacts {
        tx.contacts().insert(contact).await.unwrap();
    }
    commit(tx).await;
}

async fn add_undos(store: &Arc<dyn Store>, undos: &[ContactUndo]) {
    let mut tx = begin(store).await;
    for undo in undos {
        tx.contacts().insert_undo(undo).await.unwrap();
    }
    commit(tx).await;
}

async fn list(store: &Arc<dyn Store>, user: u16) -> Vec<PendingContact> {
    read(store).await.contacts().list(user_id(user), after(1)).await.unwrap()
}

async fn consume(store: Arc<dyn Store>, hash: UndoTokenHash, now: Timestamp) -> Option<ContactUndo> {
    let mut tx = begin(&store).await;
    let undo = tx.contacts().consume_undo(hash, now).await.unwrap();
    commit(tx).await;
    undo
}

/// All fields of addresses and links come back as written, to the microsecond.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    people(&store).await;
    let later = PendingContact { epoch: Epoch::new(7), created_at: START.plus(MICRO), ..number(2) };
    add(&store, &[address(1), later.clone()]).await;
    assert_eq!(list(&store, 1).await, [address(1), later.clone()]);
    let mut tx = read(&store).await;
    assert_eq!(tx.contacts().get(user_id(1), later.id, after(1)).await.unwrap(), Some(later));
    drop(tx);
    let contact = Contact { id: contact_id(5), address: Address::Phone(phone("+442079460958")), otp_enabled: true };
    let full = ContactUndo { contact, other: Some(contact_id(3)), created_at: START.plus(MICRO), ..undo(2) };
    add_undos(&store, &[undo(1), full.clone()]).await;
    let mut tx = read(&store).await;
    for link in [undo(1), full] {
        assert_eq!(tx.contacts().find_undo(link.hash, after(1)).await.unwrap(), Some(link));
    }
    assert_eq!(tx.contacts().find_undo(undo(3).hash, after(1)).await.unwrap(), None);
}

/// Adding an address ends older ones of the same person and kind, and no others.
pub async fn a_newer_address_replaces_older_ones_of_its_kind(store: Arc<dyn Store>) {
    people(&store).await;
    let foreign = PendingContact { user_id: user_id(2), ..address(3) };
    add(&store, &[address(1), number(2), foreign.clone()]).await;
    let newer = PendingContact { address: Address::Email(email("new@example.org")), ..address(4) };
    add(&store, std::slice::from_ref(&newer)).await;
    assert_eq!(list(&store, 1).await, [number(2), newer]);
    assert_eq!(list(&store, 2).await, [foreign]);
}

/// Of many addresses of one kind added at once the last one is left.
pub async fn of_parallel_addresses_of_a_kind_one_is_left(store: Arc<dyn Store>) {
    people(&store).await;
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move { add(&store, &[address(u8::try_from(number).unwrap())]).await }
    })
    .await;
    assert_eq!(list(&store, 1).await.len(), 1);
}

/// An address is its owner's to see and to take away, and is taken away once.
pub async fn an_address_is_its_owners_and_is_taken_away_once(store: Arc<dyn Store>) {
    people(&store).await;
    add(&store, &[address(1), number(2)]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.contacts().get(user_id(2), contact_id(1), after(1)).await.unwrap(), None);
    assert_eq!(tx.contacts().get(user_id(1), contact_id(9), after(1)).await.unwrap(), None);
    assert!(!tx.contacts().delete(user_id(2), contact_id(1)).await.unwrap());
    commit(tx).await;
    let results = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            let deleted = tx.contacts().delete(user_id(1), contact_id(1)).await.unwrap();
            commit(tx).await;
            deleted
        }
    })
    .await;
    assert_eq!(results.into_iter().filter(|deleted| *deleted).count(), 1);
    assert_eq!(list(&store, 1).await, [number(2)]);
}

/// An address is alive before `expires_at` and dead from it on.
pub async fn an_address_lapses_at_its_microsecond(store: Arc<dyn Store>) {
    people(&store).await;
    add(&store, &[address(1)]).await;
    let end = address(1).expires_at;
    let mut tx = read(&store).await;
    for (now, alive) in [(end.minus(MICRO), true), (end, false)] {
        assert_eq!(tx.contacts().get(user_id(1), contact_id(1), now).await.unwrap().is_some(), alive);
        assert_eq!(tx.contacts().list(user_id(1), now).await.unwrap().is_empty(), !alive);
    }
}

/// All waiting addresses of a person go, and nobody else's; links that undo stay.
pub async fn waiting_addresses_of_a_person_are_deleted_and_links_stay(store: Arc<dyn Store>) {
    people(&store).await;
    let foreign = PendingContact { user_id: user_id(2), ..address(3) };
    add(&store, &[address(1), number(2), foreign.clone()]).await;
    add_undos(&store, &[undo(1)]).await;
    let mut tx = begin(&store).await;
    tx.contacts().delete_for_user(user_id(1)).await.unwrap();
    commit(tx).await;
    assert_eq!(list(&store, 1).await, []);
    assert_eq!(list(&store, 2).await, [foreign]);
    assert_eq!(consume(store, undo(1).hash, after(1)).await, Some(undo(1)));
}

/// A link that undoes a change is given to exactly one of many callers.
pub async fn a_link_that_undoes_is_consumed_once(store: Arc<dyn Store>) {
    people(&store).await;
    add_undos(&store, &[undo(1), undo(2)]).await;
    let results = race(RACERS, |_| consume(Arc::clone(&store), undo(1).hash, after(1))).await;
    assert_eq!(sole_winner(results), undo(1));
    let mut tx = read(&store).await;
    assert_eq!(tx.contacts().find_undo(undo(1).hash, after(1)).await.unwrap(), None);
    assert_eq!(tx.contacts().find_undo(undo(2).hash, after(1)).await.unwrap(), Some(undo(2)));
}

/// A link is alive before `expires_at` and dead from it on.
pub async fn a_link_lapses_at_its_microsecond(store: Arc<dyn Store>) {
    people(&store).await;
    add_undos(&store, &[undo(1)]).await;
    let (hash, end) = (undo(1).hash, undo(1).expires_at);
    let mut tx = read(&store).await;
    assert_eq!(tx.contacts().find_undo(hash, end).await.unwrap(), None);
    assert!(tx.contacts().find_undo(hash, end.minus(MICRO)).await.unwrap().is_some());
    drop(tx);
    assert_eq!(consume(Arc::clone(&store), hash, end).await, None);
    assert!(consume(store, hash, end.minus(MICRO)).await.is_some());
}

/// Links of a person and kind are seen while they live; those made since a moment are deleted, and nobody else's.
pub async fn links_since_a_change_are_seen_and_deleted(store: Arc<dyn Store>) {
    people(&store).await;
    let at = |number, seconds| ContactUndo { created_at: after(seconds), ..undo(number) };
    let theirs = ContactUndo { user_id: user_id(2), ..at(4, 9) };
    add_undos(&store, &[at(1, 4), at(2, 5), at(3, 6), theirs.clone()]).await;
    let mut tx = begin(&store).await;
    assert!(tx.contacts().has_undo(user_id(1), ContactKind::Email, after(1)).await.unwrap());
    assert!(!tx.contacts().has_undo(user_id(1), ContactKind::Phone, after(1)).await.unwrap());
    assert!(!tx.contacts().has_undo(user_id(1), ContactKind::Email, undo(1).expires_at).await.unwrap());
    tx.contacts().delete_undos_since(user_id(1), after(5)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&store).await;
    for (number, left) in [(1, Some(at(1, 4))), (2, None), (3, None), (4, Some(theirs))] {
        assert_eq!(tx.contacts().find_undo(undo(number).hash, after(1)).await.unwrap(), left, "{number}");
    }
}

/// Only lapsed addresses and links are deleted, and they are counted.
pub async fn lapsed_addresses_and_links_are_deleted(store: Arc<dyn Store>) {
    people(&store).await;
    let short = PendingContact { expires_at: after(10), ..address(1) };
    add(&store, &[short, number(2)]).await;
    let short = |number| ContactUndo { expires_at: after(10), ..undo(number) };
    add_undos(&store, &[short(1), short(2), undo(3)]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.contacts().delete_expired(after(20)).await.unwrap(), 3);
    assert_eq!(tx.contacts().delete_expired(after(20)).await.unwrap(), 0);
    commit(tx).await;
    assert_eq!(list(&store, 1).await, [number(2)]);
    let mut tx = read(&store).await;
    assert_eq!(tx.contacts().find_undo(undo(1).hash, after(1)).await.unwrap(), None);
    assert_eq!(tx.contacts().find_undo(undo(3).hash, after(1)).await.unwrap(), Some(undo(3)));
}
