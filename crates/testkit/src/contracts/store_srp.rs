//! `SrpRepository`.

use std::sync::Arc;

use keystead_application::ports::{Store, StoredSrp};
use keystead_application::testing::{START, a_stored_srp, user_id, user_number};

use super::{MICRO, begin, commit, read};

/// People 1 to 10.
async fn people(store: &Arc<dyn Store>) {
    let mut tx = begin(store).await;
    for number in 1..=10 {
        tx.users().insert(&user_number(number), None).await.unwrap();
    }
    commit(tx).await;
}

async fn put(store: &Arc<dyn Store>, credential: &StoredSrp) {
    let mut tx = begin(store).await;
    tx.srp().put(credential).await.unwrap();
    commit(tx).await;
}

async fn get(store: &Arc<dyn Store>, user: u16) -> Option<StoredSrp> {
    read(store).await.srp().get(user_id(user)).await.unwrap()
}

/// A credential takes the place of the one before, with every byte and microsecond, and nobody else's.
pub async fn a_credential_takes_the_place_of_the_one_before(store: Arc<dyn Store>) {
    people(&store).await;
    assert_eq!(get(&store, 1).await, None);
    let other = StoredSrp { sealed: vec![7; 700], ..a_stored_srp(user_id(2)) };
    put(&store, &other).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let newer = StoredSrp { sealed: every_byte, created_at: START.plus(MICRO), ..a_stored_srp(user_id(1)) };
    for credential in [a_stored_srp(user_id(1)), newer] {
        put(&store, &credential).await;
        assert_eq!(get(&store, 1).await, Some(credential));
    }
    assert_eq!(get(&store, 2).await, Some(other));
}

/// Deleting says whether there was one, and leaves others alone.
pub async fn a_credential_is_deleted_once(store: Arc<dyn Store>) {
    people(&store).await;
    put(&store, &a_stored_srp(user_id(1))).await;
    put(&store, &a_stored_srp(user_id(2))).await;
    for expected in [true, false] {
        let mut tx = begin(&store).await;
        assert_eq!(tx.srp().delete(user_id(1)).await.unwrap(), expected);
        commit(tx).await;
        assert_eq!(get(&store, 1).await, None);
    }
    assert_eq!(get(&store, 2).await, Some(a_stored_srp(user_id(2))));
}

/// Credentials are listed by identifier of their owners, without gap or repeat.
pub async fn credentials_are_listed_in_pages(store: Arc<dyn Store>) {
    people(&store).await;
    // Added in another order than they are listed.
    for number in [7, 2, 9, 1, 4, 10, 3] {
        put(&store, &a_stored_srp(user_id(number))).await;
    }
    let mut tx = read(&store).await;
    let mut listed: Vec<StoredSrp> = Vec::new();
    loop {
        let page = tx.srp().list(listed.last().map(|credential| credential.user_id), 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed, [1, 2, 3, 4, 7, 9, 10].map(|number| a_stored_srp(user_id(number))));
}

/// What was put or deleted without a commit was not.
pub async fn a_rolled_back_change_is_none(store: Arc<dyn Store>) {
    people(&store).await;
    put(&store, &a_stored_srp(user_id(1))).await;
    let mut tx = begin(&store).await;
    assert!(tx.srp().delete(user_id(1)).await.unwrap());
    tx.srp().put(&a_stored_srp(user_id(2))).await.unwrap();
    drop(tx);
    assert_eq!(get(&store, 1).await, Some(a_stored_srp(user_id(1))));
    assert_eq!(get(&store, 2).await, None);
}
