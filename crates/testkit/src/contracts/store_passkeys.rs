//! `PasskeyRepository`.

use std::sync::Arc;

use keystead_application::ports::{Constraint, Store, StoreError};
use keystead_application::testing::{START, a_passkey, a_user, after, passkey_number, user_id, user_number};
use keystead_domain::factor::{CredentialId, Passkey, PasskeyName};
use uuid::Uuid;

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

/// Ada, a second user, and these passkeys.
async fn register(store: &Arc<dyn Store>, passkeys: &[Passkey]) {
    let mut tx = begin(store).await;
    tx.users().insert(&a_user(), None).await.unwrap();
    tx.users().insert(&user_number(2), None).await.unwrap();
    for passkey in passkeys {
        tx.passkeys().insert(passkey).await.unwrap();
    }
    commit(tx).await;
}

async fn list(store: &Arc<dyn Store>, user: u16) -> Vec<Passkey> {
    read(store).await.passkeys().list(user_id(user)).await.unwrap()
}

/// All fields come back as written, set or not, at the ends of their ranges.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let full = Passkey {
        credential_id: CredentialId::new((0..=254).chain(0..=254).collect()).unwrap(),
        name: PasskeyName::try_new("Ada's öld phone 📱").unwrap(),
        credential: (0..=255).collect(),
        counter: u32::MAX,
        backup_eligible: true,
        backed_up: true,
        user_verified: false,
        last_used_at: Some(START.plus(MICRO)),
        ..passkey_number(2)
    };
    let longest = CredentialId::new(vec![0xff; 1023]).unwrap();
    let bare = Passkey { aaguid: Uuid::nil(), credential_id: longest, user_id: user_id(2), ..passkey_number(3) };
    register(&store, &[a_passkey(), full.clone(), bare.clone()]).await;
    let mut tx = read(&store).await;
    for passkey in [a_passkey(), full, bare] {
        assert_eq!(tx.passkeys().find(&passkey.credential_id).await.unwrap(), Some(passkey));
    }
}

/// A person's passkeys come oldest first, and nobody else's.
pub async fn passkeys_come_oldest_first(store: Arc<dyn Store>) {
    let of = |number: u8| Passkey { created_at: after(u64::from(number) * 5 % 4), ..passkey_number(number) };
    let mut own: Vec<Passkey> = (1..=6).map(of).collect();
    let foreign = Passkey { user_id: user_id(2), ..of(7) };
    register(&store, &[own.as_slice(), std::slice::from_ref(&foreign)].concat()).await;
    own.sort_by_key(|passkey| (passkey.created_at, passkey.id));
    assert_eq!(list(&store, 1).await, own);
    assert_eq!(list(&store, 2).await, [foreign]);
    assert_eq!(list(&store, 9).await, []);
}

/// A credential finds its passkey, whoever's it is; one that nobody has finds nothing.
pub async fn a_credential_finds_its_passkey_whoevers_it_is(store: Arc<dyn Store>) {
    let foreign = Passkey { user_id: user_id(2), ..passkey_number(2) };
    register(&store, &[a_passkey(), foreign.clone()]).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.passkeys().find(&foreign.credential_id).await.unwrap(), Some(foreign));
    for bytes in [vec![9; 32], vec![1; 31], vec![1; 33]] {
        let unknown = CredentialId::new(bytes).unwrap();
        assert_eq!(tx.passkeys().find(&unknown).await.unwrap(), None);
    }
}

/// A credential that is registered, to whomever, is a `Conflict`, and the transaction goes on.
pub async fn a_registered_credential_conflicts_and_leaves_the_transaction_usable(store: Arc<dyn Store>) {
    register(&store, &[a_passkey()]).await;
    let mut tx = begin(&store).await;
    for owner in [1, 2] {
        let clash = Passkey { user_id: user_id(owner), credential_id: a_passkey().credential_id, ..passkey_number(2) };
        let refused = tx.passkeys().insert(&clash).await;
        assert_eq!(refused, Err(StoreError::Conflict(Constraint::PasskeyCredential)));
    }
    tx.passkeys().insert(&passkey_number(3)).await.expect("the transaction is still usable");
    commit(tx).await;
    assert_eq!(list(&store, 1).await, [a_passkey(), passkey_number(3)]);
    assert_eq!(list(&store, 2).await, []);
}

/// Of many who register one credential one succeeds; the others lose by `Conflict`.
pub async fn of_parallel_registrations_of_one_credential_one_wins(store: Arc<dyn Store>) {
    register(&store, &[]).await;
    let results = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let number = u8::try_from(number).unwrap();
            let owner = user_id(u16::from(number % 2) + 1);
            let credential_id = passkey_number(100).credential_id;
            let passkey = Passkey { user_id: owner, credential_id, ..passkey_number(number) };
            let mut tx = begin(&store).await;
            match tx.passkeys().insert(&passkey).await {
                Ok(()) => {
                    commit(tx).await;
                    Some(passkey)
                }
                Err(error) => {
                    assert_eq!(error, StoreError::Conflict(Constraint::PasskeyCredential));
                    None
                }
            }
        }
    })
    .await;
    let winner = sole_winner(results);
    assert_eq!([list(&store, 1).await, list(&store, 2).await].concat(), [winner]);
}

/// `update` writes what use changes, and never whose it is, which credential, which make or when it was registered.
pub async fn an_update_changes_name_credential_counter_flags_and_use(store: Arc<dyn Store>) {
    register(&store, &[a_passkey(), passkey_number(2)]).await;
    let changed = Passkey {
        name: PasskeyName::try_new("renamed").unwrap(),
        credential: vec![7],
        counter: 41,
        backup_eligible: true,
        backed_up: true,
        user_verified: false,
        last_used_at: Some(after(5)),
        ..a_passkey()
    };
    let sent = Passkey {
        credential_id: passkey_number(9).credential_id,
        aaguid: Uuid::nil(),
        created_at: after(9),
        ..changed.clone()
    };
    let mut tx = begin(&store).await;
    tx.passkeys().update(&sent).await.unwrap();
    commit(tx).await;
    assert_eq!(list(&store, 1).await, [changed, passkey_number(2)]);
    let mut tx = begin(&store).await;
    tx.passkeys().update(&Passkey { last_used_at: None, ..a_passkey() }).await.unwrap();
    commit(tx).await;
    assert_eq!(list(&store, 1).await.first(), Some(&a_passkey()));
}

/// A passkey is removed once, by its owner.
pub async fn a_passkey_is_removed_once_by_its_owner(store: Arc<dyn Store>) {
    register(&store, &[a_passkey(), passkey_number(2)]).await;
    for (owner, removed, left) in [(2, false, 2), (1, true, 1), (1, false, 1)] {
        let mut tx = begin(&store).await;
        assert_eq!(tx.passkeys().delete(user_id(owner), a_passkey().id).await.unwrap(), removed);
        commit(tx).await;
        assert_eq!(list(&store, 1).await.len(), left);
    }
    let mut tx = begin(&store).await;
    tx.passkeys().insert(&a_passkey()).await.expect("its credential is free again");
}
