use std::time::Duration;

use keystead_domain::account::{AccountStatus, Epoch, Role, User};
use keystead_domain::limits;
use keystead_domain::token::{ClientKind, RevocationTarget};

use super::*;
use crate::ports::{EphemeralError, MockRevocationFeed, MockSessionStore};
use crate::test_world::{Parts, World, browser, down};
use crate::testing::{FakeKeyedHash, MockStore, MockTx, START, a_session, a_user, after};

fn refresh(parts: &Parts) -> RefreshSession {
    let (sessions, store, clock) = (parts.sessions.clone(), parts.store.clone(), parts.clock.clone());
    RefreshSession::new(sessions, store, clock, parts.issuer(), parts.hash.clone(), parts.refresh_desk())
}

/// What a client of these tests holds.
struct Client {
    id: String,
    token: String,
}

impl Client {
    fn of(tokens: &AuthorizedTokens) -> Self {
        let text = |secret: &Option<keystead_domain::SecretString>| secret.as_ref().unwrap().expose().to_owned();
        Self { id: text(&tokens.client_id), token: text(&tokens.refresh) }
    }

    async fn refresh(&self, parts: &Parts) -> Result<AuthorizedTokens, RefreshSessionError> {
        refresh(parts).run(&self.token, Some(&self.id), &browser()).await
    }

    fn with(&self, tokens: &AuthorizedTokens) -> Self {
        Self { id: self.id.clone(), token: tokens.refresh.as_ref().unwrap().expose().to_owned() }
    }
}

fn refused(refusal: RefreshRefusal) -> Result<AuthorizedTokens, RefreshSessionError> {
    Err(RefreshSessionError::Refused(refusal))
}

/// Ada, signed in, and a view that was just confirmed.
async fn signed_in() -> (World, Client) {
    let world = World::with(a_user());
    let client = Client::of(&world.sign_in(&a_user()).await);
    world.view.confirm(START);
    (world, client)
}

async fn session(world: &World, client: &Client) -> Session {
    let id = world.issuer().read_refresh(&client.token).unwrap().session;
    world.sessions.find(&id, world.clock.now()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_head_rotates_and_repeats_are_answered_with_the_same_token() {
    let (world, client) = signed_in().await;
    let first = client.refresh(&world).await.unwrap();
    assert_ne!(first.refresh.as_ref().unwrap().expose(), client.token);
    world.clock.advance(limits::REFRESH_GRACE);
    world.view.confirm(world.clock.now());
    let again = client.refresh(&world).await.unwrap();
    assert_eq!(again.refresh, first.refresh);
    assert_ne!(again.claims.token_id, first.claims.token_id, "the access token may differ");
    assert_eq!(again.claims.session(), first.claims.session());
    assert!(world.events().is_empty() && world.messages().is_empty());
    assert!(client.with(&first).refresh(&world).await.is_ok());
}

#[tokio::test]
async fn parallel_refreshes_of_one_token_are_one_rotation() {
    let (world, client) = signed_in().await;
    let use_case = Arc::new(refresh(&world));
    let mut showings = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (use_case, token, id) = (use_case.clone(), client.token.clone(), client.id.clone());
        showings.spawn(async move { use_case.run(&token, Some(&id), &browser()).await.unwrap().refresh });
    }
    let mut tokens = showings.join_all().await;
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(session(&world, &client).await.head.number(), 2);
}

#[tokio::test]
async fn a_copied_token_ends_the_session_once_and_tells_the_owner() {
    let (world, client) = signed_in().await;
    let second = client.with(&client.refresh(&world).await.unwrap());
    world.clock.advance(limits::REFRESH_GRACE + Duration::from_secs(1));
    world.view.confirm(world.clock.now());
    let reused = refused(RefreshRefusal::Ended(EndReason::RefreshReused));
    assert_eq!(client.refresh(&world).await, reused);
    assert_eq!(second.refresh(&world).await, reused, "the thief's newer token is dead too");
    assert_eq!(client.refresh(&world).await, reused);
    assert_eq!(world.events(), [AuditEventName::RefreshReused]);
    assert_eq!(world.notices(), ["refresh_reused"]);
    assert_eq!(world.messages()[0].to, a_user().address().unwrap());
    let rows = world.rows.state().revocations.0;
    assert_eq!(rows.len(), 1);
    let RevocationTarget::Session(id) = &rows[0].target else { panic!("{rows:?}") };
    assert!(world.view.is_session_revoked(id), "access tokens of it die at once");
}

#[tokio::test]
async fn another_or_no_client_id_ends_the_session() {
    for shown in [Some("somebody else's"), None] {
        let (world, client) = signed_in().await;
        let ended = refused(RefreshRefusal::Ended(EndReason::FingerprintMismatch));
        assert_eq!(refresh(&world).run(&client.token, shown, &browser()).await, ended);
        assert_eq!(client.refresh(&world).await, ended);
        assert_eq!(world.events(), [AuditEventName::FingerprintMismatch]);
        assert_eq!(world.notices(), ["refresh_reused"]);
    }
}

#[tokio::test]
async fn a_forged_mac_is_refused_before_any_store_is_asked() {
    let (world, client) = signed_in().await;
    let (head, mac) = client.token.rsplit_once('.').unwrap();
    let flipped = if mac.starts_with('0') { "1" } else { "0" };
    let forged = [format!("{head}.{flipped}{}", &mac[1..]), client.token.replace(".1.", ".2."), "ksr_".into()];
    let parts = Parts { sessions: Arc::new(MockSessionStore::new()), ..Parts::default() };
    for token in forged {
        let answer = refresh(&parts).run(&token, Some(&client.id), &browser()).await;
        assert_eq!(answer, refused(RefreshRefusal::Invalid), "{token}");
    }
    assert!(client.refresh(&world).await.is_ok(), "the session lives");
}

#[tokio::test]
async fn an_unknown_session_is_an_invalid_token() {
    let (_, client) = signed_in().await;
    let mut sessions = MockSessionStore::new();
    sessions.expect_rotate().times(1).returning(|_| Ok(None));
    let parts = Parts { sessions: Arc::new(sessions), ..Parts::default() };
    assert_eq!(client.refresh(&parts).await, refused(RefreshRefusal::Invalid));
}

#[tokio::test]
async fn refusals_that_change_nothing_write_nothing() {
    let (_, client) = signed_in().await;
    let again_at = after(60);
    let cases = [
        (Presented::Expired, RefreshRefusal::Expired),
        (Presented::OtherClientKind, RefreshRefusal::OtherClientKind),
        (Presented::Limited { again_at }, RefreshRefusal::Limited { again_at }),
        (Presented::Ended(EndReason::LoggedOut), RefreshRefusal::Ended(EndReason::LoggedOut)),
        (Presented::Ended(EndReason::EpochEnded), RefreshRefusal::Ended(EndReason::EpochEnded)),
    ];
    for (presented, refusal) in cases {
        let mut sessions = MockSessionStore::new();
        sessions.expect_rotate().times(1).returning(move |_| Ok(Some((presented, a_session()))));
        let parts = Parts { sessions: Arc::new(sessions), ..Parts::default() };
        assert_eq!(client.refresh(&parts).await, refused(refusal));
    }
}

#[tokio::test]
async fn what_is_shown_to_the_session_is_what_the_client_showed() {
    let (_, client) = signed_in().await;
    let fingerprint = Fingerprint(FakeKeyedHash::new().digest(client.id.as_bytes()));
    let mut sessions = MockSessionStore::new();
    sessions
        .expect_rotate()
        .times(1)
        .withf(move |rotation| {
            let shown = &rotation.shown;
            (shown.client, shown.fingerprint, shown.generation.number()) == (ClientKind::Native, Some(fingerprint), 1)
                && (shown.now, &shown.key) == (START, &crate::testing::key_id("mac-1"))
        })
        .returning(|_| Ok(None));
    let parts = Parts { sessions: Arc::new(sessions), ..Parts::default() };
    let native = RequestContext { client: ClientKind::Native, ..browser() };
    let answer = refresh(&parts).run(&client.token, Some(&client.id), &native).await;
    assert_eq!(answer, refused(RefreshRefusal::Invalid));
}

#[tokio::test]
async fn a_confirmed_view_spares_the_users_table_and_an_unconfirmed_one_does_not() {
    let (world, client) = signed_in().await;
    world.rows.set_refusal(Some(down()));
    assert!(client.refresh(&world).await.is_ok(), "no store was asked");
    world.clock.advance(limits::REVOCATION_CONFIRMED + Duration::from_micros(1));
    let unsure = client.refresh(&world).await;
    assert!(matches!(unsure, Err(RefreshSessionError::Failure(Failure::Unavailable(_)))), "{unsure:?}");
    world.rows.set_refusal(None);
    assert!(client.refresh(&world).await.is_ok(), "a lost answer is repeated");
}

#[tokio::test]
async fn a_session_not_compared_for_an_hour_asks_the_users_table() {
    let (world, client) = signed_in().await;
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().user.role = Role::Admin);
    let first = client.refresh(&world).await.unwrap();
    assert_eq!(first.claims.role, Role::User);
    world.clock.advance(limits::SESSION_RECHECK + Duration::from_micros(1));
    world.view.confirm(world.clock.now());
    let second = client.with(&first).refresh(&world).await.unwrap();
    assert_eq!(second.claims.role, Role::Admin);
    let session = session(&world, &client).await;
    assert_eq!((session.role, session.checked_at), (Role::Admin, world.clock.now()));
}

#[tokio::test]
async fn an_epoch_that_moved_without_ending_sessions_is_carried_by_the_next_refresh() {
    let (world, client) = signed_in().await;
    let mut tx = world.store.begin().await.unwrap();
    let change = crate::service::raise_epoch(&mut *tx, a_user().id, false, START).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    world.revoker().announce(&[change.revocation]).await;
    let tokens = client.refresh(&world).await.unwrap();
    assert_eq!(tokens.claims.epoch, a_user().epoch.next());
    assert_eq!(session(&world, &client).await.epoch, a_user().epoch.next());
}

#[tokio::test]
async fn an_epoch_that_ended_sessions_a_ban_and_a_lost_account_end_this_one() {
    type Change = fn(&mut World);
    let changes: [Change; 4] = [
        // Told by the view alone.
        |world| {
            let epoch = Epoch::new(2);
            let target = RevocationTarget::User { id: a_user().id, epoch, sessions: epoch };
            world.view.apply(&[keystead_domain::token::Revocation { target, at: START }]);
        },
        // Told by the users table, the view being old.
        |world| {
            world.clock.advance(Duration::from_secs(2));
            world.add(User { status: AccountStatus::Banned, ..a_user() });
        },
        |world| {
            world.clock.advance(Duration::from_secs(2));
            world.add(User { epoch: Epoch::new(2), sessions_epoch: Epoch::new(2), ..a_user() });
        },
        |world| {
            world.clock.advance(Duration::from_secs(2));
            world.rows.prepare(|state| state.users.0.clear());
        },
    ];
    for change in changes {
        let (mut world, client) = signed_in().await;
        change(&mut world);
        let ended = refused(RefreshRefusal::Ended(EndReason::EpochEnded));
        assert_eq!(client.refresh(&world).await, ended);
        assert_eq!(session(&world, &client).await.ended, Some(EndReason::EpochEnded));
        assert!(world.events().is_empty(), "what ended it was recorded where it happened");
    }
}

fn reused() -> Arc<MockSessionStore> {
    let mut sessions = MockSessionStore::new();
    let ended = Session { ended: Some(EndReason::RefreshReused), ..a_session() };
    sessions
        .expect_rotate()
        .times(1)
        .returning(move |_| Ok(Some((Presented::Ended(EndReason::RefreshReused), ended.clone()))));
    Arc::new(sessions)
}

/// Everything the first end of a session writes, in one transaction.
fn closing() -> MockTx {
    let mut tx = MockTx::new();
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx
}

#[tokio::test]
async fn the_end_is_announced_after_the_commit_and_not_when_it_fails() {
    let (_, client) = signed_in().await;
    let (store, outcome) = MockStore::with(closing());
    let mut feed = MockRevocationFeed::new();
    feed.expect_publish().times(1).return_once(move |_| {
        assert!(outcome.committed());
        Ok(())
    });
    let parts = Parts { sessions: reused(), feed: Arc::new(feed), ..Parts::on(store) };
    assert_eq!(client.refresh(&parts).await, refused(RefreshRefusal::Ended(EndReason::RefreshReused)));

    let (store, _) = MockStore::with(closing().failing(down()));
    let parts = Parts { sessions: reused(), feed: Arc::new(MockRevocationFeed::new()), ..Parts::on(store) };
    let lost = client.refresh(&parts).await;
    assert!(matches!(lost, Err(RefreshSessionError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert!(!parts.view.is_session_revoked(&a_session().id));
}

#[tokio::test]
async fn a_feed_that_fails_does_not_change_the_answer() {
    let (_, client) = signed_in().await;
    let (store, outcome) = MockStore::with(closing());
    let mut feed = MockRevocationFeed::new();
    feed.expect_publish().times(1).returning(|_| Err(EphemeralError("down".into())));
    let parts = Parts { sessions: reused(), feed: Arc::new(feed), ..Parts::on(store) };
    assert_eq!(client.refresh(&parts).await, refused(RefreshRefusal::Ended(EndReason::RefreshReused)));
    assert!(outcome.committed() && parts.view.is_session_revoked(&a_session().id));
}

#[tokio::test]
async fn a_store_that_lost_state_is_no_theft_and_gets_no_mail() {
    let (_, client) = signed_in().await;
    let mut sessions = MockSessionStore::new();
    let rolled_back = Presented::Ended(EndReason::StoreRolledBack);
    sessions.expect_rotate().returning(move |_| Ok(Some((rolled_back, a_session()))));
    let mut tx = MockTx::new();
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.audit.expect_append().times(1).withf(|e| e.name == AuditEventName::SessionStateLost).returning(|_| Ok(()));
    let (store, outcome) = MockStore::with(tx);
    let parts = Parts { sessions: Arc::new(sessions), ..Parts::on(store) };
    assert_eq!(client.refresh(&parts).await, refused(RefreshRefusal::Ended(EndReason::StoreRolledBack)));
    assert!(outcome.committed());
}
