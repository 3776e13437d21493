//! Administrators on two replicas at each other's accounts, and accounts that go while others are at them.

use std::sync::Arc;

use keystead_application::ports::{LoginRecord, Store, StoreError};
use keystead_application::testing::{
    a_device, a_presence, a_registration, a_social_identity, after, an_attendance, contact, email, fake_hash, token_id,
    user_id, user_number,
};
use keystead_domain::account::{AccountStatus, Address, PendingRegistration, Role, User, UserId};
use keystead_domain::attendance::{Attendance, AttendanceId};
use keystead_domain::social::SocialIdentity;
use keystead_domain::token::DeviceTokenHash;
use keystead_test_servers::Postgres;
use keystead_testkit::race::race;
use uuid::Uuid;

use crate::{find, insert, migrated, open};

const WIDTH: usize = 32;
const ROUNDS: u16 = 10;

fn administrator(number: u16) -> User {
    User { role: Role::Admin, ..user_number(number) }
}

/// One administrator closes another's account, unless it is closed or nobody would be left.
async fn close(store: Arc<dyn Store>, own: UserId, target: UserId) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let Some(mut user) = tx.users().get(target).await?.filter(User::is_active) else { return Ok(false) };
    // The first is held; who looks at a second one waits for nobody.
    tx.users().get(own).await?;
    if !tx.users().has_other_administrator(target, Role::Admin).await? {
        return Ok(false);
    }
    user.status = AccountStatus::Banned;
    tx.users().update(&user).await?;
    tx.users().bump_epoch(target, true, after(1)).await?;
    tx.commit().await.map(|()| true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_administrators_who_close_each_others_accounts_one_is_left() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let replicas = [(); 2].map(|()| Arc::new(open(database.url(), 10)) as Arc<dyn Store>);
    let three = [1, 2, 3].map(administrator);
    for user in &three {
        insert(&open(database.url(), 1), user).await.unwrap();
        let mut tx = replicas[0].begin().await.unwrap();
        tx.users().set_password(user.id, &fake_hash("x"), after(1)).await.unwrap();
        tx.commit().await.unwrap();
    }
    for _ in 0..ROUNDS {
        let mut tx = replicas[0].begin().await.unwrap();
        for user in &three {
            tx.users().update(user).await.unwrap();
        }
        tx.commit().await.unwrap();
        let results = race(WIDTH, |racer| {
            let [own, target] = [racer, racer + 1].map(|number| three[number % 3].id);
            close(Arc::clone(&replicas[racer % 2]), own, target)
        })
        .await;
        let closed = results.iter().filter(|result| **result == Ok(true)).count();
        assert_eq!(closed, 2, "{results:?}");
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    assert!(!server.log().contains("deadlock"), "{}", server.log());
}

fn claim(number: u16, address: &str) -> PendingRegistration {
    PendingRegistration { id: user_id(number), address: Address::Email(email(address)), ..a_registration() }
}

/// What may go on about an account while it is deleted: an administrator deletes it; somebody who claimed the address earlier
/// proves it; somebody signs in to it; another account wants its name.
async fn at_once(store: Arc<dyn Store>, racer: usize, round: u16, address: String) -> Result<(), StoreError> {
    let (account, number) = (user_id(round), 1000 + round * 32 + u16::try_from(racer).unwrap());
    let mut tx = store.begin().await?;
    match racer % 4 {
        0 => {
            if tx.users().get(account).await?.is_some() {
                tx.users().bump_epoch(account, true, after(1)).await?;
                tx.users().delete(account).await?;
            }
        }
        1 => {
            tx.registrations().consume(user_id(number), after(1)).await?;
            let mut user = User { username: None, ..user_number(number) };
            user.email = Some(contact(user.id, email(&address)));
            match tx.users().insert(&user, Some(fake_hash("x"))).await {
                Ok(()) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        2 => {
            if tx.users().get(account).await?.is_some() {
                let token_id = token_id(&format!("session{number}.token"));
                let device = a_device();
                let login = LoginRecord { token_id, user_id: account, at: after(1), device, impersonator: None };
                tx.devices().remember(account, DeviceTokenHash([1; 32]), after(0), after(9)).await?;
                tx.login_history().append(&login).await?;
            }
        }
        _ => {
            let Some(user) = tx.users().get(user_id(500)).await? else { return Ok(()) };
            let wanted = Some(contact(user.id, email(&address)));
            match tx.users().update(&User { email: wanted, ..user }).await {
                // Not kept, so that the next round finds it as it was.
                Ok(()) | Err(StoreError::Conflict(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_goes_while_others_are_at_it_and_nobody_deadlocks() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let replicas = [(); 2].map(|()| Arc::new(open(database.url(), 10)) as Arc<dyn Store>);
    let store = open(database.url(), 1);
    insert(&store, &user_number(500)).await.unwrap();
    for round in 1..=ROUNDS {
        let address = format!("round{round}@example.com");
        let mut account = user_number(round);
        account.email = Some(contact(account.id, email(&address)));
        insert(&store, &account).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for racer in 0..32 {
            tx.registrations().insert(&claim(1000 + round * 32 + racer, &address)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let results =
            race(WIDTH, |racer| at_once(Arc::clone(&replicas[racer % 2]), racer, round, address.clone())).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(find(&store, &account).await, None);
    }
    assert!(!server.log().contains("deadlock"), "{}", server.log());
}

/// What may go on about a person's day while their account is deleted, whether the user was looked at first or not.
async fn day_at_once(store: Arc<dyn Store>, racer: usize, round: u8) -> Result<(), StoreError> {
    let (person, id) = (user_id(round.into()), Uuid::from_bytes([round; 16]));
    let (row, now) = (AttendanceId(id), after(racer as u64));
    let mut tx = store.begin().await?;
    match racer % 6 {
        0 => drop(tx.users().delete(person).await?),
        1 => drop(tx.attendance().close(row, &a_presence(now)).await?),
        2 => drop(tx.attendance().mark_reminded(row, now).await?),
        3 => tx.social().touch(id, now).await?,
        4 => {
            tx.users().get(person).await?;
            tx.attendance().close(row, &a_presence(now)).await?;
        }
        _ => {
            tx.attendance().mark_reminded(row, now).await?;
            tx.users().bump_epoch(person, true, now).await?;
        }
    }
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_goes_while_their_day_goes_on_and_nobody_deadlocks() {
    let server = Postgres::start().unwrap();
    let database = migrated(&server);
    let replicas = [(); 2].map(|()| Arc::new(open(database.url(), 10)) as Arc<dyn Store>);
    for round in 1..=10 {
        let (person, id) = (user_id(round.into()), Uuid::from_bytes([round; 16]));
        insert(&open(database.url(), 1), &user_number(round.into())).await.unwrap();
        let mut tx = replicas[0].begin().await.unwrap();
        let row = Attendance { id: AttendanceId(id), user_id: person, ..an_attendance() };
        tx.attendance().insert(&row).await.unwrap();
        let link = SocialIdentity { id, user_id: person, ..a_social_identity() };
        tx.social().insert(&link).await.unwrap();
        tx.commit().await.unwrap();
        let results = race(WIDTH, |racer| day_at_once(Arc::clone(&replicas[racer % 2]), racer, round)).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let mut tx = replicas[0].read().await.unwrap();
        assert_eq!(tx.attendance().latest(person).await.unwrap(), None);
        assert_eq!(tx.social().find(&link.provider, &link.subject).await.unwrap(), None);
    }
    assert!(!server.log().contains("deadlock"), "{}", server.log());
}
