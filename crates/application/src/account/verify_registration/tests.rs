use keystead_domain::token::{ClientKind, PreAuthorizedPurpose};

use keystead_domain::limits;

use super::*;
use crate::account::{RegisterUser, RegisterUserCommand};
use crate::ports::{BudgetDecision, Clock, MockCeremonyStore, MockSessionStore};
use crate::service::{IssuedCode, PreAuthorizedTokens};
use crate::test_world::{OTHER_PASSWORD, PASSWORD, Parts, World, browser, down, secret};
use crate::testing::{
    MockStore, MockTx, START, a_registration, a_social_identity, a_user, pre_authorized_claims, user_number, username,
};

fn verify(parts: &Parts) -> VerifyRegistration {
    let (store, sessions, clock) = (parts.store.clone(), parts.session_opener(), parts.clock.clone());
    VerifyRegistration::new(store, sessions, clock, parts.issuer(), parts.codes(), parts.guard())
}

async fn register(world: &World, password: &str) -> PreAuthorizedTokens {
    let (store, secrets, clock) = (world.store.clone(), world.secrets(), world.clock.clone());
    let register = RegisterUser::new(store, secrets, clock, world.issuer(), world.codes(), world.registration_desk());
    let address = a_user().address().unwrap();
    let User { username, full_name, .. } = a_user();
    let command = RegisterUserCommand { address, username, full_name, secret: Some(secret(password).into()) };
    register.run(command, &browser()).await.unwrap()
}

fn proof(tokens: &PreAuthorizedTokens, code: &str) -> VerifyRegistrationCommand {
    let code = OneTimeCode::parse(code).unwrap();
    VerifyRegistrationCommand { claims: tokens.claims.clone(), code, username: None }
}

/// A code that is not this one.
fn other_than(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % OneTimeCode::COUNT)
}

#[tokio::test]
async fn the_right_code_makes_the_account_and_signs_its_owner_in() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let tokens = verify(&world).run(proof(&begun, &world.mailed_code()), &browser()).await.unwrap();
    let state = world.rows.state();
    let user = &state.users.0[&begun.claims.subject].user;
    assert_eq!((user.address(), &user.username), (a_user().address(), &a_user().username));
    assert_eq!((user.role, user.status), (Role::User, AccountStatus::Active));
    assert_eq!(world.password(user), PASSWORD);
    assert!(state.registrations.0.is_empty());
    assert_eq!(tokens.claims.subject, user.id);
    assert_ne!(tokens.claims.session(), begun.claims.token_id.session(), "becoming authorized makes a new sid");
    assert_ne!(tokens.client_id, Some(begun.client_id), "and a new client id");
    assert!(tokens.refresh.is_some() && tokens.device.is_some());
    let session = world.sessions.find(&tokens.claims.session(), world.clock.now()).await.unwrap().unwrap();
    assert_eq!((session.user_id, session.client), (user.id, ClientKind::Browser));
    assert_eq!(state.login_history.0.len(), 1);
    assert_eq!(state.devices.0.len(), 1);
    assert_eq!(world.events()[1..], [AuditEventName::UserCreated]);
}

#[tokio::test]
async fn a_code_works_once() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let code = world.mailed_code();
    verify(&world).run(proof(&begun, &code), &browser()).await.unwrap();
    let again = verify(&world).run(proof(&begun, &code), &browser()).await;
    assert_eq!(again, Err(VerifyRegistrationError::CodeInvalid));
}

#[tokio::test]
async fn four_wrong_codes_leave_the_fifth_try() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let code = world.mailed_code();
    for _ in 0..4 {
        let refused = verify(&world).run(proof(&begun, &other_than(&code)), &browser()).await;
        assert_eq!(refused, Err(VerifyRegistrationError::CodeInvalid));
    }
    assert_eq!(world.events()[1..], [AuditEventName::CodeRejected; 4]);
    assert!(verify(&world).run(proof(&begun, &code), &browser()).await.is_ok());
}

#[tokio::test]
async fn the_fifth_wrong_code_closes_the_challenge() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let code = world.mailed_code();
    for _ in 0..5 {
        assert!(verify(&world).run(proof(&begun, &other_than(&code)), &browser()).await.is_err());
    }
    let right = verify(&world).run(proof(&begun, &code), &browser()).await;
    assert_eq!(right, Err(VerifyRegistrationError::CodeInvalid));
    assert_eq!(world.rows.state().registrations.0.len(), 1, "the claim itself lives on: another code can be sent");
}

#[tokio::test]
async fn a_code_dies_after_its_time() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    world.clock.set(START.plus(limits::CODE_LIFE));
    let late = verify(&world).run(proof(&begun, &world.mailed_code()), &browser()).await;
    assert_eq!(late, Err(VerifyRegistrationError::CodeInvalid));
}

#[tokio::test]
async fn a_taken_username_consumes_nothing_and_another_is_accepted() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let code = world.mailed_code();
    world.add(User { username: a_user().username, ..user_number(9) });
    for _ in 0..8 {
        let taken = verify(&world).run(proof(&begun, &code), &browser()).await;
        assert_eq!(taken, Err(VerifyRegistrationError::UsernameTaken), "the guess is given back every time");
    }
    assert_eq!(world.rows.state().registrations.0.len(), 1);
    let another = VerifyRegistrationCommand { username: Some(username("countess")), ..proof(&begun, &code) };
    let tokens = verify(&world).run(another, &browser()).await.unwrap();
    assert_eq!(world.rows.state().users.0[&tokens.claims.subject].user.username, Some(username("countess")));
}

#[tokio::test]
async fn of_two_claims_to_one_address_the_first_proof_decides_whose_password_counts() {
    let world = World::default();
    let attacker = register(&world, OTHER_PASSWORD).await;
    let attackers_code = world.mailed_code();
    let owner = register(&world, PASSWORD).await;
    let owners_code = world.mailed_code();
    let tokens = verify(&world).run(proof(&owner, &owners_code), &browser()).await.unwrap();
    let late = verify(&world).run(proof(&attacker, &attackers_code), &browser()).await;
    assert_eq!(late, Err(VerifyRegistrationError::CodeInvalid));
    let users = world.rows.state().users.0;
    assert_eq!(users.len(), 1);
    assert_eq!(world.password(&users[&tokens.claims.subject].user), PASSWORD);
}

#[tokio::test]
async fn a_claim_that_came_from_elsewhere_links_it_unless_somebody_did_meanwhile() {
    let link = a_social_identity();
    for linked_meanwhile in [false, true] {
        let world = World::default();
        let begun = register(&world, PASSWORD).await;
        let (provider, subject, label) = (link.provider.clone(), link.subject.clone(), link.label.clone());
        world.rows.prepare(|state| {
            let claimed = ClaimedIdentity { provider, subject, label };
            state.registrations.0.first_mut().unwrap().social = Some(claimed);
        });
        if linked_meanwhile {
            let mut tx = world.store.begin().await.unwrap();
            tx.users().insert(&user_number(2), None).await.unwrap();
            tx.social().insert(&SocialIdentity { user_id: user_number(2).id, ..link.clone() }).await.unwrap();
            tx.commit().await.unwrap();
        }
        let outcome = verify(&world).run(proof(&begun, &world.mailed_code()), &browser()).await;
        let mut tx = world.store.read().await.unwrap();
        let own = tx.social().list(begun.claims.subject).await.unwrap();
        assert_eq!(world.events().contains(&AuditEventName::SocialLinked), !linked_meanwhile);
        if linked_meanwhile {
            assert_eq!(outcome, Err(VerifyRegistrationError::CodeInvalid));
            assert!(own.is_empty() && tx.users().get(begun.claims.subject).await.unwrap().is_none());
        } else {
            assert!(outcome.is_ok());
            assert_eq!(own.iter().map(|own| &own.subject).collect::<Vec<_>>(), [&link.subject]);
        }
    }
}

#[tokio::test]
async fn of_parallel_right_codes_one_wins() {
    let world = World::default();
    let begun = register(&world, PASSWORD).await;
    let code = world.mailed_code();
    let verify = Arc::new(verify(&world));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (verify, proof) = (verify.clone(), proof(&begun, &code));
        tries.spawn(async move { verify.run(proof, &browser()).await });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(Result::as_ref).count() == world.rows.state().users.0.len());
}

/// A read that finds Ada's claim, and a counted guess.
fn looked_up_and_counted() -> [MockTx; 2] {
    let mut reading = MockTx::new();
    reading.registrations.expect_get().returning(|_, _| Ok(Some(a_registration())));
    let mut counting = MockTx::new();
    counting.guess_budgets.expect_reserve().times(1).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    [reading, counting]
}

/// Ada's token and the command that proves it, with its challenge open.
fn right_answer(parts: &Parts) -> VerifyRegistrationCommand {
    let mut claims = pre_authorized_claims();
    let code = OneTimeCode::parse("123456").unwrap();
    let issued = IssuedCode::Real(code.clone());
    let address = a_registration().address;
    let tag = parts.codes().seal(&claims.token_id, PreAuthorizedPurpose::Register, address.as_str(), &issued);
    (claims.otp, claims.otp_key) = (Some(tag.bytes), Some(tag.key));
    VerifyRegistrationCommand { claims, code, username: None }
}

/// A challenge that answers for [`right_answer`].
fn open_challenge() -> MockCeremonyStore {
    let mut ceremonies = MockCeremonyStore::new();
    let state = format!("{}\n", pre_authorized_claims().token_id).into_bytes();
    ceremonies.expect_find().times(1).return_once(move |_, _| Ok(Some(keystead_domain::SecretBytes::new(state))));
    ceremonies
}

#[tokio::test]
async fn the_guess_is_counted_and_committed_before_anything_is_compared() {
    let [reading, counting] = looked_up_and_counted();
    let counted = counting.outcome();
    let mut recording = MockTx::new();
    recording.audit.expect_append().times(1).returning(|_| Ok(()));
    let mut ceremonies = MockCeremonyStore::new();
    ceremonies.expect_find().times(1).return_once(move |_, _| {
        assert!(counted.committed());
        Ok(None)
    });
    let parts =
        Parts { ceremonies: Arc::new(ceremonies), ..Parts::on(MockStore::with_all([reading, counting, recording])) };
    let refused = verify(&parts).run(right_answer(&parts), &browser()).await;
    assert_eq!(refused, Err(VerifyRegistrationError::CodeInvalid));
}

#[tokio::test]
async fn a_spent_budget_compares_nothing() {
    let mut reading = MockTx::new();
    reading.registrations.expect_get().returning(|_, _| Ok(Some(a_registration())));
    let mut counting = MockTx::new();
    counting
        .guess_budgets
        .expect_reserve()
        .times(1)
        .returning(|_, _, _| Ok(BudgetDecision::Exhausted { again_at: START }));
    let mut recording = MockTx::new();
    recording.audit.expect_append().times(1).returning(|_| Ok(()));
    let parts = Parts {
        ceremonies: Arc::new(MockCeremonyStore::new()),
        ..Parts::on(MockStore::with_all([reading, counting, recording]))
    };
    let refused = verify(&parts).run(right_answer(&parts), &browser()).await;
    assert_eq!(refused, Err(VerifyRegistrationError::CodeInvalid));
}

#[tokio::test]
async fn a_race_lost_at_the_address_is_an_invalid_code_and_writes_nothing() {
    for lost_at_insert in [false, true] {
        let [reading, counting] = looked_up_and_counted();
        let mut making = MockTx::new();
        let claim = lost_at_insert.then(a_registration);
        making.registrations.expect_consume().times(1).return_once(move |_, _| Ok(claim));
        making.users.expect_insert().returning(|_, _| Err(StoreError::Conflict(Constraint::UserEmail)));
        let made = making.outcome();
        let parts = Parts {
            ceremonies: Arc::new(open_challenge()),
            sessions: Arc::new(MockSessionStore::new()),
            ..Parts::on(MockStore::with_all([reading, counting, making]))
        };
        let lost = verify(&parts).run(right_answer(&parts), &browser()).await;
        assert_eq!(lost, Err(VerifyRegistrationError::CodeInvalid));
        assert!(made.rolled_back());
    }
}

#[tokio::test]
async fn a_lost_commit_makes_no_session_and_keeps_the_challenge_open() {
    let [reading, counting] = looked_up_and_counted();
    let mut making = MockTx::new().failing(down());
    making.registrations.expect_consume().return_once(|_, _| Ok(Some(a_registration())));
    making.users.expect_insert().times(1).returning(|_, _| Ok(()));
    making.devices.expect_remember().times(1).returning(|_, _, _, _| Ok(()));
    making.login_history.expect_append().times(1).returning(|_| Ok(()));
    making.audit.expect_append().times(1).returning(|_| Ok(()));
    let parts = Parts {
        ceremonies: Arc::new(open_challenge()),
        sessions: Arc::new(MockSessionStore::new()),
        ..Parts::on(MockStore::with_all([reading, counting, making]))
    };
    let lost = verify(&parts).run(right_answer(&parts), &browser()).await;
    assert!(matches!(lost, Err(VerifyRegistrationError::Failure(Failure::Unavailable(_)))), "{lost:?}");
}
