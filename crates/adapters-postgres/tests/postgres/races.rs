//! Writers on two replicas at the same rows, and what the server's log says about it.

use std::sync::Arc;

use keystead_application::ports::{BudgetKey, Store, StoreError};
use keystead_application::testing::{
    a_registration, a_user, after, contact, email, fake_hash, phone, token_id, user_id, user_number, username,
};
use keystead_domain::account::{Address, LinkPurpose, LinkToken, LinkTokenHash, PendingRegistration, User};
use keystead_domain::factor::FactorFailures;
use keystead_test_servers::Postgres;
use keystead_testkit::race::race;

use crate::{SOMEBODY_WAITS, insert, migrated, migrated_database, open, other_program, until};

const WIDTH: usize = 64;
const ROUNDS: u16 = 20;

/// Two replicas.
fn replicas(url: &str) -> [Arc<dyn Store>; 2] {
    [(); 2].map(|()| Arc::new(open(url, 10)) as Arc<dyn Store>)
}

fn claim(number: u16, address: &str) -> PendingRegistration {
    let address = Address::Email(email(address));
    PendingRegistration { id: user_id(number), address, username: None, ..a_registration() }
}

/// Makes an account of a claim. While it does, others claim the address.
async fn prove(store: Arc<dyn Store>, number: u16, address: String) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    if tx.registrations().consume(user_id(number), after(1)).await?.is_none() {
        tx.registrations().insert(&claim(number + 10_000, &address)).await?;
        tx.commit().await?;
        return Ok(false);
    }
    let mut user = user_number(number);
    user.email = Some(contact(user.id, email(&address)));
    match tx.users().insert(&user, Some(fake_hash("x"))).await {
        Ok(()) => tx.commit().await.map(|()| true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_claims_to_one_address_one_becomes_an_account_and_nobody_deadlocks() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let replicas = replicas(database.url());
    for round in 0..ROUNDS {
        let address = format!("round{round}@example.com");
        // Identifiers are random: the order in which rows lie is not the order of anything else.
        let numbers: Vec<u16> = (0..64_u16).map(|n| round * 64 + n.wrapping_mul(37) % 64).collect();
        let mut tx = replicas[0].begin().await.unwrap();
        for number in &numbers {
            tx.registrations().insert(&claim(*number, &address)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let results =
            race(WIDTH, |racer| prove(Arc::clone(&replicas[racer % 2]), numbers[racer], address.clone())).await;
        let winners = results.iter().filter(|result| **result == Ok(true)).count();
        assert_eq!(winners, 1, "{results:?}");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    assert!(!server.log().contains("deadlock"), "{}", server.log());
}

fn link(number: u8) -> LinkToken {
    LinkToken { hash: LinkTokenHash([number; 32]), ..keystead_application::testing::a_link_token() }
}

// In the order that deadlocked before users were held first: the reset has the link and wants the password, the change
// has the password and wants the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_and_a_change_of_the_password_take_turns() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let [one, two] = replicas(database.url());
    let watch = other_program(database.url()).await;
    let begun = token_id("pre-authorized.1");
    insert_with_password(&one).await;
    for _ in 0..3 {
        let mut tx = one.begin().await.unwrap();
        tx.link_tokens().issue(&link(1)).await.unwrap();
        tx.link_tokens().begin(link(1).hash, LinkPurpose::Reset, &begun, after(900), after(1)).await.unwrap();
        tx.commit().await.unwrap();

        let mut reset = one.begin().await.unwrap();
        assert!(reset.link_tokens().consume_begun(&begun, after(1)).await.unwrap().is_some());
        let change = tokio::spawn(change_password(Arc::clone(&two)));
        until(&watch, SOMEBODY_WAITS).await;
        reset.users().set_password(user_id(1), &fake_hash("reset"), after(1)).await.unwrap();
        reset.users().bump_epoch(user_id(1), true, after(1)).await.unwrap();
        reset.link_tokens().delete_for_user(user_id(1)).await.unwrap();
        reset.commit().await.unwrap();
        change.await.unwrap().unwrap();
    }
    assert!(!server.log().contains("deadlock"), "{}", server.log());
}

async fn insert_with_password(store: &Arc<dyn Store>) {
    let mut tx = store.begin().await.unwrap();
    tx.users().insert(&a_user(), Some(fake_hash("old"))).await.unwrap();
    tx.commit().await.unwrap();
}

async fn change_password(store: Arc<dyn Store>) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.users().set_password(user_id(1), &fake_hash("changed"), after(1)).await?;
    tx.devices().forget_all(user_id(1)).await?;
    tx.users().bump_epoch(user_id(1), true, after(1)).await?;
    tx.link_tokens().delete_for_user(user_id(1)).await?;
    tx.commit().await
}

/// A user with the values of a number.
fn person(owner: u16, values: u16) -> User {
    User {
        email: Some(contact(user_id(owner), email(&format!("user{values}@example.com")))),
        phone: Some(contact(user_id(owner), phone(&format!("+4420794609{}", 50 + values)))),
        username: Some(username(&format!("user{values}"))),
        ..user_number(owner)
    }
}

/// The user with some of the other's values: the address, the number, the name, or all of them.
fn with_values_of(user: User, other: User, which: usize) -> User {
    match which % 4 {
        0 => User { email: other.email, ..user },
        1 => User { phone: other.phone, ..user },
        2 => User { username: other.username, ..user },
        _ => User { id: user.id, ..other },
    }
}

// Two who swap would each wait for the other, if they touched a row before they held all names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_name_that_is_being_given_up_is_waited_for() {
    let database = migrated_database();
    let [one, two] = replicas(database.url());
    for number in [1, 2] {
        insert(&open(database.url(), 1), &person(number, number)).await.unwrap();
    }
    let watch = other_program(database.url()).await;
    for which in 0..4 {
        let mut first = one.begin().await.unwrap();
        let old = first.users().get(user_id(1)).await.unwrap().unwrap();
        first.users().update(&with_values_of(old.clone(), person(1, 3), which)).await.unwrap();
        let second = {
            let (two, old) = (Arc::clone(&two), old.clone());
            tokio::spawn(async move {
                let mut tx = two.begin().await?;
                let seen = tx.users().get(user_id(2)).await?.unwrap();
                tx.users().update(&with_values_of(seen, old, which)).await
            })
        };
        until(&watch, SOMEBODY_WAITS_UNTOUCHED).await;
        first.commit().await.unwrap();
        // Not committed: both are as they were before the next round, but for the names given up.
        assert_eq!(second.await.unwrap(), Ok(()));
        let mut tx = one.begin().await.unwrap();
        tx.users().update(&old).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Somebody waits for a lock that stands for a name, and not for a row or another transaction.
const SOMEBODY_WAITS_UNTOUCHED: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                                        AND application_name = 'keystead' AND wait_event = 'advisory'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_under_one_key_are_held_without_a_row() {
    let database = migrated_database();
    let [one, two] = replicas(database.url());
    let watch = other_program(database.url()).await;
    let (ada, bob) = (BudgetKey("mfa:1".to_owned()), BudgetKey("mfa:2".to_owned()));
    let mut first = one.begin().await.unwrap();
    assert_eq!(first.factor_failures().hold(&ada).await.unwrap(), FactorFailures::default());
    assert_eq!(two.begin().await.unwrap().factor_failures().hold(&bob).await.unwrap(), FactorFailures::default());
    assert_eq!(two.read().await.unwrap().factor_failures().hold(&ada).await.unwrap(), FactorFailures::default());
    let second = {
        let (two, ada) = (Arc::clone(&two), ada.clone());
        tokio::spawn(async move { two.begin().await?.factor_failures().hold(&ada).await })
    };
    until(&watch, SOMEBODY_WAITS).await;
    let counted = FactorFailures { blocks: 1, ..FactorFailures::default() };
    first.factor_failures().put(&ada, &counted, after(60)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), Ok(counted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tidies_up_waits_for_nobody() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let [one, two] = replicas(database.url());
    insert(&open(database.url(), 1), &a_user()).await.unwrap();
    let lapsed = |number| PendingRegistration { expires_at: after(10), ..claim(number, "old@example.com") };
    let mut tx = one.begin().await.unwrap();
    for number in 0..10 {
        tx.registrations().insert(&lapsed(number)).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut busy = one.begin().await.unwrap();
    assert_eq!(busy.registrations().delete_expired(after(20)).await.unwrap(), 10);
    let mut second = two.begin().await.unwrap();
    assert_eq!(second.registrations().delete_expired(after(20)).await.unwrap(), 0, "another replica is at it");
    second.commit().await.unwrap();
    drop(busy);
    // Rolled back in the background: until then its rows are still busy.
    let watch = other_program(database.url()).await;
    until(&watch, "SELECT count(*) = 10 FROM (SELECT 1 FROM pending_registrations FOR UPDATE SKIP LOCKED) free").await;
    let mut tx = two.begin().await.unwrap();
    assert_eq!(tx.registrations().delete_expired(after(20)).await.unwrap(), 10);
}
