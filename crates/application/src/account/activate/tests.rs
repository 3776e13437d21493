use keystead_domain::account::{LinkToken, Role, UserId};
use keystead_domain::factor::{Enrolled, Passkey, Totp};
use keystead_domain::limits;
use keystead_domain::social::SocialIdentity;

use super::*;
use crate::operation::{AddUserCommand, Operator};
use crate::ports::{MockPasswordHasher, MockSessionStore};
use crate::test_world::{PASSWORD, Parts, World, browser, down, secret};
use crate::testing::{
    MockStore, MockTx, START, a_link_token, a_passkey, a_social_identity, a_totp, a_user, fake_hash, username,
};

fn activate(parts: &Parts) -> ActivateAccount {
    let (store, sessions, secrets) = (parts.store.clone(), parts.session_opener(), parts.secrets());
    ActivateAccount::new(store, sessions, secrets, parts.clock.clone(), parts.issuer(), parts.login_desk())
}

fn command(token: &str, password: &str) -> ActivateAccountCommand {
    ActivateAccountCommand { token: secret(token), secret: secret(password).into() }
}

/// An account an operator made, and the secret of the link that was mailed.
async fn added(world: &World) -> (UserId, String) {
    let (store, sessions, hasher) = (world.store.clone(), world.sessions.clone(), world.hasher.clone());
    let operator = Operator::new(store, sessions, hasher, world.clock.clone(), world.issuer(), world.change_desk());
    let ada = AddUserCommand {
        email: a_user().email.unwrap().address,
        username: Some(username("ada")),
        full_name: None,
        role: Role::User,
        password: None,
    };
    (operator.add(ada).await.unwrap().user.id, world.mailed_token())
}

#[tokio::test]
async fn the_link_sets_the_first_password_once_and_signs_in() {
    let world = World::default();
    let (id, token) = added(&world).await;
    let tokens = activate(&world).run(command(&token, PASSWORD), &browser()).await.unwrap();
    assert_eq!(tokens.claims.subject, id);
    assert!(tokens.refresh.is_some() && tokens.client_id.is_some() && tokens.device.is_some());
    let state = world.rows.state();
    assert_eq!(state.users.0[&id].password, Some(fake_hash(PASSWORD)));
    assert_eq!((state.login_history.0.len(), state.devices.0.len()), (1, 1));
    assert_eq!(world.events(), [AuditEventName::UserAdded, AuditEventName::UserActivated]);
    let again = activate(&world).run(command(&token, PASSWORD), &browser()).await;
    assert_eq!(again, Err(ActivateAccountError::LinkInvalid));
}

#[tokio::test]
async fn a_link_is_no_way_past_what_was_enrolled_meanwhile() {
    for enrolled in ["a link elsewhere", "a second factor", "a passkey"] {
        let world = World::default();
        let (id, token) = added(&world).await;
        let mut tx = world.store.begin().await.unwrap();
        match enrolled {
            // At a provider that is not configured, or not any more.
            "a link elsewhere" => {
                tx.social().insert(&SocialIdentity { user_id: id, ..a_social_identity() }).await.unwrap();
            }
            "a second factor" => tx.factors().put_totp(&Totp { user_id: id, ..a_totp() }).await.unwrap(),
            _ => tx.passkeys().insert(&Passkey { user_id: id, ..a_passkey() }).await.unwrap(),
        }
        tx.commit().await.unwrap();
        let refused = activate(&world).run(command(&token, PASSWORD), &browser()).await;
        assert_eq!(refused, Err(ActivateAccountError::LinkInvalid), "{enrolled}");
        assert_eq!(world.rows.state().users.0[&id].password, None, "{enrolled}");
        assert_eq!(world.events(), [AuditEventName::UserAdded], "{enrolled}");
    }
}

#[tokio::test]
async fn a_refused_password_leaves_the_link_good() {
    let world = World::default();
    let (_, token) = added(&world).await;
    let refused = activate(&world).run(command(&token, "ada@example.com"), &browser()).await;
    assert_eq!(refused, Err(ActivateAccountError::Password(PasswordRefusal::OwnWords)));
    assert!(activate(&world).run(command(&token, PASSWORD), &browser()).await.is_ok());
}

#[tokio::test]
async fn dead_foreign_and_closed_links_are_refused_without_a_hash() {
    let world = World::default();
    let (id, token) = added(&world).await;
    let foreign = activate(&world).run(command("never ours", PASSWORD), &browser()).await;
    assert_eq!(foreign, Err(ActivateAccountError::LinkInvalid));
    world.rows.prepare(|state| state.users.0.get_mut(&id).unwrap().user.status = AccountStatus::Banned);
    let closed = activate(&world).run(command(&token, PASSWORD), &browser()).await;
    assert_eq!(closed, Err(ActivateAccountError::LinkInvalid));
    world.rows.prepare(|state| state.users.0.get_mut(&id).unwrap().user.status = AccountStatus::Active);
    world.clock.set(START.plus(limits::ACTIVATION_LINK_LIFE));
    let late = activate(&world).run(command(&token, PASSWORD), &browser()).await;
    assert_eq!(late, Err(ActivateAccountError::LinkInvalid));
    assert_eq!(world.hashing.work(), 0);
}

#[tokio::test]
async fn of_parallel_uses_one_wins() {
    let world = World::default();
    let (_, token) = added(&world).await;
    let activate = Arc::new(activate(&world));
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (activate, command) = (activate.clone(), command(&token, PASSWORD));
        uses.spawn(async move { activate.run(command, &browser()).await.is_ok() });
    }
    assert_eq!(uses.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn the_hash_is_made_between_the_transactions_and_a_lost_commit_makes_no_session() {
    let link = || LinkToken { purpose: LinkPurpose::Activate, ..a_link_token() };
    let mut looking = MockTx::new();
    looking.link_tokens.expect_find().times(1).return_once(move |_, _, _| Ok(Some(link())));
    looking.users.expect_get().return_once(|_| Ok(Some(a_user())));
    let mut setting = MockTx::new().failing(down());
    setting.link_tokens.expect_consume().times(1).return_once(move |_, _, _| Ok(Some(link())));
    setting.users.expect_get().return_once(|_| Ok(Some(a_user())));
    setting.users.expect_password().returning(|_| Ok(None));
    setting.srp.expect_get().returning(|_| Ok(None));
    setting.passkeys.expect_list().returning(|_| Ok(Vec::new()));
    setting.social.expect_list().returning(|_| Ok(Vec::new()));
    setting.factors.expect_enrolled().returning(|_| Ok(Enrolled::default()));
    setting.srp.expect_delete().times(1).returning(|_| Ok(false));
    setting.users.expect_set_password().times(1).returning(|_, _, _| Ok(()));
    setting.devices.expect_remember().times(1).returning(|_, _, _, _| Ok(()));
    setting.login_history.expect_append().times(1).returning(|_| Ok(()));
    setting.audit.expect_append().times(1).returning(|_| Ok(()));
    let (looked, set) = (looking.outcome(), setting.outcome());
    let mut hasher = MockPasswordHasher::new();
    hasher.expect_hash().times(1).return_once(move |_| {
        assert!(looked.rolled_back() && set.unused());
        Ok(fake_hash(PASSWORD))
    });
    let parts = Parts {
        hasher: Arc::new(hasher),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([looking, setting]))
    };
    let lost = activate(&parts).run(command("a token", PASSWORD), &browser()).await;
    assert!(matches!(lost, Err(ActivateAccountError::Failure(Failure::Unavailable(_)))), "{lost:?}");
}
