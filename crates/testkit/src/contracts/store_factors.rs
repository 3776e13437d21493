//! `FactorRepository`.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::{
    START, a_passkey, a_recovery_code, a_totp, a_user, after, passkey_number, user_id, user_number,
};
use keystead_domain::factor::{Enrolled, PendingTotp, RecoveryCodeHash, Totp};

use super::{MICRO, RACERS, begin, commit, read};
use crate::race::race;

/// Ada, and nine others.
async fn people(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    for number in 2..=10 {
        tx.users().insert(&user_number(number), None).await.unwrap();
    }
    commit(tx).await;
}

async fn put(store: &Arc<dyn Store>, totp: &Totp) {
    let mut tx = begin(store).await;
    tx.factors().put_totp(totp).await.unwrap();
    commit(tx).await;
}

async fn totp(store: &Arc<dyn Store>, user: u16) -> Option<Totp> {
    read(store).await.factors().totp(user_id(user)).await.unwrap()
}

async fn enrolled(store: &Arc<dyn Store>, user: u16) -> Enrolled {
    read(store).await.factors().enrolled(user_id(user)).await.unwrap()
}

async fn replace(store: &Arc<dyn Store>, user: u16, selectors: &[&str]) {
    let codes: Vec<RecoveryCodeHash> = selectors.iter().map(|selector| a_recovery_code(selector)).collect();
    let mut tx = begin(store).await;
    tx.factors().replace_recovery_codes(user_id(user), &codes, after(1)).await.unwrap();
    commit(tx).await;
}

async fn code(store: &Arc<dyn Store>, user: u16, selector: &str) -> Option<RecoveryCodeHash> {
    read(store).await.factors().recovery_code(user_id(user), selector).await.unwrap()
}

/// A credential takes the place of the one before with every field, set or not.
pub async fn a_totp_credential_is_replaced_with_every_field(store: Arc<dyn Store>) {
    people(&store).await;
    assert_eq!(totp(&store, 1).await, None);
    let pending = PendingTotp { sealed: vec![0, 0xff], expires_at: START.plus(MICRO) };
    let full = Totp { last_step: Some(59_999_999), pending: Some(pending.clone()), ..a_totp() };
    let waiting = Totp { pending: Some(pending), ..Totp::new(user_id(1)) };
    for totp_now in [waiting, full, a_totp()] {
        put(&store, &totp_now).await;
        assert_eq!(totp(&store, 1).await, Some(totp_now));
        assert_eq!(totp(&store, 2).await, None);
    }
}

/// Deleting says whether there was one, and leaves others alone.
pub async fn a_totp_credential_is_deleted_once(store: Arc<dyn Store>) {
    people(&store).await;
    let other = Totp { user_id: user_id(2), ..a_totp() };
    put(&store, &a_totp()).await;
    put(&store, &other).await;
    for expected in [true, false] {
        let mut tx = begin(&store).await;
        assert_eq!(tx.factors().delete_totp(user_id(1)).await.unwrap(), expected);
        commit(tx).await;
        assert_eq!(totp(&store, 1).await, None);
    }
    assert_eq!(totp(&store, 2).await, Some(other));
}

/// Credentials are listed by identifier of their owners, without gap or repeat.
pub async fn totp_credentials_are_listed_in_pages(store: Arc<dyn Store>) {
    people(&store).await;
    // Added in another order than they are listed.
    for number in [7, 2, 9, 1, 4, 10, 3] {
        put(&store, &Totp { user_id: user_id(number), ..a_totp() }).await;
    }
    let mut tx = read(&store).await;
    let mut listed: Vec<Totp> = Vec::new();
    loop {
        let page = tx.factors().list_totp(listed.last().map(|totp| totp.user_id), 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    let expected = [1, 2, 3, 4, 7, 9, 10].map(|number| Totp { user_id: user_id(number), ..a_totp() });
    assert_eq!(listed, expected);
}

/// What a person has is counted: confirmed secrets, passkeys, codes that are left, and nobody else's.
pub async fn what_a_person_has_is_counted(store: Arc<dyn Store>) {
    people(&store).await;
    assert_eq!(enrolled(&store, 1).await, Enrolled::default());
    let pending = PendingTotp { sealed: vec![1], expires_at: after(60) };
    put(&store, &Totp { pending: Some(pending), ..Totp::new(user_id(1)) }).await;
    assert_eq!(enrolled(&store, 1).await, Enrolled::default(), "a secret nobody confirmed is none");
    put(&store, &a_totp()).await;
    replace(&store, 1, &["aaaa", "bbbb", "cccc"]).await;
    let mut tx = begin(&store).await;
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.passkeys().insert(&passkey_number(2)).await.unwrap();
    tx.factors().consume_recovery_code(user_id(1), "bbbb").await.unwrap();
    let within = tx.factors().enrolled(user_id(1)).await.unwrap();
    commit(tx).await;
    let all = Enrolled { totp: true, passkeys: 2, recovery_codes: 2 };
    assert_eq!((within, enrolled(&store, 1).await), (all, all));
    assert_eq!(enrolled(&store, 2).await, Enrolled::default());
    assert_eq!(enrolled(&store, 99).await, Enrolled::default(), "nobody has nothing");
}

/// New recovery codes end all old ones of their owner, and nobody else's.
pub async fn new_recovery_codes_end_the_old_ones(store: Arc<dyn Store>) {
    people(&store).await;
    replace(&store, 1, &["aaaa", "bbbb"]).await;
    replace(&store, 2, &["aaaa"]).await;
    assert_eq!(code(&store, 1, "aaaa").await, Some(a_recovery_code("aaaa")));
    replace(&store, 1, &["bbbb", "cccc"]).await;
    assert_eq!(code(&store, 1, "aaaa").await, None);
    for selector in ["bbbb", "cccc"] {
        assert_eq!(code(&store, 1, selector).await, Some(a_recovery_code(selector)));
    }
    assert_eq!(code(&store, 2, "aaaa").await, Some(a_recovery_code("aaaa")));
    assert_eq!(code(&store, 2, "bbbb").await, None, "a code is its owner's");
    replace(&store, 1, &[]).await;
    assert_eq!(code(&store, 1, "cccc").await, None);
}

/// A recovery code is used up by exactly one of many.
pub async fn a_recovery_code_is_consumed_once(store: Arc<dyn Store>) {
    people(&store).await;
    replace(&store, 1, &["aaaa", "bbbb"]).await;
    replace(&store, 2, &["aaaa"]).await;
    let results = race(RACERS, |_| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            let consumed = tx.factors().consume_recovery_code(user_id(1), "aaaa").await.unwrap();
            commit(tx).await;
            consumed
        }
    })
    .await;
    assert_eq!(results.into_iter().filter(|consumed| *consumed).count(), 1);
    assert_eq!(code(&store, 1, "aaaa").await, None);
    assert!(code(&store, 1, "bbbb").await.is_some() && code(&store, 2, "aaaa").await.is_some());
}

/// A code that was consumed without a commit was not.
pub async fn a_rolled_back_consume_leaves_the_code(store: Arc<dyn Store>) {
    people(&store).await;
    replace(&store, 1, &["aaaa"]).await;
    let mut tx = begin(&store).await;
    assert!(tx.factors().consume_recovery_code(user_id(1), "aaaa").await.unwrap());
    drop(tx);
    let mut tx = begin(&store).await;
    assert!(tx.factors().consume_recovery_code(user_id(1), "aaaa").await.unwrap());
    assert!(!tx.factors().consume_recovery_code(user_id(1), "zzzz").await.unwrap());
}
