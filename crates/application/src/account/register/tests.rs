use std::time::Duration;

use keystead_domain::account::User;
use keystead_domain::limits;

use super::*;
use crate::ports::{BudgetDecision, Clock, HashError, MockCeremonyStore, MockPasswordHasher};
use crate::test_world::{PASSWORD, Parts, World, again, browser, down, secret, to};
use crate::testing::{FakeHasher, MockStore, MockTx, a_user, contact, email, fake_hash, user_number, username};

fn register(parts: &Parts) -> RegisterUser {
    let (store, secrets, clock) = (parts.store.clone(), parts.secrets(), parts.clock.clone());
    RegisterUser::new(store, secrets, clock, parts.issuer(), parts.codes(), parts.registration_desk())
}

fn command() -> RegisterUserCommand {
    RegisterUserCommand {
        address: to("new@example.com"),
        username: Some(username("newcomer")),
        full_name: FullName::try_new("Grace Hopper").ok(),
        secret: Some(secret(PASSWORD).into()),
    }
}

/// A transaction that allows exactly what one registration does, for an address this account holds.
fn one_registration(holder: Option<User>) -> MockTx {
    use keystead_domain::account::LoginName;
    let mut tx = MockTx::new();
    tx.users.expect_find_by_login_name().times(2).returning(move |name| match name {
        LoginName::Email(_) => Ok(holder.clone().map(|user| (user, None))),
        _ => Ok(None),
    });
    tx.guess_budgets.expect_reserve().times(1).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    tx.registrations.expect_insert().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx
}

#[tokio::test]
async fn a_taken_address_costs_the_same_calls_as_a_free_one_and_answers_alike() {
    let mut lengths = Vec::new();
    for holder in [None, Some(user_number(7))] {
        let (store, outcome) = MockStore::with(one_registration(holder));
        let hasher = std::sync::Arc::new(FakeHasher::new());
        let parts = Parts { hasher: hasher.clone(), ..Parts::on(store) };
        let tokens = register(&parts).run(command(), &browser()).await.unwrap();
        assert!(outcome.begun() && outcome.committed());
        assert_eq!((hasher.hashes(), hasher.work()), (1, 1));
        assert!(tokens.claims.otp.is_some() && tokens.claims.otp_key.is_some());
        assert_eq!(tokens.claims.purpose, PreAuthorizedPurpose::Register);
        lengths.push((tokens.token.expose().len(), tokens.client_id.expose().len()));
    }
    assert_eq!(lengths[0], lengths[1]);
}

#[tokio::test]
async fn the_password_is_hashed_before_a_transaction_opens() {
    let (store, outcome) = MockStore::with(one_registration(None));
    let mut hasher = MockPasswordHasher::new();
    let seen = outcome.clone();
    hasher.expect_hash().times(1).return_once(move |_| {
        assert!(seen.unused(), "a transaction was open across the hash");
        Ok(fake_hash(PASSWORD))
    });
    let parts = Parts { hasher: Arc::new(hasher), ..Parts::on(store) };
    register(&parts).run(command(), &browser()).await.unwrap();
    assert!(outcome.committed());
}

#[tokio::test]
async fn the_claim_keeps_the_hash_and_the_address_gets_the_code() {
    let world = World::default();
    let tokens = register(&world).run(command(), &browser()).await.unwrap();
    let state = world.rows.state();
    let claim = &state.registrations.0[0];
    assert_eq!((claim.id, &claim.address), (tokens.claims.subject, &to("new@example.com")));
    assert_eq!(claim.password, Some(fake_hash(PASSWORD)));
    assert_eq!(claim.expires_at, world.clock.now().plus(limits::REGISTRATION_LIFE));
    assert!(state.users.0.is_empty(), "nothing exists before it is proved");
    let message = &world.messages()[0];
    assert_eq!((message.to.as_str(), message.name.as_deref()), ("new@example.com", Some("Grace Hopper")));
    assert_eq!(world.mailed_code().len(), 6);
    assert_eq!(state.outbox.0[0].message.expires_at, world.clock.now().plus(limits::CODE_LIFE));
    assert_eq!(world.events(), [AuditEventName::RegistrationStarted]);
}

#[tokio::test]
async fn the_owner_of_a_taken_address_is_told_three_times_an_hour() {
    let world = World::with(a_user());
    let command = || RegisterUserCommand { address: a_user().address().unwrap(), username: None, ..command() };
    for _ in 0..4 {
        let tokens = register(&world).run(command(), &browser()).await.unwrap();
        assert_ne!(tokens.claims.subject, a_user().id, "the answer does not name the account");
    }
    assert_eq!(world.notices(), ["account_exists", "account_exists", "account_exists", "decoy"]);
    assert!(world.messages().iter().all(|message| Some(&message.to) == a_user().address().as_ref()));
    assert_eq!(world.rows.state().registrations.0.len(), 4);
    world.clock.advance(Duration::from_secs(3600));
    register(&world).run(command(), &browser()).await.unwrap();
    assert_eq!(world.notices()[4], "account_exists");
}

#[tokio::test]
async fn a_username_that_an_account_holds_is_refused_and_nothing_is_written() {
    let mut tx = MockTx::new();
    tx.users.expect_find_by_login_name().times(1).returning(|_| Ok(Some((a_user(), None))));
    let (store, outcome) = MockStore::with(tx);
    let parts = Parts { ceremonies: Arc::new(MockCeremonyStore::new()), ..Parts::on(store) };
    let refused = register(&parts).run(command(), &browser()).await;
    assert_eq!(refused, Err(RegisterUserError::UsernameTaken));
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_username_only_claimed_is_free() {
    let world = World::default();
    register(&world).run(command(), &browser()).await.unwrap();
    let second = RegisterUserCommand { address: to("other@example.com"), ..command() };
    assert!(register(&world).run(second, &browser()).await.is_ok());
}

#[tokio::test]
async fn refusals_before_the_hash_cost_nothing() {
    let hasher = Arc::new(FakeHasher::new());
    let mut parts = Parts { hasher: hasher.clone(), ..Parts::default() };
    let cases = [
        ("short", PasswordRefusal::TooShort { min: 8 }),
        (&"x".repeat(2000), PasswordRefusal::TooLong),
        ("password123", PasswordRefusal::Common),
        ("newcomer2026", PasswordRefusal::OwnWords),
        ("GraceHopper!", PasswordRefusal::OwnWords),
    ];
    for (password, refusal) in cases {
        let command = RegisterUserCommand { secret: Some(secret(password).into()), ..command() };
        assert_eq!(register(&parts).run(command, &browser()).await, Err(RegisterUserError::Password(refusal)));
    }
    parts.settings.registration_open = false;
    assert_eq!(register(&parts).run(command(), &browser()).await, Err(RegisterUserError::Closed));
    assert_eq!(hasher.work(), 0);
}

#[tokio::test]
async fn a_busy_hasher_is_told_and_no_transaction_opens() {
    let retry_after = Duration::from_secs(2);
    let mut hasher = MockPasswordHasher::new();
    hasher.expect_hash().return_once(move |_| Err(HashError::Busy { retry_after }));
    let parts = Parts { hasher: Arc::new(hasher), ..Parts::default() };
    let refused = register(&parts).run(command(), &browser()).await;
    assert_eq!(refused, Err(RegisterUserError::Failure(Failure::Busy { retry_after })));
}

#[tokio::test]
async fn a_store_that_is_down_or_loses_the_commit_leaves_no_open_challenge() {
    let unopened = || Arc::new(MockCeremonyStore::new());
    let parts = Parts { ceremonies: unopened(), ..Parts::on(MockStore::unavailable()) };
    let refused = register(&parts).run(command(), &browser()).await;
    assert!(matches!(refused, Err(RegisterUserError::Failure(Failure::Unavailable(_)))), "{refused:?}");

    let (store, outcome) = MockStore::with(one_registration(None).failing(down()));
    let parts = Parts { ceremonies: unopened(), ..Parts::on(store) };
    let refused = register(&parts).run(command(), &browser()).await;
    assert!(matches!(refused, Err(RegisterUserError::Failure(Failure::Unavailable(_)))), "{refused:?}");
    assert!(outcome.rolled_back());
}

#[tokio::test]
async fn a_half_way_token_is_bound_to_the_client_id_the_browser_has() {
    let world = World::default();
    let known = RequestContext { client_id: Some(secret("a client id from before")), ..browser() };
    let tokens = register(&world).run(command(), &known).await.unwrap();
    assert_eq!(tokens.client_id, secret("a client id from before"));
    assert_eq!(Some(tokens.claims.fingerprint), world.gate().fingerprint(Some("a client id from before")));
}

#[tokio::test]
async fn a_second_attempt_writes_nothing_and_answers_as_the_first_would_have() {
    let taken = User { email: Some(contact(user_number(7).id, email("new@example.com"))), ..user_number(7) };
    for holder in [None, Some(taken)] {
        let world = World::default();
        let is_free = holder.is_none();
        if let Some(user) = holder {
            world.add(user);
        }
        let first = register(&world).run(command(), &again(1)).await.unwrap();
        let second = register(&world).run(command(), &again(1)).await.unwrap();
        assert_eq!(first.claims.token_id, second.claims.token_id);
        assert_eq!(first.claims.subject, second.claims.subject);
        assert_eq!((first.claims.otp == second.claims.otp), is_free, "a decoy fits nothing, each time anew");
        let state = world.rows.state();
        assert_eq!((state.registrations.0.len(), state.outbox.0.len(), state.audit.rows.len()), (1, 1, 1));

        let other = register(&world).run(command(), &again(2)).await.unwrap();
        assert_ne!(other.claims.subject, first.claims.subject);
        assert_eq!(world.rows.state().outbox.0.len(), 2, "another request is served");
    }
}

#[tokio::test]
async fn an_attempt_that_did_not_commit_leaves_the_next_one_to_do_it() {
    let world = World::default();
    world.add(User { username: Some(username("newcomer")), ..user_number(7) });
    assert_eq!(register(&world).run(command(), &again(1)).await, Err(RegisterUserError::UsernameTaken));
    let other = RegisterUserCommand { username: None, ..command() };
    register(&world).run(other, &again(1)).await.unwrap();
    assert_eq!(world.notices(), ["verify_email"]);
}
