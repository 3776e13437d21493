use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ports::{EphemeralError, MockCaptchaVerifier, MockCeremonyStore};
use crate::test_world::{World, again, browser, secret};
use crate::testing::{MockStore, a_user, user_number};

fn desk(world: &World) -> CaptchaDesk {
    CaptchaDesk {
        store: world.store.clone(),
        ceremonies: world.ceremonies.clone(),
        hash: world.hash.clone(),
        clock: world.clock.clone(),
    }
}

/// A verifier that takes each of its answers once, and counts what it is asked.
fn once(answers: &'static [&'static str]) -> (Arc<dyn CaptchaVerifier>, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let left = std::sync::Mutex::new(answers.to_vec());
    let counter = Arc::clone(&asked);
    let mut verifier = MockCaptchaVerifier::new();
    verifier.expect_verify().returning(move |_, solution, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        let mut left = left.lock().unwrap();
        let place = left.iter().position(|answer| *answer == solution.expose()).ok_or(CaptchaError::Refused)?;
        left.remove(place);
        Ok(())
    });
    (Arc::new(verifier), asked)
}

fn gate(world: &World, verifier: Arc<dyn CaptchaVerifier>) -> CaptchaGate {
    CaptchaGate::new(Some(verifier), vec![CaptchaAction::Register, CaptchaAction::Forgot], desk(world))
}

const REGISTER: CaptchaAction = CaptchaAction::Register;

#[tokio::test]
async fn only_guarded_actions_of_unknown_devices_need_one() {
    let world = World::default();
    let (verifier, asked) = once(&[]);
    let gate = gate(&world, verifier.clone());
    assert!(gate.guards(REGISTER) && !gate.guards(CaptchaAction::Login));
    assert_eq!(gate.require(REGISTER, None, false, &browser()).await, Err(CaptchaRefusal::Required));
    assert_eq!(gate.require(REGISTER, None, true, &browser()).await, Ok(()));
    let shown = secret("anything");
    assert_eq!(gate.require(CaptchaAction::Login, Some(&shown), false, &browser()).await, Ok(()));
    let off = CaptchaGate::new(None, CaptchaAction::ALL.to_vec(), desk(&world));
    assert!(!off.guards(REGISTER));
    assert_eq!(off.require(REGISTER, Some(&shown), false, &browser()).await, Ok(()));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert!(world.events().is_empty(), "a missing one is no event");
}

#[tokio::test]
async fn a_wrong_one_is_refused_and_noted_with_what_it_was_for() {
    let world = World::default();
    let (verifier, asked) = once(&["right"]);
    let gate = gate(&world, verifier);
    assert_eq!(gate.require(REGISTER, Some(&secret("right")), false, &browser()).await, Ok(()));
    let (long, longest) = ("x".repeat(LONGEST_SOLUTION + 1), "x".repeat(LONGEST_SOLUTION));
    for wrong in ["right", "wrong", "", long.as_str(), longest.as_str()] {
        let refused = gate.require(CaptchaAction::Forgot, Some(&secret(wrong)), false, &browser()).await;
        assert_eq!(refused, Err(CaptchaRefusal::Invalid), "{}", wrong.len());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4, "what cannot be one is not asked about");
    assert_eq!(world.events(), [AuditEventName::CaptchaRefused; 5]);
    let details: Vec<_> = world.rows.state().audit.rows.iter().map(|row| row.event.detail.clone()).collect();
    assert_eq!(details, vec![Some("forgot".to_owned()); 5]);
}

#[tokio::test]
async fn who_cannot_be_asked_refuses_and_nothing_is_noted() {
    let world = World::default();
    let mut verifier = MockCaptchaVerifier::new();
    verifier.expect_verify().returning(|_, _, _| Err(CaptchaError::Unavailable("down".into())));
    let gate = gate(&world, Arc::new(verifier));
    let lost = gate.require(REGISTER, Some(&secret("right")), false, &browser()).await;
    assert_eq!(lost, Err(CaptchaRefusal::Unavailable("down".into())));
    assert!(world.events().is_empty());
}

#[tokio::test]
async fn a_refusal_that_cannot_be_noted_is_no_answer() {
    let mut world = World::default();
    world.set_ceremonies(Arc::new(MockCeremonyStore::new()));
    let store = MockStore::unavailable();
    let (verifier, _) = once(&[]);
    let gate = CaptchaGate::new(Some(verifier), vec![REGISTER], CaptchaDesk { store, ..desk(&world) });
    let lost = gate.require(REGISTER, Some(&secret("wrong")), false, &browser()).await;
    assert!(matches!(lost, Err(CaptchaRefusal::Unavailable(_))), "{lost:?}");
}

#[tokio::test]
async fn a_request_that_comes_again_shows_its_own_solution_again() {
    let world = World::default();
    let (verifier, asked) = once(&["one", "two"]);
    let gate = gate(&world, verifier);
    for _ in 0..3 {
        assert_eq!(gate.require(REGISTER, Some(&secret("one")), false, &again(1)).await, Ok(()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Neither another request, nor this one for something else or with another solution.
    for (action, solution, context) in [
        (REGISTER, "one", again(2)),
        (REGISTER, "one", browser()),
        (CaptchaAction::Forgot, "one", again(1)),
        (REGISTER, "three", again(1)),
    ] {
        let refused = gate.require(action, Some(&secret(solution)), false, &context).await;
        assert_eq!(refused, Err(CaptchaRefusal::Invalid), "{solution} {action:?}");
    }
}

#[tokio::test]
async fn a_request_that_may_come_again_needs_the_store_of_what_it_showed() {
    let mut world = World::default();
    let mut lost = MockCeremonyStore::new();
    lost.expect_find().returning(|_, _| Err(EphemeralError("down".into())));
    world.set_ceremonies(Arc::new(lost));
    let (verifier, asked) = once(&["one"]);
    let refused = gate(&world, verifier).require(REGISTER, Some(&secret("one")), false, &again(1)).await;
    assert!(matches!(refused, Err(CaptchaRefusal::Unavailable(_))), "{refused:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "and the solution is not used up");
}

#[tokio::test]
async fn a_device_is_known_to_the_account_that_has_the_name() {
    let world = World::with(a_user());
    world.add(user_number(2));
    let device = world.guard().device_hash("a token");
    let mut tx = world.rows.begin().await.unwrap();
    let now = world.clock.now();
    tx.devices().remember(a_user().id, device, now, now.plus(limits::DEVICE_LIFE)).await.unwrap();
    tx.commit().await.unwrap();
    let (verifier, _) = once(&[]);
    let gate = gate(&world, verifier);
    let token = secret("a token");
    for (name, device, known) in [
        ("ada", Some(&token), true),
        ("ada@example.com", Some(&token), true),
        ("ada", None, false),
        ("ada", Some(&secret("another")), false),
        ("user2@example.com", Some(&token), false),
        ("nobody", Some(&token), false),
    ] {
        let name = LoginName::parse(name);
        assert_eq!(gate.knows(CaptchaAction::Forgot, &name, device).await, Ok(known), "{name:?}");
        assert_eq!(gate.knows(CaptchaAction::Login, &name, device).await, Ok(false), "where nothing is asked for");
    }
    world.clock.advance(limits::DEVICE_LIFE);
    assert_eq!(gate.knows(CaptchaAction::Forgot, &LoginName::parse("ada"), Some(&token)).await, Ok(false));
}
