use keystead_domain::account::User;
use keystead_domain::factor::{CredentialId, PasskeyName};
use keystead_domain::token::{AccessClaims, Amr, Factor, StepUpMethod};

use crate::factor::{FactorError, Passkeys, RegisteredPasskey};
use crate::ports::Clock as _;
use crate::session::{PasskeyLogin, SecondFactorError};
use crate::test_world::{World, browser, caller, proved};
use crate::testing::{FakeAnswer, FakePasskeys, a_passkey, a_user, passkey_number, user_id, user_number};

fn passkeys(world: &World) -> Passkeys {
    Passkeys::new(world.factor_desk())
}

fn login(world: &World) -> PasskeyLogin {
    let (store, clock) = (world.store.clone(), world.clock.clone());
    PasskeyLogin::new(store, clock, world.passkeys(), world.factor_guard(), world.sign_in_desk())
}

fn challenge(options: &str) -> String {
    let options: serde_json::Value = serde_json::from_str(options).unwrap();
    options["challenge"].as_str().unwrap().to_owned()
}

fn credential(number: u8) -> CredentialId {
    CredentialId::new(vec![number; 32]).unwrap()
}

async fn register(world: &World, claims: &AccessClaims, number: u8) -> Result<RegisteredPasskey, FactorError> {
    let options = passkeys(world).options(&proved(claims)).await?;
    let answer =
        FakeAnswer { aaguid: FakePasskeys::VENDOR, ..FakeAnswer::new(&challenge(&options), &credential(number)) };
    passkeys(world).register(&proved(claims), &answer.json(), None, &browser()).await
}

/// Ada's answer at the sign-in page.
async fn alone(world: &World, change: impl FnOnce(FakeAnswer) -> FakeAnswer) -> Result<Vec<Amr>, SecondFactorError> {
    let options = login(world).options(None).await.unwrap();
    let answer = FakeAnswer::new(&challenge(&options), &a_passkey().credential_id);
    let answer = change(FakeAnswer { user_handle: Some(a_user().id), ..answer });
    let admission = login(world).alone(&answer.json(), None, &browser()).await?;
    Ok(admission.authorized().unwrap().claims.amr)
}

async fn with_passkey() -> World {
    let world = World::with(a_user());
    let mut tx = world.store.begin().await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.commit().await.unwrap();
    world
}

#[tokio::test]
async fn a_passkey_is_registered_named_renamed_and_removed() {
    let world = World::with(a_user());
    let here = world.sign_in(&a_user()).await.claims;
    let registered = register(&world, &here, 1).await.unwrap();
    assert_eq!(
        (registered.passkey.name.as_str(), registered.vendor),
        ("Fake Authenticator", Some("Fake Authenticator"))
    );
    let here = registered.tokens.claims;
    assert_eq!(registered.tokens.step_up.unwrap().claims.method, StepUpMethod::Factor(Factor::Device));
    let name = PasskeyName::try_new("Phone").unwrap();
    let id = registered.passkey.id;
    let (renamed, _) = passkeys(&world).rename(&proved(&here), id, name, &browser()).await.unwrap();
    assert_eq!(renamed.name.as_str(), "Phone");
    assert_eq!(passkeys(&world).remove(&caller(&here), id, &browser()).await, Err(FactorError::MfaRequired));
    passkeys(&world).remove(&proved(&here), id, &browser()).await.unwrap();
    assert_eq!(world.notices(), ["factor_added", "factor_removed"]);
}

#[tokio::test]
async fn five_are_the_most_and_none_is_registered_twice() {
    let world = World::with(a_user());
    let mut here = world.sign_in(&a_user()).await.claims;
    for number in 1..=4 {
        here = register(&world, &here, number).await.unwrap().tokens.claims;
    }
    let twice = register(&world, &here, 1).await.map(drop);
    assert_eq!(twice, Err(FactorError::PasskeyInvalid), "an authenticator excludes what is there");
    let mut tx = world.store.begin().await.unwrap();
    world.add(user_number(2));
    tx.passkeys().insert(&keystead_domain::factor::Passkey { user_id: user_id(2), ..passkey_number(9) }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(register(&world, &here, 9).await.map(drop), Err(FactorError::PasskeyExists), "somebody else's");
    here = register(&world, &here, 5).await.unwrap().tokens.claims;
    assert_eq!(register(&world, &here, 6).await.map(drop), Err(FactorError::TooMany { most: 5 }));
}

#[tokio::test]
async fn w01_a_challenge_counts_once_and_where_it_was_given() {
    let world = World::with(a_user());
    let (here, there) = (world.sign_in(&a_user()).await.claims, world.sign_in(&a_user()).await.claims);
    let options = passkeys(&world).options(&caller(&here)).await.unwrap();
    let answer = FakeAnswer::new(&challenge(&options), &credential(1)).json();
    let elsewhere = passkeys(&world).register(&caller(&there), &answer, None, &browser()).await.map(drop);
    assert_eq!(elsewhere, Err(FactorError::PasskeyInvalid));
    let late = passkeys(&world).register(&caller(&here), &answer, None, &browser()).await.map(drop);
    assert_eq!(late, Err(FactorError::PasskeyInvalid), "it was taken");
    let options = login(&world).options(None).await.unwrap();
    let answer = FakeAnswer::new(&challenge(&options), &credential(1)).json();
    let of_login = passkeys(&world).register(&caller(&here), &answer, None, &browser()).await.map(drop);
    assert_eq!(of_login, Err(FactorError::PasskeyInvalid));
}

#[tokio::test]
async fn a_verified_passkey_signs_in_alone() {
    let world = with_passkey().await;
    assert_eq!(alone(&world, |answer| answer).await, Ok(vec![Amr::HardwareKey, Amr::UserVerified, Amr::MultiFactor]));
    let refused = Err(SecondFactorError::Invalid);
    assert_eq!(alone(&world, |answer| FakeAnswer { user_verified: false, ..answer }).await, refused);
    assert_eq!(alone(&world, |answer| FakeAnswer { user_handle: None, ..answer }).await, refused);
    assert_eq!(alone(&world, |answer| FakeAnswer { user_handle: Some(user_id(2)), ..answer }).await, refused);
    assert_eq!(alone(&world, |answer| FakeAnswer { genuine: false, ..answer }).await, refused);
    let stranger = |answer| FakeAnswer { credential_id: credential(9), ..answer };
    assert_eq!(alone(&world, stranger).await, refused);
}

#[tokio::test]
async fn w05_a_counter_that_went_back_is_refused_and_told() {
    let world = with_passkey().await;
    assert!(alone(&world, |answer| FakeAnswer { counter: 7, ..answer }).await.is_ok());
    let refused = alone(&world, |answer| FakeAnswer { counter: 7, ..answer }).await;
    assert_eq!(refused, Err(SecondFactorError::Invalid));
    assert_eq!(world.notices(), ["new_device", "passkey_cloned"]);
    assert!(alone(&world, |answer| FakeAnswer { counter: 8, ..answer }).await.is_ok());
}

#[tokio::test]
async fn a_closed_account_is_not_entered_by_passkey() {
    let world = with_passkey().await;
    let banned = User { status: keystead_domain::account::AccountStatus::Banned, ..a_user() };
    world.add(banned);
    assert_eq!(alone(&world, |answer| answer).await, Err(SecondFactorError::Over));
    assert!(world.sessions.list(a_user().id, world.clock.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_one_way_in_stays() {
    let world = with_passkey().await;
    world.rows.prepare(|state| state.users.0.get_mut(&a_user().id).unwrap().password = None);
    let here = world.sign_in(&a_user()).await.claims;
    let refused = passkeys(&world).remove(&proved(&here), a_passkey().id, &browser()).await;
    assert_eq!(refused, Err(FactorError::LastFactor));
}
