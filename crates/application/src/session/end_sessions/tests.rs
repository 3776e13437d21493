use super::*;
use crate::ports::{MockRevocationFeed, MockSessionStore};
use crate::service::AuthorizedTokens;
use crate::test_world::{Parts, World, browser, down};
use crate::testing::{MockStore, MockTx, START, a_login, a_user, access_claims, session_id, token_id, user_number};

fn end(parts: &Parts) -> EndSessions {
    let (store, sessions, clock) = (parts.store.clone(), parts.sessions.clone(), parts.clock.clone());
    EndSessions::new(store, sessions, clock, parts.issuer(), parts.revoker())
}

async fn is_over(world: &World, tokens: &AuthorizedTokens) -> bool {
    let session = world.sessions.find(&tokens.claims.session(), START).await.unwrap().unwrap();
    assert_eq!(
        session.ended.is_some(),
        world.is_revoked(&tokens.claims).await,
        "session and access token end together"
    );
    session.ended.is_some()
}

#[tokio::test]
async fn signing_out_ends_this_session_only_and_may_be_repeated() {
    let world = World::with(a_user());
    let (here, there) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    for _ in 0..2 {
        end(&world).log_out(LogoutProof::Access(&here.claims), false, &browser()).await.unwrap();
    }
    assert!(is_over(&world, &here).await && !is_over(&world, &there).await);
    assert_eq!(world.events(), [AuditEventName::SessionEnded], "an event once");
}

#[tokio::test]
async fn a_refresh_token_signs_out_too_and_of_any_generation() {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    let refresh = tokens.refresh.clone().unwrap();
    let proof = || LogoutProof::Refresh(refresh.expose());
    end(&world).log_out(proof(), false, &browser()).await.unwrap();
    assert!(is_over(&world, &tokens).await);
    end(&world).log_out(proof(), false, &browser()).await.unwrap();
    let forged = format!("{}0", refresh.expose());
    let refused = end(&world).log_out(LogoutProof::Refresh(&forged), false, &browser()).await;
    assert_eq!(refused, Err(EndSessionsError::Refused));
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_of_this_user_and_no_other() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let (here, there) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    let other = world.sign_in(&user_number(2)).await;
    end(&world).log_out(LogoutProof::Access(&here.claims), true, &browser()).await.unwrap();
    assert!(is_over(&world, &here).await && is_over(&world, &there).await && !is_over(&world, &other).await);
    assert_eq!(world.user(&a_user()).sessions_epoch, a_user().epoch.next());
    assert_eq!(world.events(), [AuditEventName::AllSessionsEnded]);
}

#[tokio::test]
async fn an_old_refresh_token_of_an_ended_session_ends_no_others() {
    let world = World::with(a_user());
    let (old, other) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    end(&world).log_out(LogoutProof::Access(&old.claims), false, &browser()).await.unwrap();
    let stolen = old.refresh.clone().unwrap();
    end(&world).log_out(LogoutProof::Refresh(stolen.expose()), true, &browser()).await.unwrap();
    assert!(!is_over(&world, &other).await);
}

#[tokio::test]
async fn one_session_is_ended_by_its_owner_only() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let (here, there) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    let other = world.sign_in(&user_number(2)).await;
    for foreign in [other.claims.session(), session_id("nobodys")] {
        let refused = end(&world).end_one(&here.claims, &foreign, &browser()).await;
        assert_eq!(refused, Err(EndSessionsError::NotFound));
    }
    end(&world).end_one(&here.claims, &there.claims.session(), &browser()).await.unwrap();
    assert!(is_over(&world, &there).await && !is_over(&world, &here).await && !is_over(&world, &other).await);
    let again = end(&world).end_one(&here.claims, &there.claims.session(), &browser()).await;
    assert_eq!(again, Err(EndSessionsError::NotFound));
    end(&world).end_one(&here.claims, &here.claims.session(), &browser()).await.unwrap();
    assert!(is_over(&world, &here).await);
}

#[tokio::test]
async fn one_token_is_revoked_and_its_session_goes_on() {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    for _ in 0..2 {
        end(&world).revoke_token(&tokens.claims, &tokens.claims.token_id, &browser()).await.unwrap();
    }
    assert!(world.is_revoked(&tokens.claims).await);
    let session = world.sessions.find(&tokens.claims.session(), START).await.unwrap().unwrap();
    assert_eq!(session.ended, None);
    assert_eq!(world.events(), [AuditEventName::TokenRevoked], "an event once");
    world.view.confirm(START);
    assert_eq!(world.view.verdict(&tokens.claims, START), crate::revocation::Verdict::Revoked);
}

#[tokio::test]
async fn whose_a_token_is_shows_in_its_session() {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    world.rows.prepare(|state| state.login_history.0.push(a_login()));
    let earlier = token_id("session-1.another");
    end(&world).revoke_token(&tokens.claims, &earlier, &browser()).await.unwrap();
    let foreign = end(&world).revoke_token(&tokens.claims, &token_id("session-2.another"), &browser()).await;
    assert_eq!(foreign, Err(EndSessionsError::NotFound));
    assert_eq!(world.rows.state().revocations.0.len(), 1);
}

#[tokio::test]
async fn an_end_is_announced_after_the_commit_and_not_when_it_fails() {
    let revoking = || {
        let mut tx = MockTx::new();
        tx.revocations.expect_append().times(1).returning(|_| Ok(true));
        tx.audit.expect_append().times(1).returning(|_| Ok(()));
        tx
    };
    let (store, outcome) = MockStore::with(revoking());
    let (mut feed, mut sessions) = (MockRevocationFeed::new(), MockSessionStore::new());
    let committed = outcome.clone();
    feed.expect_publish().times(1).return_once(move |_| {
        assert!(committed.committed());
        Ok(())
    });
    sessions.expect_end().times(1).return_once(move |_, reason, _| {
        assert!(outcome.committed());
        assert_eq!(reason, EndReason::LoggedOut);
        Ok(None)
    });
    let parts = Parts { feed: Arc::new(feed), sessions: Arc::new(sessions), ..Parts::on(store) };
    end(&parts).log_out(LogoutProof::Access(&access_claims()), false, &browser()).await.unwrap();

    let (store, _) = MockStore::with(revoking().failing(down()));
    let parts = Parts {
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(store)
    };
    let lost = end(&parts).log_out(LogoutProof::Access(&access_claims()), false, &browser()).await;
    assert!(matches!(lost, Err(EndSessionsError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert!(!parts.view.is_session_revoked(&access_claims().session()));
}
