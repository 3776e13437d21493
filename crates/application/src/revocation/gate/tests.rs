use std::time::Duration;

use keystead_domain::account::{Epoch, UserId};
use keystead_domain::token::{Revocation, RevocationTarget};

use super::*;
use crate::ports::{MockTokenVerifier, StoreError, TokenError, TokenSigner};
use crate::test_world::{Parts, World, down};
use crate::testing::{
    MockStore, MockTx, START, a_user, access_claims, key_id, pre_authorized_claims, session_id, token_id, user_id,
};

const CLIENT: &str = "a client id";

/// Ada's access token, bound to [`CLIENT`].
fn a_token(parts: &Parts) -> (String, AccessClaims) {
    let fingerprint = parts.gate().fingerprint(Some(CLIENT)).unwrap();
    let claims = AccessClaims { fingerprint, ..access_claims() };
    (parts.tokens.sign_access(&claims).unwrap().expose().to_owned(), claims)
}

/// A service whose view was confirmed now; its store must not be touched.
fn confirmed() -> Parts {
    let parts = Parts::default();
    parts.view.confirm(START);
    parts
}

async fn shown(parts: &Parts) -> Result<Authenticated, AccessError> {
    parts.gate().authenticate(&a_token(parts).0, Some(CLIENT)).await
}

#[tokio::test]
async fn a_good_token_is_let_in_without_a_store_and_its_session_is_noted() {
    let parts = confirmed();
    let (_, claims) = a_token(&parts);
    assert_eq!(shown(&parts).await.unwrap().claims(), &claims);
    assert_eq!(parts.seen.drain(), [(claims.session(), START)]);
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_invalid() {
    let parts = confirmed();
    let (token, _) = a_token(&parts);
    let half_way = parts.tokens.sign_pre_authorized(&pre_authorized_claims()).unwrap();
    for text in ["", "a.b.c", &format!("{token}0"), half_way.expose()] {
        assert_eq!(parts.gate().authenticate(text, Some(CLIENT)).await, Err(AccessError::Invalid), "{text}");
    }
    assert_eq!(parts.seen.drain(), [], "nobody was seen");
}

#[tokio::test]
async fn a_token_counts_from_just_before_its_issue_to_just_after_its_end() {
    let (_, claims) = a_token(&Parts::default());
    let micro = Duration::from_micros(1);
    let first = claims.issued_at.minus(limits::LEEWAY);
    let end = claims.expires_at.plus(limits::LEEWAY);
    let cases = [
        (first.minus(micro), Some(AccessError::Invalid)),
        (first, None),
        (end.minus(micro), None),
        (end, Some(AccessError::Expired)),
    ];
    for (now, refusal) in cases {
        let parts = Parts::default();
        parts.clock.set(now);
        parts.view.confirm(now);
        assert_eq!(shown(&parts).await.err(), refusal, "{now:?}");
    }
}

#[tokio::test]
async fn a_token_is_nothing_without_its_client_id() {
    let parts = confirmed();
    let (token, _) = a_token(&parts);
    for client in [None, Some(""), Some("another client id")] {
        let refused = parts.gate().authenticate(&token, client).await;
        assert_eq!(refused, Err(AccessError::FingerprintMismatch), "{client:?}");
    }
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_at_once() {
    let parts = confirmed();
    assert!(shown(&parts).await.is_ok());
    parts.tokens.set_published(&key_id("sign-1"), false);
    assert_eq!(shown(&parts).await, Err(AccessError::Invalid));
}

#[tokio::test]
async fn everything_that_can_be_revoked_is_refused_also_when_the_signature_was_cached() {
    let token = || RevocationTarget::Token(access_claims().token_id);
    let session = || RevocationTarget::Session(access_claims().session());
    let user = |id: UserId, epoch| RevocationTarget::User { id, epoch: Epoch::new(epoch), sessions: Epoch::new(1) };
    let cases = [
        (token(), true),
        (session(), true),
        (user(a_user().id, 2), true),
        (user(a_user().id, 1), false),
        (user(user_id(2), 2), false),
        (RevocationTarget::Token(token_id("session-1.another")), false),
        (RevocationTarget::Session(session_id("session-2")), false),
    ];
    for (target, revoked) in cases {
        let parts = confirmed();
        // The verifier hands out what it verified once, as a cache does: the gate must ask the view every time.
        let (_, claims) = a_token(&parts);
        let verified = Arc::new(VerifiedAccess { claims, key: key_id("sign-1") });
        let mut cache = MockTokenVerifier::new();
        cache.expect_verify_access().times(2).returning(move |_| Ok(verified.clone()));
        cache.expect_is_published().times(2).returning(|_, _| true);
        let (hash, clock, store) = (parts.hash.clone(), parts.clock.clone(), parts.store.clone());
        let gate = AccessGate::new(Arc::new(cache), hash, clock, parts.view.clone(), store, Arc::default());
        assert!(gate.authenticate("a token", Some(CLIENT)).await.is_ok());
        parts.view.apply(&[Revocation { target: target.clone(), at: START }]);
        let expected = revoked.then_some(AccessError::Revoked);
        assert_eq!(gate.authenticate("a token", Some(CLIENT)).await.err(), expected, "{target:?}");
    }
}

#[tokio::test]
async fn revoked_is_told_before_the_client_id_is_asked_for() {
    let parts = confirmed();
    let (token, claims) = a_token(&parts);
    parts.view.apply(&[Revocation { target: RevocationTarget::Session(claims.session()), at: START }]);
    assert_eq!(parts.gate().authenticate(&token, None).await, Err(AccessError::Revoked));
}

/// A store that answers the question of an unconfirmed view.
fn answering(answer: Result<bool, StoreError>) -> Parts {
    let mut tx = MockTx::new();
    let ada = access_claims();
    tx.revocations
        .expect_is_revoked()
        .times(1)
        .withf(move |claims| {
            (&claims.token_id, claims.subject, claims.epoch) == (&ada.token_id, ada.subject, ada.epoch)
        })
        .return_once(move |_| answer);
    Parts::on(MockStore::with(tx).0)
}

#[tokio::test]
async fn an_unconfirmed_view_asks_the_store_and_believes_it() {
    assert!(shown(&answering(Ok(false))).await.is_ok());
    assert_eq!(shown(&answering(Ok(true))).await, Err(AccessError::Revoked));
}

#[tokio::test]
async fn what_cannot_be_told_is_never_valid() {
    assert_eq!(shown(&answering(Err(down()))).await, Err(AccessError::Unavailable));
    let parts = Parts::on(MockStore::unavailable());
    assert_eq!(shown(&parts).await, Err(AccessError::Unavailable));
    assert_eq!(parts.seen.drain(), []);
}

#[tokio::test]
async fn a_view_is_trusted_for_900_milliseconds_and_not_when_the_clock_stepped_back() {
    let micro = Duration::from_micros(1);
    let span = limits::REVOCATION_CONFIRMED;
    let cases = [
        (START.plus(span), Ok(())),
        (START.plus(span + micro), Err(AccessError::Unavailable)),
        (START.minus(span), Ok(())),
        (START.minus(span + micro), Err(AccessError::Unavailable)),
    ];
    for (now, expected) in cases {
        let parts = Parts::on(MockStore::unavailable());
        parts.view.confirm(START);
        parts.clock.set(now);
        assert_eq!(shown(&parts).await.map(|_| ()), expected, "{now:?}");
    }
}

#[tokio::test]
async fn a_revocation_known_to_an_old_view_needs_no_store() {
    let parts = Parts::on(MockStore::unavailable());
    let (_, claims) = a_token(&parts);
    parts.view.apply(&[Revocation { target: RevocationTarget::Token(claims.token_id), at: START }]);
    assert_eq!(shown(&parts).await, Err(AccessError::Revoked));
}

#[test]
fn a_half_way_token_is_good_for_its_purpose_client_and_time_only() {
    let world = World::default();
    let fingerprint = world.gate().fingerprint(Some(CLIENT)).unwrap();
    let claims = PreAuthorizedClaims { fingerprint, ..pre_authorized_claims() };
    let token = world.tokens.sign_pre_authorized(&claims).unwrap();
    let (access, _) = a_token(&world);
    let show = |token: &str, client, purposes: &[_]| world.gate().pre_authorized(token, client, purposes);
    let (register, reset) = ([PreAuthorizedPurpose::Register], [PreAuthorizedPurpose::Reset]);
    assert_eq!(show(token.expose(), Some(CLIENT), &register), Ok(claims.clone()));
    assert_eq!(show(token.expose(), Some(CLIENT), &reset), Err(AccessError::Invalid));
    assert_eq!(show(token.expose(), Some(CLIENT), &[]), Err(AccessError::Invalid));
    assert_eq!(show(&access, Some(CLIENT), &register), Err(AccessError::Invalid));
    assert_eq!(show(token.expose(), None, &register), Err(AccessError::FingerprintMismatch));
    world.clock.set(claims.expires_at.plus(limits::LEEWAY));
    assert_eq!(show(token.expose(), Some(CLIENT), &register), Err(AccessError::Expired));
    world.clock.set(claims.issued_at.minus(limits::LEEWAY + Duration::from_micros(1)));
    assert_eq!(show(token.expose(), Some(CLIENT), &register), Err(AccessError::Invalid));
}

#[tokio::test]
async fn a_verifier_that_refuses_is_the_end() {
    let parts = confirmed();
    let mut verifier = MockTokenVerifier::new();
    verifier.expect_verify_access().times(1).returning(|_| Err(TokenError));
    let (hash, clock, store) = (parts.hash.clone(), parts.clock.clone(), parts.store.clone());
    let gate = AccessGate::new(Arc::new(verifier), hash, clock, parts.view.clone(), store, Arc::default());
    assert_eq!(gate.authenticate("forged", Some(CLIENT)).await, Err(AccessError::Invalid));
}
