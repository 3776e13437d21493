use std::time::Duration;

use keystead_domain::SecretString;
use keystead_domain::account::{Address, ContactKind, User};
use keystead_domain::audit::AuditEventName;
use keystead_domain::limits;
use keystead_domain::social::SocialIdentity;
use keystead_domain::token::{AccessClaims, OneTimeCode};

use crate::factor::{ContactView, Contacts, FactorError, UndoContactChange, UndoContactChangeError};
use crate::ports::Clock as _;
use crate::test_world::{World, browser, caller, proved, to};
use crate::testing::{START, a_passkey, a_social_identity, a_stored_srp, a_user, phone, user_number};

fn contacts(world: &World) -> Contacts {
    Contacts::new(world.factor_desk())
}

fn number() -> Address {
    Address::Phone(phone("+442079460958"))
}

fn with_sms() -> World {
    let mut world = World::with(a_user());
    world.configure(|settings| settings.factors.sms = true);
    world
}

async fn add(world: &World, claims: &AccessClaims, address: Address) -> Result<ContactView, FactorError> {
    contacts(world).add(&caller(claims), address, &browser()).await
}

async fn verify(world: &World, claims: &AccessClaims, added: &ContactView) -> Result<AccessClaims, FactorError> {
    let code = OneTimeCode::parse(&world.mailed_code()).unwrap();
    contacts(world).verify(&caller(claims), added.id, &code, &browser()).await.map(|tokens| tokens.claims)
}

#[tokio::test]
async fn an_added_number_is_theirs_once_proved_and_the_owner_is_told_where_they_were_known() {
    let world = with_sms();
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, number()).await.unwrap();
    assert!(!added.verified && world.user(&a_user()).phone.is_none());
    assert_eq!(world.messages()[0].to, number());
    let listed = contacts(&world).list(&caller(&here)).await.unwrap();
    assert_eq!(listed.iter().map(|view| view.verified).collect::<Vec<_>>(), [true, false]);
    let after = verify(&world, &here, &added).await.unwrap();
    let user = world.user(&a_user());
    assert_eq!(
        user.contact(ContactKind::Phone).map(|contact| (contact.id, contact.otp_enabled)),
        Some((added.id, false))
    );
    let messages = world.messages();
    let told = messages.last().unwrap();
    assert_eq!((&told.to, told.notice.template()), (&to("ada@example.com"), "contact_added"));
    assert_eq!(after.epoch, a_user().epoch.next());
}

#[tokio::test]
async fn a_replaced_address_is_told_and_can_be_had_back_for_three_days() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, to("thief@example.org")).await.unwrap();
    let after = verify(&world, &here, &added).await.unwrap();
    assert_eq!(world.user(&a_user()).address(), Some(to("thief@example.org")));
    let messages = world.messages();
    let told = messages.last().unwrap();
    assert_eq!((&told.to, told.notice.template()), (&to("ada@example.com"), "contact_lost"));
    // The thief enrolls something of their own.
    let mut tx = world.store.begin().await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    let before = SocialIdentity { created_at: START.minus(Duration::from_secs(60)), ..a_social_identity() };
    tx.social().insert(&before).await.unwrap();
    tx.srp().put(&a_stored_srp(a_user().id)).await.unwrap();
    tx.commit().await.unwrap();

    world.clock.set(START.plus(limits::CONTACT_UNDO_LIFE).minus(Duration::from_secs(1)));
    let undo = UndoContactChange::new(world.factor_desk());
    let token = SecretString::new(world.mailed_token());
    assert_eq!(
        undo.run(&SecretString::new("never ours".into()), &browser()).await,
        Err(UndoContactChangeError::LinkInvalid)
    );
    undo.run(&token, &browser()).await.unwrap();
    assert_eq!(world.user(&a_user()).address(), Some(to("ada@example.com")));
    assert!(world.is_revoked(&after).await, "whoever changed it is put out");
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
    assert_eq!(world.store.read().await.unwrap().passkeys().list(a_user().id).await.unwrap(), []);
    let state = world.rows.state();
    assert!(state.social.0.is_empty() && state.srp.0.is_empty(), "and so are the thief's ways in");
    assert_eq!(undo.run(&token, &browser()).await, Err(UndoContactChangeError::LinkInvalid), "a link works once");
    assert_eq!(world.events().last(), Some(&AuditEventName::ContactChangeUndone));
}

#[tokio::test]
async fn g01_a_taken_address_looks_like_any_other_and_its_owner_is_told() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, user_number(2).address().unwrap()).await.unwrap();
    assert!(!added.verified);
    assert_eq!(world.notices(), ["account_exists"]);
    let code = OneTimeCode::from_number(1).unwrap();
    let refused = contacts(&world).verify(&caller(&here), added.id, &code, &browser()).await.map(drop);
    assert_eq!(refused, Err(FactorError::CodeInvalid));
}

#[tokio::test]
async fn an_address_somebody_else_proved_meanwhile_is_lost() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, user_number(2).address().unwrap()).await.unwrap();
    world.add(user_number(2));
    assert_eq!(verify(&world, &here, &added).await, Err(FactorError::CodeInvalid));
    assert_eq!(world.user(&a_user()).address(), Some(to("ada@example.com")));
}

#[tokio::test]
async fn five_guesses_end_a_code_and_a_change_of_credentials_ends_what_waits() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, to("new@example.com")).await.unwrap();
    let wrong = OneTimeCode::from_number(1).unwrap();
    for _ in 0..5 {
        let refused = contacts(&world).verify(&caller(&here), added.id, &wrong, &browser()).await.map(drop);
        assert_eq!(refused, Err(FactorError::CodeInvalid));
    }
    assert_eq!(verify(&world, &here, &added).await, Err(FactorError::CodeInvalid), "the right one comes too late");
    let next = add(&world, &here, to("new@example.com")).await.unwrap();
    assert_eq!(contacts(&world).list(&caller(&here)).await.unwrap().len(), 2, "one waits for each kind");
    world.rows.prepare(|state| {
        let user = &mut state.users.0.get_mut(&a_user().id).unwrap().user;
        user.epoch = user.epoch.next();
    });
    let later = world.sign_in(&world.user(&a_user())).await.claims;
    assert_eq!(verify(&world, &later, &next).await, Err(FactorError::NotFound));
}

#[tokio::test]
async fn the_last_contact_stays_and_codes_become_a_factor_by_choice() {
    let world = with_sms();
    let here = world.sign_in(&a_user()).await.claims;
    let email = a_user().contacts().next().unwrap().id;
    assert_eq!(contacts(&world).remove(&caller(&here), email, &browser()).await, Err(FactorError::LastContact));
    let added = add(&world, &here, number()).await.unwrap();
    let here = verify(&world, &here, &added).await.unwrap();
    let (view, tokens) = contacts(&world).set_otp(&caller(&here), added.id, true, &browser()).await.unwrap();
    assert!(view.otp_enabled);
    let here = tokens.claims;
    let refused = contacts(&world).remove(&caller(&here), email, &browser()).await;
    assert_eq!(refused, Err(FactorError::MfaRequired), "a factor is enrolled now");
    let tokens = contacts(&world).remove(&proved(&here), email, &browser()).await.unwrap().unwrap();
    assert_eq!(world.user(&a_user()).address(), Some(number()));
    let last = contacts(&world).remove(&proved(&tokens.claims), added.id, &browser()).await;
    assert_eq!(last, Err(FactorError::LastContact));
}

#[tokio::test]
async fn addresses_are_added_rarely_and_after_a_fresh_sign_in() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    assert_eq!(add(&world, &here, number()).await, Err(FactorError::Unavailable(ContactKind::Phone)));
    for n in 0..5 {
        add(&world, &here, to(&format!("new{n}@example.com"))).await.unwrap();
    }
    let limited = add(&world, &here, to("more@example.com")).await;
    assert_eq!(limited, Err(FactorError::Limited { again_at: START.plus(limits::CONTACT_ADD.interval()) }));
    world.clock.advance(limits::REAUTH_WINDOW + Duration::from_secs(1));
    assert_eq!(add(&world, &here, to("late@example.com")).await, Err(FactorError::ReauthRequired));
}

#[tokio::test]
async fn others_contacts_are_not_there() {
    let world = World::with(a_user());
    let other: User = user_number(2);
    world.add(other.clone());
    let here = world.sign_in(&a_user()).await.claims;
    let theirs = other.contacts().next().unwrap().id;
    let refused = contacts(&world).set_otp(&caller(&here), theirs, true, &browser()).await.map(drop);
    assert_eq!(refused, Err(FactorError::NotFound));
    assert_eq!(contacts(&world).remove(&caller(&here), theirs, &browser()).await, Err(FactorError::NotFound));
}

#[tokio::test]
async fn whoever_brought_an_address_in_gets_no_link_of_their_own() {
    let world = with_sms();
    let here = world.sign_in(&a_user()).await.claims;
    let added = add(&world, &here, number()).await.unwrap();
    let here = verify(&world, &here, &added).await.unwrap();
    let removed = contacts(&world).remove(&caller(&here), added.id, &browser()).await.unwrap().unwrap();
    let told = |world: &World| world.notices().iter().filter(|notice| **notice == "contact_lost").count();
    assert_eq!(told(&world), 0, "the number was new");
    let added = add(&world, &removed.claims, to("thief@example.org")).await.unwrap();
    let here = verify(&world, &removed.claims, &added).await.unwrap();
    assert_eq!(told(&world), 1);
    let again = add(&world, &here, to("second@example.org")).await.unwrap();
    verify(&world, &here, &again).await.unwrap();
    assert_eq!(told(&world), 1, "the thief's address was new");
    let undo = UndoContactChange::new(world.factor_desk());
    undo.run(&SecretString::new(world.mailed_token()), &browser()).await.unwrap();
    assert_eq!(world.user(&a_user()).address(), Some(to("ada@example.com")));
    assert_eq!(world.rows.state().users.0[&a_user().id].password, None, "the password is void");
}
