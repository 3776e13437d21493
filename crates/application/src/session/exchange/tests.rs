use std::time::Duration;

use keystead_domain::account::{AccountStatus, Epoch, User};
use keystead_domain::limits;
use keystead_domain::token::{ClientKind, EndReason, Presentation, Presented};

use super::*;
use crate::ports::{Clock, MockSessionStore, Rotation};
use crate::test_world::{Parts, World, browser, down};
use crate::testing::{START, a_presentation, a_user};

fn exchange(parts: &Parts) -> ExchangeRefreshToken {
    let (sessions, clock) = (parts.sessions.clone(), parts.clock.clone());
    ExchangeRefreshToken::new(sessions, clock, parts.issuer(), parts.gate(), parts.standing())
}

/// Ada, signed in with a confirmed view: her refresh token and her client id.
async fn signed_in() -> (World, AuthorizedTokens, String, String) {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    world.view.confirm(START);
    let refresh = tokens.refresh.clone().unwrap().expose().to_owned();
    let client = tokens.client_id.clone().unwrap().expose().to_owned();
    (world, tokens, refresh, client)
}

const REFUSED: Result<AuthorizedTokens, ExchangeRefreshTokenError> = Err(ExchangeRefreshTokenError::Refused);

#[tokio::test]
async fn a_page_gets_a_fresh_access_token_and_nothing_is_written() {
    let (world, before, refresh, client) = signed_in().await;
    let session = world.sessions.find(&before.claims.session(), START).await.unwrap();
    let rows = format!("{:?}", world.rows.state());
    world.clock.advance(Duration::from_millis(500));
    let tokens = exchange(&world).run(&refresh, Some(&client), &browser()).await.unwrap();
    assert_ne!(tokens.claims.token_id, before.claims.token_id);
    assert_eq!((tokens.claims.session(), tokens.claims.auth_time), (before.claims.session(), before.claims.auth_time));
    assert_eq!((tokens.refresh, tokens.client_id, tokens.device), (None, None, None));
    assert_eq!(world.sessions.find(&before.claims.session(), START).await.unwrap(), session);
    assert_eq!(format!("{:?}", world.rows.state()), rows);
}

#[tokio::test]
async fn only_find_is_asked_of_the_session_store() {
    let (world, tokens, refresh, client) = signed_in().await;
    let session = world.sessions.find(&tokens.claims.session(), START).await.unwrap();
    let mut sessions = MockSessionStore::new();
    sessions.expect_find().times(1).return_once(|_, _| Ok(session));
    let parts = Parts { sessions: Arc::new(sessions), ..Parts::default() };
    parts.view.confirm(START);
    assert!(exchange(&parts).run(&refresh, Some(&client), &browser()).await.is_ok());
}

#[tokio::test]
async fn the_predecessor_counts_within_the_grace_and_nothing_ends_after_it() {
    let (world, tokens, refresh, client) = signed_in().await;
    let fingerprint = world.gate().fingerprint(Some(&client));
    let shown = Presentation { fingerprint, ..a_presentation(1, START) };
    let rotation = Rotation { session: tokens.claims.session(), shown };
    assert_eq!(world.sessions.rotate(&rotation).await.unwrap().unwrap().0, Presented::Rotated);
    world.clock.advance(limits::REFRESH_GRACE);
    assert!(exchange(&world).run(&refresh, Some(&client), &browser()).await.is_ok());
    world.clock.advance(Duration::from_micros(1));
    assert_eq!(exchange(&world).run(&refresh, Some(&client), &browser()).await, REFUSED);
    let session = world.sessions.find(&tokens.claims.session(), world.clock.now()).await.unwrap().unwrap();
    assert_eq!(session.ended, None, "a refusal here kills nothing");
}

#[tokio::test]
async fn forged_foreign_and_ended_are_refused_and_kill_nothing() {
    let (world, tokens, refresh, client) = signed_in().await;
    assert_eq!(exchange(&world).run(&format!("{refresh}0"), Some(&client), &browser()).await, REFUSED);
    assert_eq!(exchange(&world).run(&refresh, Some("somebody else's"), &browser()).await, REFUSED);
    assert_eq!(exchange(&world).run(&refresh, None, &browser()).await, REFUSED);
    let native = RequestContext { client: ClientKind::Native, ..browser() };
    let other = exchange(&world).run(&refresh, Some(&client), &native).await;
    assert_eq!(other, Err(ExchangeRefreshTokenError::OtherClientKind));
    assert!(exchange(&world).run(&refresh, Some(&client), &browser()).await.is_ok());
    world.sessions.end(&tokens.claims.session(), EndReason::LoggedOut, START).await.unwrap();
    assert_eq!(exchange(&world).run(&refresh, Some(&client), &browser()).await, REFUSED);
}

#[tokio::test]
async fn a_ban_is_seen_and_a_moved_epoch_is_carried_without_being_stored() {
    let (world, tokens, refresh, client) = signed_in().await;
    world.clock.advance(Duration::from_secs(2));
    world.add(User { epoch: Epoch::new(5), ..a_user() });
    let fresh = exchange(&world).run(&refresh, Some(&client), &browser()).await.unwrap();
    assert_eq!(fresh.claims.epoch, Epoch::new(5));
    let session = world.sessions.find(&tokens.claims.session(), START).await.unwrap().unwrap();
    assert_eq!(session.epoch, a_user().epoch);
    world.add(User { status: AccountStatus::Banned, ..a_user() });
    assert_eq!(exchange(&world).run(&refresh, Some(&client), &browser()).await, REFUSED);
    world.rows.set_refusal(Some(down()));
    let unsure = exchange(&world).run(&refresh, Some(&client), &browser()).await;
    assert!(matches!(unsure, Err(ExchangeRefreshTokenError::Failure(Failure::Unavailable(_)))), "{unsure:?}");
}
