//! `KeyRepository`.

use std::sync::Arc;

use keystead_application::ports::{KeyUse, Store, StoredKey};
use keystead_application::testing::{START, a_key, after};
use keystead_domain::Timestamp;

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

async fn insert(store: &Arc<dyn Store>, keys: &[StoredKey], older_retire_at: Timestamp) {
    let mut tx = begin(store).await;
    for key in keys {
        tx.keys().insert(key, older_retire_at).await.unwrap();
    }
    commit(tx).await;
}

async fn list(store: &Arc<dyn Store>, now: Timestamp) -> Vec<StoredKey> {
    read(store).await.keys().list(now).await.unwrap()
}

/// All fields come back as written, to the microsecond, for every use.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let keys = [
        a_key("sign_-1"),
        StoredKey {
            key_use: KeyUse::SignPreAuthorized,
            algorithm: "HS384".into(),
            created_at: START.plus(MICRO),
            retires_at: Some(after(500).plus(MICRO)),
            ..a_key("pre")
        },
        StoredKey { key_use: KeyUse::Mac, algorithm: "HMAC".into(), created_at: after(1), ..a_key("mac") },
        StoredKey { key_use: KeyUse::SignStepUp, created_at: after(2), retires_at: Some(after(9)), ..a_key("step") },
        StoredKey { key_use: KeyUse::Seal, algorithm: "XC20P".into(), created_at: after(3), ..a_key("seal") },
        StoredKey { key_use: KeyUse::Audit, algorithm: "HMAC".into(), created_at: after(4), ..a_key("audit") },
    ];
    assert!(KeyUse::ALL.iter().all(|key_use| keys.iter().any(|key| key.key_use == *key_use)));
    insert(&store, &keys, after(100)).await;
    assert_eq!(list(&store, after(4)).await, keys);
}

/// The oldest key comes first, whatever its use.
pub async fn keys_come_oldest_first(store: Arc<dyn Store>) {
    let at = |id, key_use, seconds| StoredKey { key_use, created_at: after(seconds), ..a_key(id) };
    let keys = [
        at("d", KeyUse::Mac, 1),
        at("c", KeyUse::Seal, 2),
        at("a", KeyUse::SignAccess, 3),
        at("e", KeyUse::SignStepUp, 4),
        at("b", KeyUse::SignPreAuthorized, 5),
    ];
    let mut shuffled = keys.clone();
    shuffled.rotate_left(3);
    shuffled.swap(0, 2);
    insert(&store, &shuffled, after(100)).await;
    assert_eq!(list(&store, after(6)).await, keys);
}

/// A new key gives the endless ones of its use an end; ends once set, and other uses, stay.
pub async fn a_new_key_retires_older_ones_of_its_use(store: Arc<dyn Store>) {
    for (key_use, [one, two, three]) in [
        (KeyUse::SignAccess, ["a1", "a2", "a3"]),
        (KeyUse::Seal, ["s1", "s2", "s3"]),
        (KeyUse::SignStepUp, ["t1", "t2", "t3"]),
    ] {
        let mac = StoredKey { key_use: KeyUse::Mac, ..a_key(&format!("mac-{one}")) };
        let at = |id, seconds| StoredKey { key_use, created_at: after(seconds), ..a_key(id) };
        insert(&store, &[mac.clone(), at(one, 1)], after(9999)).await;
        insert(&store, &[at(two, 2)], after(100)).await;
        insert(&store, &[at(three, 3)], after(200)).await;
        let ended = |id, seconds, end| StoredKey { retires_at: Some(after(end)), ..at(id, seconds) };
        let mut listed = list(&store, after(4)).await;
        listed.retain(|key| key.key_use == key_use);
        assert_eq!(listed, [ended(one, 1, 100), ended(two, 2, 200), at(three, 3)]);
    }
    let mut macs = list(&store, after(4)).await;
    macs.retain(|key| key.key_use == KeyUse::Mac);
    let ends: Vec<_> = macs.iter().map(|mac| mac.retires_at).collect();
    assert_eq!(ends, [Some(after(9999)), Some(after(9999)), None], "only newer ones of their own use end them");
}

/// A key is listed until it retires, and not from then on.
pub async fn a_key_is_gone_at_the_microsecond_it_retires(store: Arc<dyn Store>) {
    let key = StoredKey { retires_at: Some(after(50)), ..a_key("k") };
    insert(&store, std::slice::from_ref(&key), after(100)).await;
    assert_eq!(list(&store, after(50).minus(MICRO)).await, [key]);
    assert_eq!(list(&store, after(50)).await, []);
}

/// Of many that look under the lock whether a key is missing, and make it, one makes it.
pub async fn under_the_lock_a_missing_key_is_made_once(store: Arc<dyn Store>) {
    let made = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            tx.keys().lock().await.unwrap();
            if !tx.keys().list(after(1)).await.unwrap().is_empty() {
                return None;
            }
            tx.keys().insert(&a_key(&format!("key-{number}")), after(100)).await.unwrap();
            commit(tx).await;
            Some(number)
        }
    })
    .await;
    sole_winner(made);
    assert_eq!(list(&store, after(1)).await.len(), 1);
}
