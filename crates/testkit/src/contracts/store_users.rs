//! `UserRepository`.

use std::collections::BTreeSet;
use std::sync::Arc;

use keystead_application::ports::{Constraint, Store, StoreError, UserPage};
use keystead_application::testing::{
    START, a_user, after, contact, contact_id, email, fake_hash, phone, user_id, user_number, username,
};
use keystead_domain::account::{
    AccountStatus, Contact, EmailAddress, Epoch, FullName, LoginName, PhoneNumber, Role, User,
};

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

/// A contact as it comes with the account of this number.
fn email_of(number: u16, address: &str) -> Contact<EmailAddress> {
    contact(user_id(number), email(address))
}

fn phone_of(owner: u16, number: &str) -> Contact<PhoneNumber> {
    contact(user_id(owner), phone(number))
}

/// Ada with a number, and codes sent to both.
fn reachable() -> User {
    let phone = Contact { id: contact_id(7), otp_enabled: true, ..contact(user_id(1), phone("+442079460958")) };
    let email = Contact { otp_enabled: true, ..contact(user_id(1), email("ada@example.com")) };
    User { email: Some(email), phone: Some(phone), ..a_user() }
}

async fn insert(store: &Arc<dyn Store>, users: &[User]) {
    let mut tx = begin(store).await;
    for user in users {
        tx.users().insert(user, None).await.unwrap();
    }
    commit(tx).await;
}

/// All fields come back as written, to the microsecond, set or not.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let full = User {
        role: Role::SuperAdmin,
        status: AccountStatus::Banned,
        epoch: Epoch::new(i64::MAX - 1),
        sessions_epoch: Epoch::new(7),
        updated_at: START.plus(MICRO),
        ..reachable()
    };
    let others = [
        User { email: None, phone: Some(phone_of(4, "+442079460959")), ..user_number(4) },
        User { role: Role::Admin, status: AccountStatus::Deactivated, ..user_number(2) },
        User { created_at: START.minus(MICRO), ..user_number(3) },
    ];
    let mut tx = begin(&store).await;
    tx.users().insert(&full, Some(fake_hash("secret"))).await.unwrap();
    for user in &others {
        tx.users().insert(user, None).await.unwrap();
    }
    commit(tx).await;

    let mut tx = read(&store).await;
    assert_eq!(tx.users().get(full.id).await.unwrap().as_ref(), Some(&full));
    assert_eq!(tx.users().password(full.id).await.unwrap(), Some(fake_hash("secret")));
    for user in &others {
        assert_eq!(tx.users().get(user.id).await.unwrap().as_ref(), Some(user));
        assert_eq!(tx.users().password(user.id).await.unwrap(), None);
    }
}

/// Not found is `None`, never an error.
pub async fn an_unknown_user_is_none(store: Arc<dyn Store>) {
    insert(&store, &[a_user()]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.users().get(user_id(9)).await.unwrap(), None);
    assert_eq!(tx.users().password(user_id(9)).await.unwrap(), None);
    assert_eq!(tx.users().bump_epoch(user_id(9), true, after(1)).await.unwrap(), None);
}

/// A login name finds the one user who has it, with their password; a name nobody has finds nobody.
pub async fn login_names_find_their_user_only(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&reachable(), Some(fake_hash("secret"))).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;

    let mut tx = read(&store).await;
    for name in ["ada@example.com", "ada", "+44 20 7946 0958"] {
        let found = tx.users().find_by_login_name(&LoginName::parse(name)).await.unwrap();
        assert_eq!(found, Some((reachable(), Some(fake_hash("secret")))), "{name}");
    }
    let found = tx.users().find_by_login_name(&LoginName::parse("user2@example.com")).await.unwrap();
    assert_eq!(found, Some((user_number(2), None)));
    for name in
        ["nobody@example.com", "nobody", "+442079460959", "no body", "", "ada@example.com' OR '1'='1", "%", "ad_"]
    {
        assert_eq!(tx.users().find_by_login_name(&LoginName::parse(name)).await.unwrap(), None, "{name}");
    }
    let unknown = LoginName::Unknown("ada".into());
    assert_eq!(tx.users().find_by_login_name(&unknown).await.unwrap(), None, "an unknown name is nobody's");
}

/// A taken address, name or identifier is a `Conflict` that says which, and the transaction goes on.
pub async fn taken_values_conflict_and_leave_the_transaction_usable(store: Arc<dyn Store>) {
    insert(&store, &[reachable()]).await;
    let mut tx = begin(&store).await;
    for (clash, constraint) in [
        (User { phone: Some(phone_of(2, "+442079460958")), ..user_number(2) }, Constraint::UserPhone),
        (User { email: a_user().email, ..user_number(2) }, Constraint::UserEmail),
        (User { username: a_user().username, ..user_number(2) }, Constraint::UserUsername),
        (User { id: a_user().id, ..user_number(2) }, Constraint::UserId),
    ] {
        let refused = tx.users().insert(&clash, Some(fake_hash("x"))).await;
        assert_eq!(refused, Err(StoreError::Conflict(constraint)));
    }
    tx.users().insert(&user_number(2), None).await.expect("the transaction is still usable");
    commit(tx).await;

    let mut tx = read(&store).await;
    assert_eq!(tx.users().get(a_user().id).await.unwrap(), Some(reachable()));
    assert_eq!(tx.users().password(a_user().id).await.unwrap(), None, "a refused insert leaves nothing");
    assert_eq!(tx.users().get(user_id(2)).await.unwrap(), Some(user_number(2)));
}

/// The same for an update: of a contact, or of the name.
pub async fn an_update_to_a_taken_value_conflicts_and_leaves_the_transaction_usable(store: Arc<dyn Store>) {
    insert(&store, &[reachable(), user_number(2)]).await;
    let mut tx = begin(&store).await;
    for (clash, constraint) in [
        (User { email: Some(email_of(2, "ada@example.com")), ..user_number(2) }, Constraint::UserEmail),
        (User { phone: Some(phone_of(2, "+442079460958")), ..user_number(2) }, Constraint::UserPhone),
        (User { username: a_user().username, ..user_number(2) }, Constraint::UserUsername),
    ] {
        assert_eq!(tx.users().update(&clash).await, Err(StoreError::Conflict(constraint)));
    }
    let fine = User { username: Some(username("bob")), phone: Some(phone_of(2, "+442079460959")), ..user_number(2) };
    tx.users().update(&fine).await.expect("the transaction is still usable");
    tx.users().update(&reachable()).await.expect("one's own values are not taken");
    commit(tx).await;
    assert_eq!(read(&store).await.users().get(fine.id).await.unwrap(), Some(fine));
}

/// Of many accounts with one address one comes to be; the others lose by `Conflict`.
pub async fn of_parallel_inserts_of_one_address_one_wins(store: Arc<dyn Store>) {
    let results = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let number = u16::try_from(number).unwrap();
            let user = User { email: Some(email_of(number, "one@example.com")), ..user_number(number) };
            let mut tx = begin(&store).await;
            match tx.users().insert(&user, None).await {
                Ok(()) => {
                    commit(tx).await;
                    Some(user)
                }
                Err(error) => {
                    assert_eq!(error, StoreError::Conflict(Constraint::UserEmail));
                    None
                }
            }
        }
    })
    .await;
    let winner = sole_winner(results);
    let name = LoginName::Email(email("one@example.com"));
    assert_eq!(read(&store).await.users().find_by_login_name(&name).await.unwrap(), Some((winner, None)));
}

/// `update` writes the profile and the contacts, and never an epoch, a password or the time of creation.
pub async fn an_update_changes_neither_epochs_nor_the_password(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&a_user(), Some(fake_hash("secret"))).await.unwrap();
    let changed = User {
        id: a_user().id,
        email: None,
        phone: Some(Contact { id: contact_id(3), otp_enabled: true, ..contact(user_id(1), phone("+442079460958")) }),
        role: Role::Admin,
        status: AccountStatus::Banned,
        updated_at: after(5),
        ..user_number(1)
    };
    let sent = User { epoch: Epoch::new(40), sessions_epoch: Epoch::new(40), ..changed.clone() };
    tx.users().update(&sent).await.unwrap();
    commit(tx).await;

    let mut tx = read(&store).await;
    assert_eq!(tx.users().get(a_user().id).await.unwrap(), Some(changed));
    assert_eq!(tx.users().password(a_user().id).await.unwrap(), Some(fake_hash("secret")));
    drop(tx);

    // And back: what an update leaves out is gone, and free for others.
    let mut tx = begin(&store).await;
    tx.users().update(&a_user()).await.unwrap();
    tx.users().insert(&User { phone: Some(phone_of(2, "+442079460958")), ..user_number(2) }, None).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&store).await.users().get(a_user().id).await.unwrap(), Some(a_user()));
}

/// A password can be added to an account without one, replaced, and taken away.
pub async fn a_password_can_be_set_and_replaced(store: Arc<dyn Store>) {
    insert(&store, &[a_user(), user_number(2)]).await;
    for password in ["first", "second"] {
        let mut tx = begin(&store).await;
        tx.users().set_password(a_user().id, &fake_hash(password), after(1)).await.unwrap();
        commit(tx).await;
        let mut tx = read(&store).await;
        assert_eq!(tx.users().password(a_user().id).await.unwrap(), Some(fake_hash(password)));
        assert_eq!(tx.users().password(user_id(2)).await.unwrap(), None);
        let name = LoginName::Email(email("ada@example.com"));
        let (_, found) = tx.users().find_by_login_name(&name).await.unwrap().unwrap();
        assert_eq!(found, Some(fake_hash(password)));
    }
    let mut tx = begin(&store).await;
    tx.users().delete_password(a_user().id).await.unwrap();
    commit(tx).await;
    assert_eq!(read(&store).await.users().password(a_user().id).await.unwrap(), None);
}

/// An upgraded hash replaces the one it was made from, and no other.
pub async fn an_upgrade_never_undoes_a_change(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&a_user(), Some(fake_hash("old"))).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    commit(tx).await;
    for (old, new, upgraded, kept) in
        [("other", "new", false, "old"), ("old", "new", true, "new"), ("old", "late", false, "new")]
    {
        let mut tx = begin(&store).await;
        let answer = tx.users().upgrade_password(a_user().id, &fake_hash(old), &fake_hash(new)).await.unwrap();
        commit(tx).await;
        assert_eq!(answer, upgraded, "{old} to {new}");
        assert_eq!(read(&store).await.users().password(a_user().id).await.unwrap(), Some(fake_hash(kept)));
    }
    let mut tx = begin(&store).await;
    assert!(!tx.users().upgrade_password(user_id(2), &fake_hash("old"), &fake_hash("new")).await.unwrap());
    assert_eq!(tx.users().password(user_id(2)).await.unwrap(), None);
    assert!(!tx.users().upgrade_password(user_id(9), &fake_hash("old"), &fake_hash("new")).await.unwrap());
}

/// Every one of any number of parallel bumps gets an epoch of its own.
pub async fn parallel_bumps_give_distinct_epochs(store: Arc<dyn Store>) {
    insert(&store, &[a_user(), user_number(2)]).await;
    let epochs = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            let (epoch, _) = tx.users().bump_epoch(a_user().id, false, after(1)).await.unwrap().unwrap();
            commit(tx).await;
            epoch.number()
        }
    })
    .await;
    let distinct: BTreeSet<i64> = epochs.into_iter().collect();
    let first = a_user().epoch.number();
    let expected: BTreeSet<i64> = (first + 1..=first + i64::try_from(RACERS).unwrap()).collect();
    assert_eq!(distinct, expected);
    let mut tx = read(&store).await;
    assert_eq!(Some(&tx.users().get(a_user().id).await.unwrap().unwrap().epoch.number()), expected.last());
    assert_eq!(tx.users().get(user_id(2)).await.unwrap().unwrap().epoch, user_number(2).epoch);
}

/// The sessions' epoch follows only when sessions are to end; both come back as they are.
pub async fn a_bump_ends_sessions_only_when_asked(store: Arc<dyn Store>) {
    insert(&store, &[a_user()]).await;
    for (end_sessions, epoch, sessions) in [(false, 2, 1), (true, 3, 3), (false, 4, 3)] {
        let mut tx = begin(&store).await;
        let bumped = tx.users().bump_epoch(a_user().id, end_sessions, after(1)).await.unwrap();
        commit(tx).await;
        assert_eq!(bumped, Some((Epoch::new(epoch), Epoch::new(sessions))));
        let user = read(&store).await.users().get(a_user().id).await.unwrap().unwrap();
        assert_eq!(Some((user.epoch, user.sessions_epoch)), bumped);
    }
}

/// Pages go from oldest to newest, ties by identifier, without gap or repeat.
pub async fn pages_list_users_oldest_first(store: Arc<dyn Store>) {
    let mut users: Vec<User> =
        (0..7_u16).map(|n| User { created_at: after(u64::from(n * 5 % 4)), ..user_number(n) }).collect();
    insert(&store, &users).await;
    users.sort_by_key(|user| (user.created_at, user.id));

    let mut tx = read(&store).await;
    let mut listed: Vec<User> = Vec::new();
    loop {
        let page =
            UserPage { after: listed.last().map(|user| (user.created_at, user.id)), size: 3, ..UserPage::default() };
        let users = tx.users().list(&page).await.unwrap();
        assert!(users.len() <= 3);
        if users.is_empty() {
            break;
        }
        listed.extend(users);
    }
    assert_eq!(listed, users);
}

/// Counts tell the statuses apart.
pub async fn users_are_counted_by_status(store: Arc<dyn Store>) {
    insert(&store, &[a_user(), user_number(2), User { status: AccountStatus::Banned, ..user_number(3) }]).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.users().count(AccountStatus::Active).await.unwrap(), 2);
    assert_eq!(tx.users().count(AccountStatus::Banned).await.unwrap(), 1);
    assert_eq!(tx.users().count(AccountStatus::Deactivated).await.unwrap(), 0);
}

/// What a user is when a writing transaction first looks stays so until it ends: of many that look and then write what
/// they saw, changed, none undoes another's change.
pub async fn a_change_based_on_a_look_undoes_no_other(store: Arc<dyn Store>) {
    let start = User { full_name: FullName::try_new("0").ok(), ..a_user() };
    insert(&store, std::slice::from_ref(&start)).await;
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            let name = LoginName::parse(["ada", "ada@example.com"][number / 2 % 2]);
            let seen = match number % 2 {
                0 => tx.users().get(user_id(1)).await.unwrap().unwrap(),
                _ => tx.users().find_by_login_name(&name).await.unwrap().unwrap().0,
            };
            let count: usize = seen.full_name.as_ref().unwrap().as_str().parse().unwrap();
            let next = User { full_name: FullName::try_new(&(count + 1).to_string()).ok(), ..seen };
            tx.users().update(&next).await.unwrap();
            commit(tx).await;
        }
    })
    .await;
    let end = read(&store).await.users().get(user_id(1)).await.unwrap().unwrap();
    assert_eq!(end.full_name, FullName::try_new(&RACERS.to_string()).ok());
}

/// People change to each other's addresses, numbers and names at once: each gets through or loses by `Conflict`.
pub async fn people_who_swap_their_names_do_not_wait_in_a_circle(store: Arc<dyn Store>) {
    let of = |owner: u16, values: u16| User {
        email: Some(email_of(owner, &format!("user{values}@example.com"))),
        phone: Some(phone_of(owner, &format!("+4420794609{}", 50 + values))),
        username: Some(username(&format!("user{values}"))),
        ..user_number(owner)
    };
    insert(&store, &[of(1, 1), of(2, 2), of(3, 3)]).await;
    for round in 0..4 {
        race(RACERS, |number| {
            let store = Arc::clone(&store);
            async move {
                let number = u16::try_from(number).unwrap();
                let (owner, wanted) = (number % 3 + 1, (number + round) % 4 + 1);
                let mut tx = begin(&store).await;
                let seen = tx.users().get(user_id(owner)).await.unwrap().unwrap();
                let all = of(owner, wanted);
                let next = match number % 4 {
                    0 => User { email: all.email, ..seen },
                    1 => User { phone: all.phone, username: all.username, ..seen },
                    2 => User { username: all.username, ..seen },
                    _ => all,
                };
                match tx.users().update(&next).await {
                    Ok(()) => commit(tx).await,
                    Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error:?}"),
                }
            }
        })
        .await;
    }
}

/// A login name shows one state: never today's epoch beside yesterday's password.
pub async fn a_user_and_their_password_are_of_one_moment(store: Arc<dyn Store>) {
    let mut tx = begin(&store).await;
    tx.users().insert(&User { epoch: Epoch::new(0), ..a_user() }, Some(fake_hash("0"))).await.unwrap();
    commit(tx).await;
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            if number % 2 == 0 {
                let (epoch, _) = tx.users().bump_epoch(user_id(1), true, after(1)).await.unwrap().unwrap();
                let password = fake_hash(&epoch.number().to_string());
                tx.users().set_password(user_id(1), &password, after(1)).await.unwrap();
            } else {
                let found = tx.users().find_by_login_name(&LoginName::parse("ada")).await.unwrap();
                let (user, password) = found.unwrap();
                assert_eq!(password, Some(fake_hash(&user.epoch.number().to_string())));
            }
            commit(tx).await;
        }
    })
    .await;
}
