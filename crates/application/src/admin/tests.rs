use std::sync::Arc;

use keystead_domain::account::{AccountStatus, Address, Epoch, FullName, PhoneNumber, Reason, Role, User};
use keystead_domain::audit::{AuditEvent, AuditEventName};
use keystead_domain::limits;
use keystead_domain::token::{AccessClaims, Revocation, RevocationTarget};

use super::*;
use crate::account::UpdateProfileCommand;
use crate::context::RequestContext;
use crate::failure::Failure;
use crate::message::Notice;
use crate::ports::{Clock, MockRevocationFeed, MockSessionStore, OutboxId, Store, UserPage};
use crate::service::Caller;
use crate::test_world::{Parts, World, again, browser, caller, down, proved, to};
use crate::testing::{
    MockStore, MockTx, a_message, a_social_identity, a_super_admin, a_totp, a_user, access_claims, after, an_actor,
    an_admin, user_number, username,
};

fn desk(parts: &Parts) -> AdminDesk {
    AdminDesk {
        store: parts.store.clone(),
        sessions: parts.sessions.clone(),
        clock: parts.clock.clone(),
        issuer: parts.issuer(),
        postbox: parts.postbox(),
        revoker: parts.revoker(),
        settings: Arc::new(parts.settings.clone()),
    }
}

fn users(parts: &Parts) -> ManageUsers {
    ManageUsers::new(desk(parts))
}

fn sessions(parts: &Parts) -> ManageSessions {
    ManageSessions::new(desk(parts))
}

/// An account in charge, signed in, with a proof.
async fn in_charge(world: &World, admin: User) -> Caller {
    world.add(admin.clone());
    proved(&world.sign_in(&admin).await.claims)
}

fn with_role(role: Role) -> UpdateUserCommand {
    UpdateUserCommand { role: Some(role), ..UpdateUserCommand::default() }
}

fn active(active: bool) -> UpdateUserCommand {
    UpdateUserCommand { active: Some(active), ..UpdateUserCommand::default() }
}

fn named(name: &str) -> UpdateUserCommand {
    let profile = UpdateProfileCommand { full_name: Some(FullName::try_new(name).ok()), ..Default::default() };
    UpdateUserCommand { profile, ..UpdateUserCommand::default() }
}

fn a_wish(email: &str) -> CreateUserCommand {
    CreateUserCommand { address: to(email), username: None, full_name: None, locale: None, role: Role::User }
}

fn reason() -> Reason {
    Reason::try_new("ticket 4711").unwrap()
}

fn events(world: &World) -> Vec<AuditEvent> {
    world.rows.state().audit.events()
}

/// What administrators did, as people were told.
fn told(world: &World) -> Vec<(Address, String)> {
    let acts = world.messages().into_iter().filter_map(|message| match message.notice {
        Notice::Administered { act, .. } => Some((message.to, act)),
        _ => None,
    });
    acts.collect()
}

fn ada() -> Address {
    a_user().address().unwrap()
}

#[tokio::test]
async fn without_role_or_proof_or_in_somebody_elses_name_nothing_is_even_looked_at() {
    let parts = Parts::default();
    let admin = AccessClaims { role: Role::SuperAdmin, ..access_claims() };
    let cases = [
        (proved(&access_claims()), AdminError::Forbidden),
        (caller(&admin), AdminError::MfaRequired),
        (proved(&AccessClaims { actor: Some(an_actor()), ..admin }), AdminError::Forbidden),
    ];
    for (caller, refusal) in cases {
        let (users, sessions, id, context) = (users(&parts), sessions(&parts), a_user().id, browser());
        let outbox = ManageOutbox::new(desk(&parts));
        let refused = [
            users.list(&caller, &UserPage::default()).await.err(),
            users.get(&caller, id).await.err(),
            users.create(&caller, a_wish("grace@example.com"), &context).await.err(),
            users.update(&caller, id, active(false), &context).await.err(),
            users.delete(&caller, id, &context).await.err(),
            sessions.list(&caller, None, 20).await.err(),
            sessions.of_user(&caller, id).await.err(),
            sessions.end(&caller, &caller.claims.session(), &context).await.err(),
            sessions.end_all_of(&caller, id, &context).await.err(),
            sessions.end_everybody(&caller, &context).await.err(),
            outbox.list(&caller, None, 20).await.err(),
            outbox.retry(&caller, &OutboxId("x".into()), &context).await.err(),
        ];
        assert_eq!(refused, [const { None }; 12].map(|_: Option<AdminError>| Some(refusal.clone())));
    }
}

#[tokio::test]
async fn whoever_was_put_out_meanwhile_does_nothing_more() {
    let world = World::with(a_user());
    let admin = in_charge(&world, a_super_admin()).await;
    let (id, session) = (a_super_admin().id, admin.claims.session());
    let epoch = admin.claims.epoch.next();
    for target in [RevocationTarget::User { id, epoch, sessions: epoch }, RevocationTarget::Session(session)] {
        // The view of this replica did not hear of it.
        let row = Revocation { target, at: world.clock.now() };
        world.rows.prepare(|state| state.revocations.0 = vec![row]);
        let before = world.rows.state();
        let refused = [
            users(&world).update(&admin, a_user().id, active(false), &browser()).await.err(),
            users(&world).delete(&admin, a_user().id, &browser()).await.err(),
            users(&world).create(&admin, a_wish("grace@example.com"), &browser()).await.err(),
            sessions(&world).end_all_of(&admin, a_user().id, &browser()).await.err(),
            sessions(&world).end_everybody(&admin, &browser()).await.err(),
            Impersonate::new(desk(&world), true).run(&admin, a_user().id, &reason(), &browser()).await.err(),
        ];
        assert_eq!(refused, [const { Some(AdminError::SessionOver) }; 6]);
        assert_eq!(format!("{:?}", world.rows.state()), format!("{before:?}"));
    }
}

#[tokio::test]
async fn an_account_is_made_without_a_password_and_only_its_owner_gets_the_link() {
    let world = World::default();
    let admin = in_charge(&world, an_admin()).await;
    let wish =
        CreateUserCommand { role: Role::Admin, username: Some(username("grace")), ..a_wish("grace@example.com") };
    let grace = users(&world).create(&admin, wish, &browser()).await.unwrap();
    assert_eq!((grace.role, grace.status), (Role::Admin, AccountStatus::Active));
    let state = world.rows.state();
    assert_eq!(state.users.0[&grace.id].password, None);
    assert_eq!(state.link_tokens.0[0].hash, world.issuer().link_hash(&world.mailed_token()));
    assert_eq!((world.messages().len(), world.messages()[0].to.clone()), (1, to("grace@example.com")));
    let event = events(&world).remove(0);
    assert_eq!(
        (event.name, event.actor, event.subject),
        (AuditEventName::UserCreatedByAdmin, Some(an_admin().id), Some(grace.id))
    );
    assert_eq!((event.detail.as_deref(), event.session), (Some("admin"), Some(admin.claims.session())));
}

#[tokio::test]
async fn what_is_taken_above_or_out_of_reach_makes_nothing() {
    let mut world = World::with(a_user());
    world.configure(|settings| settings.factors.sms = false);
    let admin = in_charge(&world, an_admin()).await;
    let number = PhoneNumber::try_new("+442079460958").unwrap();
    for (wish, refusal) in [
        (a_wish("ada@example.com"), AdminError::EmailTaken),
        (CreateUserCommand { username: a_user().username, ..a_wish("x@example.com") }, AdminError::UsernameTaken),
        (CreateUserCommand { role: Role::SuperAdmin, ..a_wish("x@example.com") }, AdminError::Forbidden),
        (CreateUserCommand { address: Address::Phone(number), ..a_wish("x@y.zz") }, AdminError::ContactNotAccepted),
    ] {
        assert_eq!(users(&world).create(&admin, wish, &browser()).await, Err(refusal));
    }
    assert_eq!((world.rows.state().users.0.len(), world.messages().len(), world.events().len()), (2, 0, 0));
}

#[tokio::test]
async fn the_same_request_twice_makes_one_account() {
    let world = World::default();
    let admin = in_charge(&world, an_admin()).await;
    let create = |context: RequestContext| {
        let (users, admin) = (users(&world), admin.clone());
        async move { users.create(&admin, a_wish("grace@example.com"), &context).await }
    };
    let first = create(again(7)).await.unwrap();
    assert_eq!(create(again(7)).await, Ok(first));
    assert_eq!((world.rows.state().users.0.len(), world.messages().len(), world.events().len()), (2, 1, 1));
    // Another request, and one that cannot come again, learn that the address is taken.
    assert_eq!(create(again(8)).await, Err(AdminError::EmailTaken));
    assert_eq!(create(browser()).await, Err(AdminError::EmailTaken));
}

#[tokio::test]
async fn a_role_counts_at_once_and_leaves_sessions() {
    let world = World::with(a_user());
    let admin = in_charge(&world, a_super_admin()).await;
    let tokens = world.sign_in(&a_user()).await;
    let changed = users(&world).update(&admin, a_user().id, with_role(Role::Admin), &browser()).await.unwrap();
    assert_eq!((changed.role, changed.epoch), (Role::Admin, a_user().epoch.next()));
    assert_eq!(changed, User { updated_at: changed.updated_at, ..world.user(&a_user()) });
    assert!(world.is_revoked(&tokens.claims).await);
    assert_eq!(world.view.floor(a_user().id).unwrap().epoch, changed.epoch);
    assert_eq!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().len(), 1);
    let event = events(&world).remove(0);
    assert_eq!((event.name, event.detail.as_deref()), (AuditEventName::RoleChanged, Some("user -> admin")));
    assert_eq!((told(&world), world.events().len()), (vec![(ada(), "role".to_owned())], 1));
}

#[tokio::test]
async fn a_link_is_sent_again_to_who_enrolled_nothing_and_to_nobody_else() {
    for (enrolled, links) in [("nothing", 1), ("a link elsewhere", 0), ("a second factor", 0)] {
        let world = World::with(a_user());
        world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = None);
        let mut tx = world.store.begin().await.unwrap();
        match enrolled {
            // At a provider that is not configured, or not any more.
            "a link elsewhere" => tx.social().insert(&a_social_identity()).await.unwrap(),
            "a second factor" => tx.factors().put_totp(&a_totp()).await.unwrap(),
            _ => (),
        }
        tx.commit().await.unwrap();
        let admin = in_charge(&world, a_super_admin()).await;
        users(&world).update(&admin, a_user().id, with_role(Role::Admin), &browser()).await.unwrap();
        let sent = world.messages().into_iter().filter(|sent| matches!(sent.notice, Notice::ActivateAccount { .. }));
        assert_eq!(sent.count(), links, "{enrolled}");
    }
}

#[tokio::test]
async fn a_ban_ends_everything_and_its_end_brings_nothing_back() {
    let world = World::with(a_user());
    let admin = in_charge(&world, an_admin()).await;
    let tokens = world.sign_in(&a_user()).await;
    let banned = users(&world).update(&admin, a_user().id, active(false), &browser()).await.unwrap();
    assert_eq!((banned.status, world.user(&a_user()).status), (AccountStatus::Banned, AccountStatus::Banned));
    assert!(world.is_revoked(&tokens.claims).await);
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    // Again: nothing is left to do.
    users(&world).update(&admin, a_user().id, active(false), &browser()).await.unwrap();
    users(&world).update(&admin, a_user().id, active(true), &browser()).await.unwrap();
    assert!(world.user(&a_user()).is_active() && world.is_revoked(&tokens.claims).await);
    assert_eq!(world.events(), [AuditEventName::UserBanned, AuditEventName::UserUnbanned]);
    assert_eq!(told(&world), [(ada(), "banned".to_owned()), (ada(), "reopened".to_owned())]);
}

#[tokio::test]
async fn closed_by_its_owner_is_not_banned_and_can_be_opened_again() {
    let closed = User { status: AccountStatus::Deactivated, ..a_user() };
    let world = World::with(closed.clone());
    let admin = in_charge(&world, an_admin()).await;
    assert_eq!(users(&world).update(&admin, closed.id, active(false), &browser()).await, Ok(closed.clone()));
    assert_eq!((world.user(&closed), world.events().len()), (closed.clone(), 0));
    users(&world).update(&admin, closed.id, active(true), &browser()).await.unwrap();
    assert!(world.user(&closed).is_active());
    assert_eq!(world.events(), [AuditEventName::UserReactivated]);
}

#[tokio::test]
async fn each_kind_of_change_is_one_event_and_one_message_and_none_is_none() {
    let world = World::with(a_user());
    let admin = in_charge(&world, an_admin()).await;
    let same = UpdateUserCommand { role: Some(Role::User), active: Some(true), ..named("Ada Lovelace") };
    assert_eq!(users(&world).update(&admin, a_user().id, same, &browser()).await, Ok(a_user()));
    assert_eq!((world.events().len(), world.messages().len()), (0, 0));
    let all = UpdateUserCommand { role: Some(Role::Admin), active: Some(false), ..named("Augusta") };
    users(&world).update(&admin, a_user().id, all, &browser()).await.unwrap();
    let expected = [AuditEventName::RoleChanged, AuditEventName::UserBanned, AuditEventName::UserUpdated];
    assert_eq!(world.events(), expected);
    assert_eq!(told(&world).iter().map(|(_, act)| act.as_str()).collect::<Vec<_>>(), ["role", "banned", "profile"]);
    assert_eq!(world.rows.state().revocations.0.len(), 1);
}

#[tokio::test]
async fn nobody_reaches_above_themselves_or_to_their_own_standing() {
    let world = World::with(a_user());
    let admin = in_charge(&world, an_admin()).await;
    let chief = in_charge(&world, a_super_admin()).await;
    let update = |caller: &Caller, id, command| {
        let (users, caller) = (users(&world), caller.clone());
        async move { users.update(&caller, id, command, &browser()).await.err() }
    };
    for command in [with_role(Role::User), active(false), named("Grace")] {
        assert_eq!(update(&admin, a_super_admin().id, command).await, Some(AdminError::Forbidden));
    }
    let deleted = users(&world).delete(&admin, a_super_admin().id, &browser()).await;
    assert_eq!(deleted, Err(AdminError::Forbidden));
    assert_eq!(update(&admin, a_user().id, with_role(Role::SuperAdmin)).await, Some(AdminError::Forbidden));
    for (caller, own) in [(&admin, an_admin().id), (&chief, a_super_admin().id)] {
        assert_eq!(update(caller, own, with_role(Role::User)).await, Some(AdminError::OwnAccount));
        assert_eq!(update(caller, own, active(false)).await, Some(AdminError::OwnAccount));
        assert_eq!(users(&world).delete(caller, own, &browser()).await, Err(AdminError::OwnAccount));
    }
    assert_eq!(update(&admin, an_admin().id, with_role(Role::SuperAdmin)).await, Some(AdminError::OwnAccount));
    assert_eq!((world.events().len(), world.messages().len()), (0, 0));
    assert_eq!(update(&admin, an_admin().id, named("Grace Hopper")).await, None);
    assert_eq!(update(&admin, user_number(77).id, named("Nobody")).await, Some(AdminError::NotFound));
}

#[tokio::test]
async fn the_last_of_a_role_stays() {
    let world = World::default();
    world.add(a_super_admin());
    // Whoever asks signs in by codes alone: without them nobody could sign in with a password or passkey.
    let other = User { role: Role::SuperAdmin, ..user_number(903) };
    let stale = in_charge(&world, other.clone()).await;
    let password = world.rows.state().users.0[&other.id].password.clone();
    world.rows.prepare(|state| state.users.0.get_mut(&other.id).unwrap().password = None);
    let last = a_super_admin().id;
    for command in [with_role(Role::Admin), with_role(Role::User), active(false)] {
        let refused = users(&world).update(&stale, last, command, &browser()).await;
        assert_eq!(refused, Err(AdminError::LastAdministrator));
    }
    assert_eq!(users(&world).delete(&stale, last, &browser()).await, Err(AdminError::LastAdministrator));
    assert_eq!((world.user(&a_super_admin()), world.events().len()), (a_super_admin(), 0));
    world.rows.prepare(|state| state.users.0.get_mut(&other.id).unwrap().password = password);
    users(&world).update(&stale, last, active(false), &browser()).await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_leaves_the_log_and_its_revocation() {
    let world = World::with(a_user());
    let admin = in_charge(&world, an_admin()).await;
    let tokens = world.sign_in(&a_user()).await;
    users(&world).delete(&admin, a_user().id, &browser()).await.unwrap();
    assert!(!world.rows.state().users.0.contains_key(&a_user().id));
    assert!(world.is_revoked(&tokens.claims).await);
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(users(&world).delete(&admin, a_user().id, &browser()).await, Err(AdminError::NotFound));
    assert_eq!(users(&world).get(&admin, a_user().id).await, Err(AdminError::NotFound));
    assert_eq!(world.events(), [AuditEventName::UserDeleted]);
    assert_eq!(told(&world), [(ada(), "deleted".to_owned())]);
}

#[tokio::test]
async fn a_lost_commit_announces_nothing_and_ends_nothing() {
    let (mut looking, mut tx) = (MockTx::new(), MockTx::new().failing(down()));
    looking.users.expect_get().times(1).return_once(|_| Ok(Some(an_admin())));
    tx.revocations.expect_is_revoked().times(2).returning(|_| Ok(false));
    tx.users.expect_get().times(1).return_once(|_| Ok(Some(a_user())));
    tx.users.expect_update().times(1).withf(|user| user.status == AccountStatus::Banned).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.devices.expect_forget_all().times(1).returning(|_| Ok(()));
    tx.users.expect_bump_epoch().times(1).returning(|_, _, _| Ok(Some((Epoch::new(2), Epoch::new(2)))));
    tx.revocations.expect_append().times(1).returning(|_| Ok(true));
    tx.link_tokens.expect_delete_for_user().times(1).returning(|_| Ok(()));
    let outcome = tx.outcome();
    let parts = Parts {
        feed: Arc::new(MockRevocationFeed::new()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([looking, tx]))
    };
    let claims = AccessClaims { subject: an_admin().id, role: Role::Admin, ..access_claims() };
    let admin = proved(&AccessClaims { epoch: an_admin().epoch, ..claims });
    let lost = users(&parts).update(&admin, a_user().id, active(false), &browser()).await;
    assert!(matches!(lost, Err(AdminError::Failure(Failure::Unavailable(_)))), "{lost:?}");
    assert!(outcome.rolled_back() && parts.view.floor(a_user().id).is_none());
}

#[tokio::test]
async fn one_session_is_ended_once() {
    let world = World::with(a_user());
    let admin = in_charge(&world, an_admin()).await;
    let (ended, left) = (world.sign_in(&a_user()).await, world.sign_in(&a_user()).await);
    let id = ended.claims.session();
    sessions(&world).end(&admin, &id, &browser()).await.unwrap();
    assert!(world.is_revoked(&ended.claims).await && !world.is_revoked(&left.claims).await);
    assert_eq!(sessions(&world).end(&admin, &id, &browser()).await, Err(AdminError::NotFound));
    let event = events(&world).remove(0);
    assert_eq!((event.name, event.session), (AuditEventName::SessionEndedByAdmin, Some(id)));
    assert_eq!((event.actor, event.subject), (Some(an_admin().id), Some(a_user().id)));
    assert_eq!((told(&world), world.events().len()), (vec![(ada(), "session_ended".to_owned())], 1));
    assert_eq!(sessions(&world).of_user(&admin, a_user().id).await.unwrap().len(), 1);

    sessions(&world).end_all_of(&admin, a_user().id, &browser()).await.unwrap();
    assert!(world.is_revoked(&left.claims).await && !world.is_revoked(&admin.claims).await);
    assert_eq!(world.events()[1..], [AuditEventName::AllSessionsEndedByAdmin]);
    assert_eq!(sessions(&world).of_user(&admin, a_user().id).await.unwrap(), []);
    let unknown = sessions(&world).end_all_of(&admin, user_number(77).id, &browser()).await;
    assert_eq!(unknown, Err(AdminError::NotFound));
}

#[tokio::test]
async fn everybody_is_put_out_by_one_row_and_nobody_who_comes_after() {
    let world = World::with(a_user());
    let refused = sessions(&world).end_everybody(&in_charge(&world, an_admin()).await, &browser()).await;
    assert_eq!(refused, Err(AdminError::Forbidden));
    let admin = in_charge(&world, a_super_admin()).await;
    let tokens = world.sign_in(&a_user()).await;
    sessions(&world).end_everybody(&admin, &browser()).await.unwrap();
    assert!(world.is_revoked(&tokens.claims).await && world.is_revoked(&admin.claims).await);
    assert_eq!((world.rows.state().revocations.0.len(), world.messages().len()), (1, 0));
    assert_eq!(world.events(), [AuditEventName::EverybodySignedOut]);
    assert_eq!(sessions(&world).end_everybody(&admin, &browser()).await, Err(AdminError::SessionOver));

    // The next microsecond is within the same second.
    world.clock.set(world.clock.now().plus(std::time::Duration::from_micros(1)));
    let next = world.sign_in(&a_super_admin()).await;
    assert!(!world.is_revoked(&next.claims).await);
    let listed = sessions(&world).of_user(&proved(&next.claims), a_super_admin().id).await.unwrap();
    assert_eq!(listed.iter().map(|session| session.id.clone()).collect::<Vec<_>>(), [next.claims.session()]);
    assert_eq!(sessions(&world).of_user(&proved(&next.claims), a_user().id).await.unwrap(), []);
}

#[tokio::test]
async fn a_waiting_message_is_tried_at_once_and_a_dead_one_never() {
    let world = World::default();
    let admin = in_charge(&world, an_admin()).await;
    let mut tx = world.rows.begin().await.unwrap();
    for name in ["waits", "is-dead"] {
        tx.outbox().enqueue(&a_message(name)).await.unwrap();
    }
    tx.outbox().mark_failed(&OutboxId("waits".into()), after(600), "refused").await.unwrap();
    tx.outbox().mark_dead(&OutboxId("is-dead".into()), after(1), "no such mailbox").await.unwrap();
    tx.commit().await.unwrap();
    let outbox = ManageOutbox::new(desk(&world));
    let retry = async |id: &str| outbox.retry(&admin, &OutboxId(id.into()), &browser()).await;
    assert_eq!(retry("is-dead").await, Err(AdminError::MessageDead));
    assert_eq!(retry("unknown").await, Err(AdminError::NotFound));
    assert_eq!(world.events(), []);
    assert_eq!(retry("waits").await.unwrap().due_at, world.clock.now());
    let event = events(&world).remove(0);
    assert_eq!((event.name, event.detail.as_deref()), (AuditEventName::MessageRetried, Some("waits")));
    let listed = outbox.list(&admin, None, 20).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.id.0.as_str()).collect::<Vec<_>>(), ["waits", "is-dead"]);
}

#[tokio::test]
async fn somebody_is_acted_as_in_a_session_of_its_own_that_names_both() {
    let world = World::with(a_user());
    let chief = in_charge(&world, a_super_admin()).await;
    let impersonate = Impersonate::new(desk(&world), true);
    let tokens = impersonate.run(&chief, a_user().id, &reason(), &browser()).await.unwrap();
    let actor = tokens.claims.actor.clone().unwrap();
    assert_eq!((actor.subject, actor.session), (a_super_admin().id, chief.claims.session()));
    assert_eq!((tokens.claims.subject, tokens.claims.role), (a_user().id, Role::User));
    assert_eq!(tokens.claims.expires_at, world.clock.now().plus(limits::IMPERSONATION_LIFE));
    assert_eq!((tokens.refresh, tokens.client_id, tokens.device), (None, None, None));
    let listed = world.sessions.list(a_user().id, world.clock.now()).await.unwrap();
    assert_eq!(listed[0].impersonator, Some(a_super_admin().id));
    assert_eq!(world.rows.state().login_history.0[0].impersonator, Some(a_super_admin().id));
    let event = events(&world).remove(0);
    assert_eq!((event.name, event.detail.as_deref()), (AuditEventName::ImpersonationStarted, Some("ticket 4711")));
    assert_eq!(world.notices(), ["impersonated"]);
    Impersonate::new(desk(&world), false).run(&chief, a_user().id, &reason(), &browser()).await.unwrap();
    assert_eq!(world.notices(), ["impersonated"], "not wanted there");
}

#[tokio::test]
async fn nobody_acts_as_administrators_themselves_or_closed_accounts() {
    let world = World::with(User { status: AccountStatus::Banned, ..a_user() });
    let chief = in_charge(&world, a_super_admin()).await;
    let admin = in_charge(&world, an_admin()).await;
    let impersonate = Impersonate::new(desk(&world), true);
    let run = async |caller: &Caller, id| impersonate.run(caller, id, &reason(), &browser()).await.err();
    for id in [a_user().id, an_admin().id, a_super_admin().id] {
        assert_eq!(run(&chief, id).await, Some(AdminError::ImpersonationForbidden));
    }
    assert_eq!(world.events(), [AuditEventName::AuthorizationFailed; 3]);
    assert_eq!(run(&chief, user_number(77).id).await, Some(AdminError::NotFound));
    assert_eq!(run(&admin, a_user().id).await, Some(AdminError::Forbidden));
    let acting = proved(&AccessClaims { actor: Some(an_actor()), ..chief.claims.clone() });
    assert_eq!(run(&acting, a_user().id).await, Some(AdminError::ImpersonationForbidden));
    assert_eq!((world.messages().len(), world.rows.state().login_history.0.len()), (0, 0));
}
