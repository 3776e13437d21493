//! `DeviceRepository`.

use std::sync::Arc;

use keystead_application::ports::Store;
use keystead_application::testing::{a_user, after, user_id, user_number};
use keystead_domain::Timestamp;
use keystead_domain::token::DeviceTokenHash;

use super::{MICRO, begin, commit, read};

const LAPTOP: DeviceTokenHash = DeviceTokenHash([1; 32]);
const PHONE: DeviceTokenHash = DeviceTokenHash([0xff; 32]);

/// Ada and a second user; Ada's laptop is known until `end`, her phone until much later.
async fn remember(store: &Arc<dyn Store>, end: Timestamp) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    tx.devices().remember(user_id(1), LAPTOP, after(0), end).await.unwrap();
    tx.devices().remember(user_id(1), PHONE, after(0), after(9999)).await.unwrap();
    commit(tx).await;
}

async fn known(store: &Arc<dyn Store>, user: u16, device: DeviceTokenHash, now: Timestamp) -> bool {
    read(store).await.devices().is_known(user_id(user), device, now).await.unwrap()
}

/// A device is known to the user who signed in with it, and to nobody else.
pub async fn a_remembered_device_is_known_to_its_user_only(store: Arc<dyn Store>) {
    remember(&store, after(100)).await;
    assert!(known(&store, 1, LAPTOP, after(1)).await);
    assert!(!known(&store, 2, LAPTOP, after(1)).await);
    assert!(!known(&store, 1, DeviceTokenHash([2; 32]), after(1)).await);
    let mut tx = begin(&store).await;
    tx.devices().remember(user_id(2), LAPTOP, after(1), after(50)).await.expect("two people share a browser");
    commit(tx).await;
    assert!(known(&store, 2, LAPTOP, after(2)).await);
    assert!(known(&store, 1, LAPTOP, after(60)).await, "the other's end is their own");
}

/// A device is known before its end and unknown from it on.
pub async fn a_device_is_forgotten_at_its_microsecond(store: Arc<dyn Store>) {
    remember(&store, after(100)).await;
    assert!(known(&store, 1, LAPTOP, after(100).minus(MICRO)).await);
    assert!(!known(&store, 1, LAPTOP, after(100)).await);
}

/// Signing in again renews the end; it stays one device.
pub async fn remembering_again_renews_the_end(store: Arc<dyn Store>) {
    remember(&store, after(100)).await;
    let mut tx = begin(&store).await;
    tx.devices().remember(user_id(1), LAPTOP, after(90), after(200)).await.unwrap();
    commit(tx).await;
    assert!(known(&store, 1, LAPTOP, after(150)).await);
    let mut tx = begin(&store).await;
    assert_eq!(tx.devices().delete_expired(after(5000)).await.unwrap(), 1);
}

/// All devices of one user are forgotten, and nobody else's.
pub async fn all_devices_of_a_user_are_forgotten(store: Arc<dyn Store>) {
    remember(&store, after(100)).await;
    let mut tx = begin(&store).await;
    tx.devices().remember(user_id(2), PHONE, after(0), after(100)).await.unwrap();
    tx.devices().forget_all(user_id(1)).await.unwrap();
    commit(tx).await;
    assert!(!known(&store, 1, LAPTOP, after(1)).await);
    assert!(!known(&store, 1, PHONE, after(1)).await);
    assert!(known(&store, 2, PHONE, after(1)).await);
}

/// Only lapsed devices are deleted, and they are counted.
pub async fn lapsed_devices_are_deleted(store: Arc<dyn Store>) {
    remember(&store, after(100)).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.devices().delete_expired(after(200)).await.unwrap(), 1);
    commit(tx).await;
    assert!(!known(&store, 1, LAPTOP, after(1)).await);
    assert!(known(&store, 1, PHONE, after(201)).await);
}
