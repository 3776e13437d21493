use super::*;
use crate::ports::{MockRevocationFeed, MockSessionStore};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, Parts, World, down, secret, to};
use crate::testing::{FakeHasher, MockStore, MockTx, a_user, email, user_number, username};

fn operator(parts: &Parts) -> Operator {
    let (store, sessions, hasher) = (parts.store.clone(), parts.sessions.clone(), parts.hasher.clone());
    Operator::new(store, sessions, hasher, parts.clock.clone(), parts.issuer(), parts.change_desk())
}

fn grace(password: Option<&str>) -> AddUserCommand {
    AddUserCommand {
        email: email("grace@example.com"),
        username: Some(username("grace")),
        full_name: None,
        role: Role::Admin,
        password: password.map(secret),
    }
}

#[tokio::test]
async fn an_account_with_a_password_can_be_used_at_once() {
    let world = World::default();
    let added = operator(&world).add(grace(Some(PASSWORD))).await.unwrap();
    assert_eq!((added.activation_link, world.password(&added.user).as_str()), (None, PASSWORD));
    assert_eq!((added.user.role, added.user.status), (Role::Admin, AccountStatus::Active));
    assert!(world.messages().is_empty());
    assert_eq!(world.events(), [AuditEventName::UserAdded]);
}

#[tokio::test]
async fn an_account_without_one_gets_a_link_by_mail_and_on_the_screen() {
    let world = World::default();
    let added = operator(&world).add(grace(None)).await.unwrap();
    let link = added.activation_link.unwrap();
    assert!(link.expose().ends_with(&format!("/activate#token={}", world.mailed_token())));
    assert_eq!(world.messages()[0].to, to("grace@example.com"));
    let state = world.rows.state();
    assert_eq!(state.users.0[&added.user.id].password, None);
    assert_eq!(state.link_tokens.0[0].hash, world.issuer().link_hash(&world.mailed_token()));
}

#[tokio::test]
async fn taken_names_and_bad_passwords_add_nothing() {
    let world = World::with(a_user());
    let taken = |command| async { operator(&world).add(command).await };
    let address = AddUserCommand { email: a_user().email.unwrap().address, ..grace(None) };
    assert_eq!(taken(address).await, Err(OperatorError::EmailTaken));
    let name = AddUserCommand { username: a_user().username, ..grace(None) };
    assert_eq!(taken(name).await, Err(OperatorError::UsernameTaken));
    let own = taken(grace(Some("grace2026"))).await;
    assert_eq!(own, Err(OperatorError::Password(PasswordRefusal::OwnWords)));
    assert_eq!((world.rows.state().users.0.len(), world.messages().len(), world.hashing.work()), (1, 0, 0));
}

#[tokio::test]
async fn accounts_are_found_by_every_name() {
    let world = World::with(a_user());
    world.add(user_number(2));
    for who in [a_user().id.to_string().as_str(), "ada", "Ada@Example.com"] {
        assert_eq!(operator(&world).find(who).await, Ok(a_user()), "{who}");
    }
    assert_eq!(operator(&world).find("nobody").await, Err(OperatorError::NotFound));
    assert_eq!(operator(&world).list(&UserPage { size: 1, ..UserPage::default() }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_set_password_ends_everything_and_tells_the_owner() {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    operator(&world).set_password("ada", &secret(OTHER_PASSWORD)).await.unwrap();
    assert_eq!(world.password(&a_user()), OTHER_PASSWORD);
    assert!(world.is_revoked(&tokens.claims).await);
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(world.notices(), ["password_reset"]);
    let refused = operator(&world).set_password("ada", &secret("lovelace")).await;
    assert_eq!(refused, Err(OperatorError::Password(PasswordRefusal::OwnWords)));
    assert_eq!(operator(&world).set_password("nobody", &secret(PASSWORD)).await, Err(OperatorError::NotFound));
    assert_eq!(world.hashing.work(), 1);
}

#[tokio::test]
async fn a_ban_ends_everything_once_and_an_unban_restores_the_account_but_no_session() {
    let world = World::with(a_user());
    let tokens = world.sign_in(&a_user()).await;
    for _ in 0..2 {
        operator(&world).set_banned("ada", true).await.unwrap();
    }
    let banned = world.user(&a_user());
    assert_eq!((banned.status, banned.epoch), (AccountStatus::Banned, a_user().epoch.next()));
    assert!(world.is_revoked(&tokens.claims).await);
    operator(&world).set_banned("ada", false).await.unwrap();
    assert_eq!(world.user(&a_user()).status, AccountStatus::Active);
    assert!(world.is_revoked(&tokens.claims).await);
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(world.events(), [AuditEventName::UserBanned, AuditEventName::UserUnbanned]);
}

#[tokio::test]
async fn a_ban_keeps_what_changed_between_its_look_and_its_write() {
    let mut looking = MockTx::new();
    looking.users.expect_find_by_login_name().return_once(|_| Ok(Some((a_user(), None))));
    let mut banning = MockTx::new();
    let demoted = User { role: Role::User, username: Some(username("countess")), ..a_user() };
    banning.users.expect_get().returning(move |_| Ok(Some(demoted.clone())));
    banning
        .users
        .expect_update()
        .times(1)
        .withf(|user| user.username == Some(username("countess")) && user.status == AccountStatus::Banned)
        .returning(|_| Ok(()));
    banning.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    banning.users.expect_bump_epoch().times(1).returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    banning.revocations.expect_append().times(1).returning(|_| Ok(true));
    banning.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    banning.audit.expect_append().times(1).returning(|_| Ok(()));
    let outcome = banning.outcome();
    operator(&Parts::on(MockStore::with_all([looking, banning]))).set_banned("ada", true).await.unwrap();
    assert!(outcome.committed());
}

#[tokio::test]
async fn a_lost_commit_announces_nothing_and_ends_nothing() {
    let mut looking = MockTx::new();
    looking.users.expect_find_by_login_name().return_once(|_| Ok(Some((a_user(), None))));
    let mut setting = MockTx::new().failing(down());
    setting.srp.expect_delete().times(1).returning(|_| Ok(true));
    setting.users.expect_set_password().times(1).returning(|_, _, _| Ok(()));
    setting.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    setting.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    setting.audit.expect_append().times(1).returning(|_| Ok(()));
    setting.users.expect_bump_epoch().times(1).returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    setting.revocations.expect_append().times(1).returning(|_| Ok(true));
    setting.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    let hasher = Arc::new(FakeHasher::new());
    let parts = Parts {
        hasher: hasher.clone(),
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([looking, setting]))
    };
    let lost = operator(&parts).set_password("ada", &secret(OTHER_PASSWORD)).await;
    assert!(matches!(lost, Err(OperatorError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert_eq!((hasher.work(), parts.view.floor(a_user().id)), (1, None));
}

#[tokio::test]
async fn a_ban_counts_though_the_session_store_is_away() {
    use crate::ports::EphemeralError;
    let mut sessions = MockSessionStore::new();
    sessions.expect_end_all().times(1).returning(|_, _, _, _| Err(EphemeralError("away".into())));
    let world = World::with(a_user());
    let parts = Parts { sessions: Arc::new(sessions), view: world.view.clone(), ..Parts::default() };
    let parts = Parts { store: world.store.clone(), ..parts };
    let banned = operator(&parts).set_banned("ada", true).await.unwrap();
    assert_eq!((banned.status, world.user(&a_user()).status), (AccountStatus::Banned, AccountStatus::Banned));
    assert!(world.view.floor(a_user().id).is_some());
}
