use std::sync::Arc;

use super::*;
use crate::session::{Login, LoginCommand};
use crate::test_world::{PASSWORD, World, browser, secret};
use crate::testing::{FakeAnswer, a_passkey, a_user, passkey_number, user_id, user_number};

fn passkey_login(world: &World) -> PasskeyLogin {
    let (store, clock) = (world.store.clone(), world.clock.clone());
    PasskeyLogin::new(store, clock, world.passkeys(), world.factor_guard(), world.sign_in_desk())
}

async fn half_way(world: &World) -> PreAuthorizedClaims {
    let (store, hasher, clock) = (world.store.clone(), world.hasher.clone(), world.clock.clone());
    let command = LoginCommand { identity: "ada".into(), password: secret(PASSWORD), device: None, captcha: None };
    let login = Login::new(store, hasher, clock, world.sign_in_desk());
    login.run(command, &browser()).await.unwrap().asked().unwrap().claims
}

async fn with_passkeys() -> World {
    let world = World::with(a_user());
    world.add(user_number(2));
    let mut tx = world.store.begin().await.unwrap();
    tx.passkeys().insert(&a_passkey()).await.unwrap();
    tx.passkeys().insert(&Passkey { user_id: user_id(2), ..passkey_number(2) }).await.unwrap();
    tx.commit().await.unwrap();
    world
}

async fn answer_to(world: &World, claims: &PreAuthorizedClaims) -> FakeAnswer {
    let options: serde_json::Value =
        serde_json::from_str(&passkey_login(world).options(Some(claims)).await.unwrap()).unwrap();
    FakeAnswer::new(options["challenge"].as_str().unwrap(), &a_passkey().credential_id)
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_of_its_own_flow() {
    let world = with_passkeys().await;
    let (claims, other) = (half_way(&world).await, half_way(&world).await);
    assert_eq!(claims.default_tfa, Some(Factor::Device));
    let answer = answer_to(&world, &claims).await;
    let elsewhere = passkey_login(&world).as_second_factor(&other, &answer.json(), None, &browser()).await;
    assert_eq!(elsewhere, Err(SecondFactorError::Invalid));
    let answer = answer_to(&world, &claims).await;
    let admission = passkey_login(&world).as_second_factor(&claims, &answer.json(), None, &browser()).await.unwrap();
    let tokens = admission.authorized().unwrap();
    let amr = [Amr::Password, Amr::HardwareKey, Amr::UserVerified, Amr::MultiFactor];
    assert_eq!(tokens.claims.amr, amr);
}

#[tokio::test]
async fn w06_another_persons_credential_is_refused() {
    let world = with_passkeys().await;
    let claims = half_way(&world).await;
    let theirs = FakeAnswer { credential_id: passkey_number(2).credential_id, ..answer_to(&world, &claims).await };
    let refused = passkey_login(&world).as_second_factor(&claims, &theirs.json(), None, &browser()).await;
    assert_eq!(refused, Err(SecondFactorError::Invalid));
    let handle = FakeAnswer { user_handle: Some(user_id(2)), ..answer_to(&world, &claims).await };
    let refused = passkey_login(&world).as_second_factor(&claims, &handle.json(), None, &browser()).await;
    assert_eq!(refused, Err(SecondFactorError::Invalid));
}

#[tokio::test]
async fn w08_of_parallel_posts_of_one_assertion_one_wins() {
    let world = with_passkeys().await;
    let claims = half_way(&world).await;
    let (answer, login) = (answer_to(&world, &claims).await.json(), Arc::new(passkey_login(&world)));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (login, claims, answer) = (login.clone(), claims.clone(), answer.clone());
        tries.spawn(async move { login.as_second_factor(&claims, &answer, None, &browser()).await });
    }
    assert_eq!(tries.join_all().await.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}
