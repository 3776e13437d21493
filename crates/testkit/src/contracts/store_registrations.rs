//! `RegistrationRepository`.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::{
    START, a_registration, after, email, fake_hash, phone, provider, subject, user_id,
};
use keystead_domain::Timestamp;
use keystead_domain::account::{Address, ClaimedIdentity, PendingRegistration, UserId};

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

/// A claim of its own to Ada's address.
fn claim(number: u16) -> PendingRegistration {
    let password = Some(fake_hash(&format!("password {number}")));
    PendingRegistration { id: user_id(number), password, ..a_registration() }
}

async fn insert(store: &Arc<dyn Store>, claims: &[PendingRegistration]) {
    let mut tx = begin(store).await;
    for claim in claims {
        tx.registrations().insert(claim).await.unwrap();
    }
    commit(tx).await;
}

async fn consume(store: Arc<dyn Store>, id: UserId, now: Timestamp) -> Option<PendingRegistration> {
    let mut tx = begin(&store).await;
    let claim = tx.registrations().consume(id, now).await.unwrap();
    commit(tx).await;
    claim
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let bare = PendingRegistration {
        address: Address::Email(email("bare@example.com")),
        username: None,
        full_name: None,
        created_at: START.plus(MICRO),
        ..claim(2)
    };
    let identity = |label: Option<&str>| ClaimedIdentity {
        provider: provider("idp"),
        subject: subject("auth0|5f7c \"~"),
        label: label.map(str::to_owned),
    };
    let elsewhere = [(3, None, Some(identity(None))), (4, Some((0..=255).collect()), Some(identity(Some("Adä"))))];
    let elsewhere = elsewhere.map(|(number, srp, social)| PendingRegistration { srp, social, ..claim(number) });
    insert(&store, &[claim(1), bare.clone()]).await;
    insert(&store, &elsewhere).await;
    let mut tx = read(&store).await;
    for claim in elsewhere {
        assert_eq!(tx.registrations().get(claim.id, after(1)).await.unwrap(), Some(claim));
    }
    assert_eq!(tx.registrations().get(user_id(1), after(1)).await.unwrap(), Some(claim(1)));
    assert_eq!(tx.registrations().get(user_id(2), after(1)).await.unwrap().as_ref(), Some(&bare));
    drop(tx);
    assert_eq!(consume(store, bare.id, after(1)).await, Some(bare));
}

/// Any number of claims to one address and name stand side by side.
pub async fn claims_to_one_address_do_not_disturb_each_other(store: Arc<dyn Store>) {
    let claims: Vec<_> = (0..5).map(claim).collect();
    insert(&store, &claims).await;
    let mut tx = read(&store).await;
    for claim in claims {
        assert_eq!(tx.registrations().get(claim.id, after(1)).await.unwrap(), Some(claim));
    }
}

/// A claim is given to exactly one of many callers.
pub async fn a_claim_is_consumed_once(store: Arc<dyn Store>) {
    insert(&store, &[claim(1)]).await;
    let results = race(RACERS, |_| consume(Arc::clone(&store), user_id(1), after(1))).await;
    assert_eq!(sole_winner(results), claim(1));
    assert_eq!(read(&store).await.registrations().get(user_id(1), after(1)).await.unwrap(), None);
}

/// Of many claims to one address one can be proved; the others are gone with it.
pub async fn of_several_claims_to_one_address_one_is_consumed(store: Arc<dyn Store>) {
    let numbers = 0..u16::try_from(RACERS).unwrap();
    insert(&store, &numbers.clone().map(claim).collect::<Vec<_>>()).await;
    let results =
        race(RACERS, |number| consume(Arc::clone(&store), user_id(u16::try_from(number).unwrap()), after(1))).await;
    let winner = sole_winner(results);
    assert!(numbers.clone().map(claim).any(|claim| claim == winner), "a claim comes with its own password");
    let mut tx = read(&store).await;
    for number in numbers {
        assert_eq!(tx.registrations().get(user_id(number), after(1)).await.unwrap(), None);
    }
}

/// A claim to a number is one like any other, and needs no password to become an account.
pub async fn a_claim_may_be_to_a_number_and_without_a_password(store: Arc<dyn Store>) {
    let number = Address::Phone(phone("+442079460958"));
    let of = |id, password| PendingRegistration { address: number.clone(), password, ..claim(id) };
    let (bare, other) = (of(1, None), of(2, Some(fake_hash("x"))));
    insert(&store, &[bare.clone(), other.clone(), claim(3)]).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.registrations().get(user_id(1), after(1)).await.unwrap().as_ref(), Some(&bare));
    assert_eq!(tx.registrations().get(user_id(2), after(1)).await.unwrap(), Some(other));
    drop(tx);
    assert_eq!(consume(Arc::clone(&store), user_id(1), after(1)).await, Some(bare));
    assert_eq!(consume(Arc::clone(&store), user_id(2), after(1)).await, None);
    assert_eq!(consume(store, user_id(3), after(1)).await, Some(claim(3)));
}

/// Consuming ends claims to the same address only.
pub async fn consuming_leaves_other_addresses_alone(store: Arc<dyn Store>) {
    let other = PendingRegistration { address: Address::Email(email("other@example.com")), ..claim(2) };
    insert(&store, &[claim(1), other.clone()]).await;
    assert_eq!(consume(Arc::clone(&store), user_id(9), after(1)).await, None);
    assert_eq!(consume(Arc::clone(&store), user_id(1), after(1)).await, Some(claim(1)));
    assert_eq!(consume(Arc::clone(&store), user_id(2), after(1)).await, Some(other));
}

/// A consume that does not commit did not happen, for any of the claims.
pub async fn a_rolled_back_consume_leaves_the_claim(store: Arc<dyn Store>) {
    insert(&store, &[claim(1), claim(2)]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.registrations().consume(user_id(1), after(1)).await.unwrap(), Some(claim(1)));
    drop(tx);
    assert_eq!(consume(Arc::clone(&store), user_id(2), after(1)).await, Some(claim(2)));
}

/// A claim is alive before `expires_at` and dead from it on.
pub async fn a_claim_lapses_at_its_microsecond(store: Arc<dyn Store>) {
    insert(&store, &[claim(1)]).await;
    let end = claim(1).expires_at;
    let mut tx = read(&store).await;
    assert!(tx.registrations().get(user_id(1), end.minus(MICRO)).await.unwrap().is_some());
    assert_eq!(tx.registrations().get(user_id(1), end).await.unwrap(), None);
    drop(tx);
    assert_eq!(consume(Arc::clone(&store), user_id(1), end).await, None);
    assert!(consume(store, user_id(1), end.minus(MICRO)).await.is_some());
}

/// Only lapsed claims are deleted, and they are counted.
pub async fn lapsed_claims_are_deleted(store: Arc<dyn Store>) {
    let lasting = PendingRegistration { expires_at: after(1000), ..claim(3) };
    let short = |number| PendingRegistration { expires_at: after(10), ..claim(number) };
    insert(&store, &[short(1), short(2), lasting.clone()]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.registrations().delete_expired(after(20)).await.unwrap(), 2);
    commit(tx).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.registrations().delete_expired(after(20)).await.unwrap(), 0);
    assert_eq!(tx.registrations().get(user_id(1), after(1)).await.unwrap(), None);
    assert_eq!(tx.registrations().get(user_id(3), after(20)).await.unwrap(), Some(lasting));
}
