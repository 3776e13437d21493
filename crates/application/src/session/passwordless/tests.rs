use keystead_domain::account::AccountStatus;
use keystead_domain::token::{Amr, Factor};

use super::*;
use crate::test_world::{World, browser, secret};
use crate::testing::{START, a_user, user_number};

fn passwordless(world: &World) -> Passwordless {
    Passwordless::new(world.store.clone(), world.clock.clone(), world.factor_guard(), world.sign_in_desk())
}

fn with(user: User) -> World {
    let mut world = World::with(user);
    world.configure(|settings| settings.factors.passwordless = true);
    world
}

async fn start(world: &World, identity: &str) -> PreAuthorizedClaims {
    passwordless(world).start(identity, None, &browser()).await.unwrap().claims
}

async fn verify(world: &World, claims: &PreAuthorizedClaims, code: &str) -> Result<Admission, SecondFactorError> {
    passwordless(world).verify(claims, &OneTimeCode::parse(code).unwrap(), None, &browser()).await
}

#[tokio::test]
async fn a_code_signs_in_once_and_only_where_it_is_turned_on() {
    let off = World::with(a_user());
    assert_eq!(
        passwordless(&off).start("ada", None, &browser()).await.map(drop),
        Err(StartPasswordlessError::TurnedOff)
    );
    let world = with(a_user());
    let claims = start(&world, "ada@example.com").await;
    let code = world.mailed_code();
    let tokens = verify(&world, &claims, &code).await.unwrap().authorized().unwrap();
    assert_eq!(tokens.claims.amr, [Amr::Otp]);
    assert_eq!(tokens.step_up, None, "one factor is no second one");
    assert_eq!(verify(&world, &claims, &code).await, Err(SecondFactorError::Invalid));
}

#[tokio::test]
async fn g01_nobody_learns_whether_there_is_an_account() {
    let world = with(a_user());
    let (real, fake) = (start(&world, "ada@example.com").await, start(&world, "nobody@example.com").await);
    assert_ne!(real.subject, a_user().id, "the token names no account");
    assert_eq!((real.epoch, &real.tfa_options), (fake.epoch, &fake.tfa_options));
    assert_eq!(world.notices(), ["passwordless_code", "decoy"]);
    assert_eq!(world.hashing.work(), 0);
    for claims in [&real, &fake] {
        for _ in 0..5 {
            assert_eq!(verify(&world, claims, "999999").await, Err(SecondFactorError::Invalid));
        }
        assert_eq!(verify(&world, claims, "999999").await, Err(SecondFactorError::Invalid));
    }
    // The block comes at the same try for both.
    let (real, fake) = (start(&world, "ada@example.com").await, start(&world, "nobody@example.com").await);
    for claims in [&real, &fake] {
        for _ in 0..5 {
            assert_eq!(verify(&world, claims, "999999").await, Err(SecondFactorError::Invalid));
        }
    }
    let (real, fake) = (start(&world, "ada@example.com").await, start(&world, "nobody@example.com").await);
    for claims in [&real, &fake] {
        let until = START.plus(limits::MFA_BLOCK);
        assert_eq!(verify(&world, claims, "999999").await, Err(SecondFactorError::Blocked { until }));
    }
}

#[tokio::test]
async fn g11_it_skips_no_enrolled_factor() {
    let world = with(a_user());
    world.enroll_totp(&a_user());
    let claims = start(&world, "ada").await;
    let asked = verify(&world, &claims, &world.mailed_code()).await.unwrap().asked().unwrap().claims;
    assert_eq!((asked.purpose, &asked.tfa_options), (PreAuthorizedPurpose::Login, &vec![Factor::Totp]));
    assert!(world.sessions.list(a_user().id, START).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_account_gets_no_code_and_a_change_ends_one_that_was_sent() {
    let world = with(User { status: AccountStatus::Banned, ..a_user() });
    start(&world, "ada").await;
    assert_eq!(world.notices(), ["decoy"]);
    let world = with(a_user());
    let claims = start(&world, "ada").await;
    world.rows.prepare(|state| {
        let user = &mut state.users.0.get_mut(&a_user().id).unwrap().user;
        user.epoch = user.epoch.next();
    });
    assert_eq!(verify(&world, &claims, &world.mailed_code()).await, Err(SecondFactorError::Over));
}

#[tokio::test]
async fn messages_are_limited_alike_for_accounts_and_names_nobody_has() {
    let world = with(a_user());
    for identity in ["ada@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            start(&world, identity).await;
        }
        let limited = passwordless(&world).start(identity, None, &browser()).await.map(drop);
        let again_at = START.plus(limits::PASSWORDLESS_ACCOUNT.interval());
        assert_eq!(limited, Err(StartPasswordlessError::Limited { again_at }), "{identity}");
    }
}

#[tokio::test]
async fn g10_strangers_use_up_no_code_of_a_browser_its_owner_signed_in_with() {
    // First the budget of the account, then that of the address.
    for by_address in [false, true] {
        let mut world = with(a_user());
        let few =
            limits::RatePolicy { limit: 2, ..if by_address { limits::ADDRESS } else { limits::PASSWORDLESS_ACCOUNT } };
        world.configure(|settings| {
            *(if by_address { &mut settings.limits.address } else { &mut settings.limits.passwordless }) = few;
        });
        world.add(user_number(2));
        world.knows_device(a_user().id, "ada's").await;
        world.knows_device(user_number(2).id, "another's").await;
        let limited = Err(StartPasswordlessError::Limited { again_at: START.plus(few.interval()) });
        let ask = async |identity: &str, device: Option<&str>| {
            let device = device.map(secret);
            passwordless(&world).start(identity, device.as_ref(), &browser()).await.map(drop)
        };
        for device in [None, Some("invented")] {
            assert_eq!(ask("ada@example.com", device).await, Ok(()));
        }
        for device in [None, Some("invented"), Some("another's")] {
            assert_eq!(ask("ada", device).await, limited, "{device:?}");
        }
        // The owner, at a browser that was there before: as often as anybody.
        for identity in ["ada", "ada@example.com"] {
            assert_eq!(ask(identity, Some("ada's")).await, Ok(()));
        }
        assert_eq!(world.notices(), ["passwordless_code"; 4]);
        assert_eq!(ask("ada", Some("ada's")).await, limited);
    }
}
