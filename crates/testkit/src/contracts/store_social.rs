//! `SocialRepository`.

use std::sync::Arc;

use keystead_application::ports::{Constraint, Store, StoreError};
use keystead_application::testing::{
    START, a_social_identity, a_stored_srp, a_super_admin, after, an_admin, provider, subject, user_id, user_number,
};
use keystead_domain::account::Role;
use keystead_domain::social::SocialIdentity;
use uuid::Uuid;

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

const TAKEN: StoreError = StoreError::Conflict(Constraint::SocialIdentity);

/// A link of a person at `idp`, unlike every other number's.
fn link(number: u8, owner: u16) -> SocialIdentity {
    SocialIdentity {
        id: Uuid::from_bytes([number; 16]),
        user_id: user_id(owner),
        subject: subject(&format!("subject {number}")),
        ..a_social_identity()
    }
}

/// So many people, and these links.
async fn link_up(store: &Arc<dyn Store>, people: u16, links: &[SocialIdentity]) {
    let mut tx = begin(store).await;
    for number in 1..=people {
        tx.users().insert(&user_number(number), None).await.unwrap();
    }
    for link in links {
        tx.social().insert(link).await.unwrap();
    }
    commit(tx).await;
}

async fn list(store: &Arc<dyn Store>, user: u16) -> Vec<SocialIdentity> {
    read(store).await.social().list(user_id(user)).await.unwrap()
}

/// All fields come back as written, set or not, at the ends of their ranges.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let full = SocialIdentity {
        provider: provider(&format!("a{}", "-9".repeat(15))),
        subject: subject(&format!("{}|\"'\\%_", "~ ".repeat(124))),
        label: Some("Ada's öld 📱".repeat(16)),
        created_at: START.plus(MICRO),
        last_used_at: Some(after(1).plus(MICRO)),
        ..link(1, 1)
    };
    let bare = SocialIdentity { provider: provider("a"), subject: subject("1"), label: None, ..link(2, 2) };
    link_up(&store, 2, &[full.clone(), bare.clone()]).await;
    let mut tx = read(&store).await;
    for identity in [full, bare] {
        let found = tx.social().find(&identity.provider, &identity.subject).await.unwrap();
        assert_eq!(found, Some(identity));
    }
}

/// An account elsewhere finds its link by provider and subject, exactly as they are.
pub async fn a_link_is_found_by_provider_and_subject(store: Arc<dyn Store>) {
    let link_of = |number, provider_name: &str, subject_name: &str, owner| SocialIdentity {
        provider: provider(provider_name),
        subject: subject(subject_name),
        ..link(number, owner)
    };
    let links = [link_of(1, "idp", "abc", 1), link_of(2, "hub", "abc", 2), link_of(3, "idp", "ABC", 2)];
    link_up(&store, 2, &links).await;
    let mut tx = read(&store).await;
    for link in links {
        assert_eq!(tx.social().find(&link.provider, &link.subject).await.unwrap(), Some(link));
    }
    for (provider_name, subject_name) in
        [("hub", "ABC"), ("idp", "abc "), ("idp", "ab"), ("idp", "%"), ("other", "abc")]
    {
        let found = tx.social().find(&provider(provider_name), &subject(subject_name)).await.unwrap();
        assert_eq!(found, None, "{provider_name} {subject_name}");
    }
}

/// A person's links come oldest first, and nobody else's.
pub async fn links_come_oldest_first(store: Arc<dyn Store>) {
    let of = |number: u8| SocialIdentity {
        provider: provider(&format!("idp{number}")),
        created_at: after(u64::from(number) * 5 % 4),
        ..link(number, 1)
    };
    let mut own: Vec<SocialIdentity> = (1..=6).map(of).collect();
    let foreign = SocialIdentity { user_id: user_id(2), ..of(7) };
    link_up(&store, 2, &[own.as_slice(), std::slice::from_ref(&foreign)].concat()).await;
    own.sort_by_key(|link| (link.created_at, link.id));
    assert_eq!(list(&store, 1).await, own);
    assert_eq!(list(&store, 2).await, [foreign]);
    assert_eq!(list(&store, 9).await, []);
}

/// An account elsewhere that is linked, to whomever, and a second one of a person at a provider are a `Conflict`, and the
/// transaction goes on.
pub async fn a_taken_link_conflicts_and_leaves_the_transaction_usable(store: Arc<dyn Store>) {
    link_up(&store, 2, &[link(1, 1)]).await;
    let mut tx = begin(&store).await;
    let same_account = |owner| SocialIdentity { subject: link(1, 1).subject, ..link(2, owner) };
    for clash in [same_account(1), same_account(2), link(3, 1)] {
        assert_eq!(tx.social().insert(&clash).await, Err(TAKEN));
    }
    let elsewhere = SocialIdentity { provider: provider("hub"), created_at: after(1), ..link(3, 1) };
    tx.social().insert(&elsewhere).await.expect("the transaction is still usable");
    commit(tx).await;
    assert_eq!(list(&store, 1).await, [link(1, 1), elsewhere]);
    assert_eq!(list(&store, 2).await, []);
}

/// Lets many add a link at once. Returns that of the one who could; the others lost by `Conflict`.
async fn race_for(store: &Arc<dyn Store>, link_of: impl Fn(u8) -> SocialIdentity) -> SocialIdentity {
    let results = race(RACERS, |racer| {
        let (store, link) = (Arc::clone(store), link_of(u8::try_from(racer).unwrap()));
        async move {
            let mut tx = begin(&store).await;
            match tx.social().insert(&link).await {
                Ok(()) => {
                    commit(tx).await;
                    Some(link)
                }
                Err(error) => {
                    assert_eq!(error, TAKEN);
                    None
                }
            }
        }
    })
    .await;
    sole_winner(results)
}

/// Of many people who link one account elsewhere one succeeds.
pub async fn of_parallel_links_of_one_account_elsewhere_one_wins(store: Arc<dyn Store>) {
    link_up(&store, 64, &[]).await;
    let account = subject("everybody's");
    let winner =
        race_for(&store, |racer| SocialIdentity { subject: account.clone(), ..link(racer, u16::from(racer) + 1) })
            .await;
    let found = read(&store).await.social().find(&winner.provider, &account).await.unwrap();
    assert_eq!(found, Some(winner));
}

/// Of many accounts at one provider that a person links at once one stays.
pub async fn of_parallel_links_of_a_person_to_a_provider_one_wins(store: Arc<dyn Store>) {
    link_up(&store, 1, &[]).await;
    let winner = race_for(&store, |racer| link(racer, 1)).await;
    assert_eq!(list(&store, 1).await, [winner]);
}

/// The last use is noted to the microsecond, of this link only; a link that is gone is passed over.
pub async fn the_last_use_is_noted(store: Arc<dyn Store>) {
    link_up(&store, 2, &[link(1, 1), link(2, 2)]).await;
    for at in [after(1).plus(MICRO), after(2)] {
        let mut tx = begin(&store).await;
        tx.social().touch(link(1, 1).id, at).await.unwrap();
        tx.social().touch(link(9, 1).id, at).await.unwrap();
        commit(tx).await;
        assert_eq!(list(&store, 1).await, [SocialIdentity { last_used_at: Some(at), ..link(1, 1) }]);
    }
    assert_eq!(list(&store, 2).await, [link(2, 2)]);
}

/// A link is deleted once, by its owner, and the account elsewhere is free again.
pub async fn a_link_is_deleted_once_by_its_owner(store: Arc<dyn Store>) {
    let hub = SocialIdentity { provider: provider("hub"), created_at: after(1), ..link(2, 1) };
    link_up(&store, 2, &[link(1, 1), hub.clone()]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.social().delete(user_id(2), &provider("idp")).await.unwrap(), None, "it is somebody else's");
    assert_eq!(tx.social().delete(user_id(1), &provider("idp")).await.unwrap(), Some(link(1, 1)));
    assert_eq!(tx.social().delete(user_id(1), &provider("idp")).await.unwrap(), None);
    let theirs = SocialIdentity { subject: link(1, 1).subject, ..link(3, 2) };
    tx.social().insert(&theirs).await.unwrap();
    commit(tx).await;
    assert_eq!(list(&store, 1).await, [hub]);
    assert_eq!(list(&store, 2).await, [theirs]);
}

/// An administrator who comes by an account elsewhere, or whose password never reaches the server, is another one.
pub async fn every_way_to_sign_in_makes_another_administrator(store: Arc<dyn Store>) {
    let (admin, above) = (an_admin(), a_super_admin());
    let mut tx = begin(&store).await;
    for user in [&admin, &above] {
        tx.users().insert(user, None).await.unwrap();
    }
    tx.srp().put(&a_stored_srp(above.id)).await.unwrap();
    assert!(tx.users().has_other_administrator(admin.id, Role::Admin).await.unwrap());
    assert!(tx.srp().delete(above.id).await.unwrap());
    assert!(!tx.users().has_other_administrator(admin.id, Role::Admin).await.unwrap());
    let link = SocialIdentity { user_id: above.id, ..a_social_identity() };
    tx.social().insert(&link).await.unwrap();
    assert!(tx.users().has_other_administrator(admin.id, Role::Admin).await.unwrap());
    assert!(!tx.users().has_other_administrator(above.id, Role::Admin).await.unwrap(), "it is not the other's");
    tx.social().delete(above.id, &link.provider).await.unwrap();
    assert!(!tx.users().has_other_administrator(admin.id, Role::Admin).await.unwrap());
}
