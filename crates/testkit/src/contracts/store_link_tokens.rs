//! `LinkTokenRepository`.

use std::sync::Arc;

use keystead_application::ports::{Store, Tx};
use keystead_application::testing::{a_link_token, a_user, after, fake_hash, token_id, user_id, user_number};
use keystead_domain::Timestamp;
use keystead_domain::account::{Epoch, LinkPurpose, LinkToken, LinkTokenHash};
use keystead_domain::token::TokenId;

use super::{MICRO, RACERS, begin, commit, read, sole_winner};
use crate::race::race;

const RESET: LinkPurpose = LinkPurpose::Reset;

/// Ada's reset token with a hash of its own.
fn token(number: u8) -> LinkToken {
    LinkToken { hash: LinkTokenHash([number; 32]), ..a_link_token() }
}

/// Issues tokens; their owners are added first, for stores that check references.
async fn issue(store: &Arc<dyn Store>, tokens: &[LinkToken]) {
    let mut tx = begin(store).await;
    for owner in [a_user(), user_number(2)] {
        if tx.users().get(owner.id).await.unwrap().is_none() {
            tx.users().insert(&owner, None).await.unwrap();
        }
    }
    for token in tokens {
        tx.link_tokens().issue(token).await.unwrap();
    }
    commit(tx).await;
}

async fn start(store: Arc<dyn Store>, hash: LinkTokenHash, as_token: TokenId, now: Timestamp) -> Option<LinkToken> {
    let mut tx = begin(&store).await;
    let token = tx.link_tokens().begin(hash, RESET, &as_token, after(900), now).await.unwrap();
    commit(tx).await;
    token
}

async fn consume(store: Arc<dyn Store>, hash: LinkTokenHash, now: Timestamp) -> Option<LinkToken> {
    let mut tx = begin(&store).await;
    let token = tx.link_tokens().consume(hash, RESET, now).await.unwrap();
    commit(tx).await;
    token
}

async fn consume_begun(store: Arc<dyn Store>, as_token: TokenId, now: Timestamp) -> Option<LinkToken> {
    let mut tx = begin(&store).await;
    let token = tx.link_tokens().consume_begun(&as_token, now).await.unwrap();
    commit(tx).await;
    token
}

/// Proves a factor, or only binds the token anew.
async fn rebind(store: Arc<dyn Store>, prove: bool, (from, to): (TokenId, TokenId), now: Timestamp) -> bool {
    let mut tx = begin(&store).await;
    let rebound = if prove {
        tx.link_tokens().prove_begun(&from, &to, now).await.unwrap()
    } else {
        tx.link_tokens().rebind_begun(&from, &to, now).await.unwrap()
    };
    commit(tx).await;
    rebound
}

/// Many bind one begun token anew: one of them does, and the token is now bound to theirs alone.
async fn rebind_in_parallel(store: Arc<dyn Store>, prove: bool) -> LinkToken {
    issue(&store, &[token(1)]).await;
    assert!(start(Arc::clone(&store), token(1).hash, token_id("half.a"), after(1)).await.is_some());
    let next = |number: usize| token_id(&format!("half.{number}"));
    let results =
        race(RACERS, |number| rebind(Arc::clone(&store), prove, (token_id("half.a"), next(number)), after(2))).await;
    let results = results.into_iter().enumerate().map(|(number, rebound)| rebound.then_some(number));
    let winner = sole_winner(results.collect());
    let mut tx = read(&store).await;
    for (number, old) in (0..RACERS).map(|number| (number, next(number))).chain([(RACERS, token_id("half.a"))]) {
        let found = tx.link_tokens().find_begun(&old, after(2)).await.unwrap();
        assert_eq!(found.is_some(), number == winner, "{number}");
    }
    drop(tx);
    consume_begun(store, next(winner), after(2)).await.expect("it is bound to the winner's")
}

async fn find(store: &Arc<dyn Store>, hash: LinkTokenHash) -> Option<LinkToken> {
    read(store).await.link_tokens().find(hash, RESET, after(1)).await.unwrap()
}

/// All fields come back as written, to the microsecond; a decoy belongs to nobody.
pub async fn every_field_survives(store: Arc<dyn Store>) {
    let decoy = LinkToken { user_id: None, epoch: Epoch::new(0), ..token(2) };
    let activation = LinkToken { purpose: LinkPurpose::Activate, epoch: Epoch::new(12), ..token(3) };
    issue(&store, &[token(1), decoy.clone(), activation.clone()]).await;
    assert_eq!(find(&store, token(1).hash).await, Some(token(1)));
    assert_eq!(find(&store, decoy.hash).await, Some(decoy.clone()));
    let mut tx = read(&store).await;
    let found = tx.link_tokens().find(activation.hash, LinkPurpose::Activate, after(1)).await.unwrap();
    assert_eq!(found, Some(activation));
    drop(tx);
    assert_eq!(consume(store, decoy.hash, after(1)).await, Some(decoy));
}

/// Issuing ends older tokens of the same user and purpose, begun or not, and no others.
pub async fn a_newer_token_replaces_older_ones_of_its_purpose(store: Arc<dyn Store>) {
    let activation = LinkToken { purpose: LinkPurpose::Activate, ..token(10) };
    let foreign = LinkToken { user_id: Some(user_id(2)), ..token(11) };
    issue(&store, &[token(1), activation.clone(), foreign.clone()]).await;
    assert!(start(Arc::clone(&store), token(1).hash, token_id("half.a"), after(1)).await.is_some());
    issue(&store, &[token(2)]).await;
    assert_eq!(consume_begun(Arc::clone(&store), token_id("half.a"), after(1)).await, None);
    issue(&store, &[token(3)]).await;
    assert_eq!(find(&store, token(2).hash).await, None);
    assert_eq!(find(&store, token(3).hash).await, Some(token(3)));
    assert_eq!(find(&store, foreign.hash).await, Some(foreign));
    let mut tx = read(&store).await;
    let found = tx.link_tokens().find(activation.hash, LinkPurpose::Activate, after(1)).await.unwrap();
    assert_eq!(found, Some(activation));
}

/// Looking at a token as often as one likes leaves it usable.
pub async fn find_changes_nothing(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    for _ in 0..3 {
        let mut tx = begin(&store).await;
        assert_eq!(tx.link_tokens().find(token(1).hash, RESET, after(1)).await.unwrap(), Some(token(1)));
        commit(tx).await;
    }
    assert_eq!(consume(Arc::clone(&store), token(1).hash, after(1)).await, Some(token(1)));
    assert_eq!(find(&store, token(1).hash).await, None);
}

/// Of many who begin one token one succeeds.
pub async fn a_token_begins_once(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let results = race(RACERS, |number| {
        let as_token = token_id(&format!("half.{number}"));
        start(Arc::clone(&store), token(1).hash, as_token, after(1))
    })
    .await;
    let winner = sole_winner(results);
    let bound = winner.begun_as.clone().expect("the winner is bound");
    let mut tx = read(&store).await;
    assert_eq!(tx.link_tokens().find_begun(&bound, after(1)).await.unwrap(), Some(winner));
    for number in 0..RACERS {
        let as_token = token_id(&format!("half.{number}"));
        let found = tx.link_tokens().find_begun(&as_token, after(1)).await.unwrap();
        assert_eq!(found.is_some(), as_token == bound);
    }
}

/// Beginning binds the token to one pre-authorized token and gives it that token's end.
pub async fn a_begun_token_is_bound_to_its_pre_authorized_token(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let bound = token_id("half.a");
    let begun = start(Arc::clone(&store), token(1).hash, bound.clone(), after(1)).await;
    let expected = LinkToken { begun_as: Some(bound.clone()), expires_at: after(900), ..token(1) };
    assert_eq!(begun, Some(expected.clone()));
    assert_eq!(find(&store, token(1).hash).await, None, "a begun token is not unused");
    let mut tx = read(&store).await;
    let alive = after(900).minus(MICRO);
    assert_eq!(tx.link_tokens().find_begun(&bound, alive).await.unwrap(), Some(expected));
    assert_eq!(tx.link_tokens().find_begun(&bound, after(900)).await.unwrap(), None);
    assert_eq!(tx.link_tokens().find_begun(&token_id("half.b"), after(1)).await.unwrap(), None);
}

/// A begun token is given to exactly one of many callers.
pub async fn a_begun_token_is_consumed_once(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let begun = start(Arc::clone(&store), token(1).hash, token_id("half.a"), after(1)).await;
    let results = race(RACERS, |_| consume_begun(Arc::clone(&store), token_id("half.a"), after(2))).await;
    assert_eq!(Some(sole_winner(results)), begun);
}

/// Of many who prove a factor for one begun token one succeeds; the proof is remembered, the end stays.
pub async fn a_factor_is_proved_once_for_a_begun_token(store: Arc<dyn Store>) {
    let proved = rebind_in_parallel(store, true).await;
    let begun_as = proved.begun_as.clone();
    assert_eq!(proved, LinkToken { begun_as, factor_proved: true, expires_at: after(900), ..token(1) });
}

/// Of many who bind one begun token anew one succeeds; nothing is proved by it, and what was proved stays so.
pub async fn a_begun_token_is_rebound_once(store: Arc<dyn Store>) {
    let rebound = rebind_in_parallel(Arc::clone(&store), false).await;
    let begun_as = rebound.begun_as.clone();
    assert_eq!(rebound, LinkToken { begun_as, expires_at: after(900), ..token(1) });

    issue(&store, &[token(2)]).await;
    let [a, b, c] = ["half.a", "half.b", "half.c"].map(token_id);
    assert!(start(Arc::clone(&store), token(2).hash, a.clone(), after(1)).await.is_some());
    assert!(rebind(Arc::clone(&store), true, (a, b.clone()), after(2)).await);
    assert!(rebind(Arc::clone(&store), false, (b, c.clone()), after(2)).await);
    assert!(consume_begun(store, c, after(2)).await.unwrap().factor_proved);
}

/// A token that was not begun, or is dead, is bound to nothing.
pub async fn what_is_not_begun_or_lapsed_is_not_rebound(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let (a, b) = (token_id("half.a"), token_id("half.b"));
    for prove in [true, false] {
        assert!(!rebind(Arc::clone(&store), prove, (a.clone(), b.clone()), after(1)).await, "nothing is begun");
    }
    assert!(start(Arc::clone(&store), token(1).hash, a.clone(), after(1)).await.is_some());
    for prove in [true, false] {
        assert!(!rebind(Arc::clone(&store), prove, (a.clone(), b.clone()), after(900)).await, "it lapsed");
        assert!(!rebind(Arc::clone(&store), prove, (b.clone(), a.clone()), after(2)).await, "bound to another");
    }
    assert!(rebind(store, true, (a, b), after(900).minus(MICRO)).await);
}

/// An unused token is given to exactly one of many callers.
pub async fn a_token_is_consumed_once(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let results = race(RACERS, |_| consume(Arc::clone(&store), token(1).hash, after(1))).await;
    assert_eq!(sole_winner(results), token(1));
}

/// A token is begun or taken directly, never both.
pub async fn begin_and_consume_exclude_each_other(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let results = race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            if number % 2 == 0 {
                consume(store, token(1).hash, after(1)).await
            } else {
                start(store, token(1).hash, token_id(&format!("half.{number}")), after(1)).await
            }
        }
    })
    .await;
    sole_winner(results);
}

/// A token works for its purpose only, and trying another one does it no harm.
pub async fn purposes_do_not_mix(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let (hash, other) = (token(1).hash, LinkPurpose::Activate);
    let mut tx = begin(&store).await;
    assert_eq!(tx.link_tokens().find(hash, other, after(1)).await.unwrap(), None);
    assert_eq!(tx.link_tokens().consume(hash, other, after(1)).await.unwrap(), None);
    let begun = tx.link_tokens().begin(hash, other, &token_id("half.a"), after(900), after(1)).await.unwrap();
    assert_eq!(begun, None);
    commit(tx).await;
    assert_eq!(consume(store, hash, after(1)).await, Some(token(1)));
}

/// A token is alive before `expires_at` and dead from it on, in every operation.
pub async fn a_token_lapses_at_its_microsecond(store: Arc<dyn Store>) {
    issue(&store, &[token(1)]).await;
    let (hash, end) = (token(1).hash, token(1).expires_at);
    let mut tx = begin(&store).await;
    assert_eq!(tx.link_tokens().find(hash, RESET, end).await.unwrap(), None);
    assert!(tx.link_tokens().find(hash, RESET, end.minus(MICRO)).await.unwrap().is_some());
    commit(tx).await;
    assert_eq!(start(Arc::clone(&store), hash, token_id("half.a"), end).await, None);
    assert_eq!(consume(Arc::clone(&store), hash, end).await, None);
    assert!(start(Arc::clone(&store), hash, token_id("half.a"), after(1)).await.is_some());
    assert_eq!(consume_begun(Arc::clone(&store), token_id("half.a"), after(900)).await, None);
    assert!(consume_begun(store, token_id("half.a"), after(900).minus(MICRO)).await.is_some());
}

/// All tokens of a user go, begun or not, and nobody else's.
pub async fn tokens_of_a_user_are_deleted(store: Arc<dyn Store>) {
    let activation = LinkToken { purpose: LinkPurpose::Activate, ..token(2) };
    let foreign = LinkToken { user_id: Some(user_id(2)), ..token(3) };
    issue(&store, &[token(1), activation.clone(), foreign.clone()]).await;
    assert!(start(Arc::clone(&store), token(1).hash, token_id("half.a"), after(1)).await.is_some());
    let mut tx = begin(&store).await;
    tx.link_tokens().delete_for_user(user_id(1)).await.unwrap();
    commit(tx).await;
    let mut tx = read(&store).await;
    assert_eq!(tx.link_tokens().find_begun(&token_id("half.a"), after(1)).await.unwrap(), None);
    assert_eq!(tx.link_tokens().find(activation.hash, LinkPurpose::Activate, after(1)).await.unwrap(), None);
    assert_eq!(tx.link_tokens().find(foreign.hash, RESET, after(1)).await.unwrap(), Some(foreign));
}

/// Only lapsed tokens are deleted, and they are counted.
pub async fn lapsed_tokens_are_deleted(store: Arc<dyn Store>) {
    let short = LinkToken { expires_at: after(10), ..token(1) };
    let lasting = LinkToken { user_id: Some(user_id(2)), ..token(2) };
    issue(&store, &[short.clone(), lasting.clone()]).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.link_tokens().delete_expired(after(20)).await.unwrap(), 1);
    commit(tx).await;
    assert_eq!(find(&store, short.hash).await, None);
    assert_eq!(find(&store, lasting.hash).await, Some(lasting));
}

/// Of many tokens issued at once to one user the last one is alive, and no other.
pub async fn of_parallel_tokens_of_a_user_one_is_left(store: Arc<dyn Store>) {
    issue(&store, &[]).await;
    let numbers = 0..u8::try_from(RACERS).unwrap();
    race(RACERS, |number| {
        let store = Arc::clone(&store);
        async move {
            let mut tx = begin(&store).await;
            tx.link_tokens().issue(&token(u8::try_from(number).unwrap())).await.unwrap();
            commit(tx).await;
        }
    })
    .await;
    let mut alive = 0;
    for number in numbers {
        alive += usize::from(find(&store, token(number).hash).await.is_some());
    }
    assert_eq!(alive, 1);
}

/// A user's links are used, issued and ended, and the password changed, all at once: everyone gets through, because
/// nobody waits in a circle.
pub async fn using_and_ending_links_at_once_fails_nobody(store: Arc<dyn Store>) {
    for round in 0..4_u8 {
        issue(&store, &[token(round)]).await;
        let begun = token_id(&format!("pre-authorized.{round}"));
        race(RACERS, |number| {
            let (store, begun, hash) = (Arc::clone(&store), begun.clone(), token(round).hash);
            async move {
                let mut tx = begin(&store).await;
                match number % 4 {
                    0 => drop(tx.link_tokens().begin(hash, RESET, &begun, after(900), after(1)).await.unwrap()),
                    1 => {
                        let taken = tx.link_tokens().consume_begun(&begun, after(1)).await.unwrap();
                        if taken.is_some() {
                            change_password(&mut *tx).await;
                        }
                    }
                    2 => change_password(&mut *tx).await,
                    _ => tx.link_tokens().issue(&token(100 + u8::try_from(number).unwrap())).await.unwrap(),
                }
                commit(tx).await;
            }
        })
        .await;
    }
}

/// What a change of password writes about its user, in another order than a reset meets it.
async fn change_password(tx: &mut dyn Tx) {
    tx.users().set_password(user_id(1), &fake_hash("new"), after(1)).await.unwrap();
    tx.devices().forget_all(user_id(1)).await.unwrap();
    tx.users().bump_epoch(user_id(1), true, after(1)).await.unwrap();
    tx.link_tokens().delete_for_user(user_id(1)).await.unwrap();
}
