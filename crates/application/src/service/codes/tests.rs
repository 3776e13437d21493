use super::*;
use crate::ports::MockCeremonyStore;
use crate::test_world::{Parts, World};
use crate::testing::{MockStore, MockTx, START, pre_authorized_claims, token_id};

const ADDRESS: &str = "ada@example.com";
const PURPOSE: PreAuthorizedPurpose = PreAuthorizedPurpose::Register;

fn code(text: &str) -> OneTimeCode {
    OneTimeCode::parse(text).unwrap()
}

/// What a token says that carries this code.
fn carrying(parts: &Parts, token: &str, issued: &IssuedCode) -> PreAuthorizedClaims {
    let token_id = token_id(token);
    let tag = parts.codes().seal(&token_id, PURPOSE, ADDRESS, issued);
    PreAuthorizedClaims { token_id, otp: Some(tag.bytes), otp_key: Some(tag.key), ..pre_authorized_claims() }
}

#[tokio::test]
async fn a_code_is_bound_to_its_token_purpose_address_and_key() {
    let world = World::default();
    let real = IssuedCode::Real(code("012345"));
    let claims = carrying(&world, "flow.1", &real);
    world.codes().open(&claims, START).await.unwrap();
    let foreign = [
        PreAuthorizedClaims { purpose: PreAuthorizedPurpose::Login, ..claims.clone() },
        PreAuthorizedClaims { otp: None, ..claims.clone() },
        PreAuthorizedClaims { otp_key: Some(crate::testing::key_id("mac-9")), ..claims.clone() },
    ];
    for claims in foreign {
        assert_eq!(world.codes().check(&claims, ADDRESS, &code("012345"), START).await, Err(CodeRefusal::Invalid));
    }
    let elsewhere = world.codes().check(&claims, "eve@example.com", &code("012345"), START).await;
    assert_eq!(elsewhere, Err(CodeRefusal::Invalid));
    assert_eq!(world.codes().check(&claims, ADDRESS, &code("012345"), START).await, Ok(()), "the fifth try");
}

#[tokio::test]
async fn a_decoy_matches_no_code_that_was_drawn() {
    let world = World::default();
    let (drawn, decoy) = (world.codes().draw(None), world.codes().draw_decoy());
    let claims = carrying(&world, "flow.1", &decoy);
    world.codes().open(&claims, START).await.unwrap();
    assert_eq!(world.codes().check(&claims, ADDRESS, &drawn, START).await, Err(CodeRefusal::Invalid));
    let other = carrying(&world, "flow.1", &world.codes().draw_decoy());
    assert_ne!(other.otp, claims.otp, "each is drawn anew");
}

#[tokio::test]
async fn a_challenge_never_opened_is_dead() {
    let world = World::default();
    let claims = carrying(&world, "flow.1", &IssuedCode::Real(code("012345")));
    assert_eq!(world.codes().check(&claims, ADDRESS, &code("012345"), START).await, Err(CodeRefusal::Invalid));
}

#[tokio::test]
async fn opening_for_a_newer_token_of_the_flow_kills_the_older_code() {
    let world = World::default();
    let old = carrying(&world, "flow.1", &IssuedCode::Real(code("111111")));
    let new = carrying(&world, "flow.2", &IssuedCode::Real(code("222222")));
    let other = carrying(&world, "another.1", &IssuedCode::Real(code("333333")));
    for claims in [&old, &new, &other] {
        world.codes().open(claims, START).await.unwrap();
    }
    assert_eq!(world.codes().check(&old, ADDRESS, &code("111111"), START).await, Err(CodeRefusal::Invalid));
    assert_eq!(world.codes().check(&new, ADDRESS, &code("222222"), START).await, Ok(()));
    assert_eq!(world.codes().check(&other, ADDRESS, &code("333333"), START).await, Ok(()));
}

#[tokio::test]
async fn guesses_at_a_dead_token_cannot_close_the_newer_one() {
    let world = World::default();
    let old = carrying(&world, "flow.1", &IssuedCode::Real(code("111111")));
    let new = carrying(&world, "flow.2", &IssuedCode::Real(code("222222")));
    world.codes().open(&old, START).await.unwrap();
    world.codes().open(&new, START).await.unwrap();
    for _ in 0..7 {
        assert!(world.codes().check(&old, ADDRESS, &code("999999"), START).await.is_err());
    }
    assert_eq!(world.codes().check(&new, ADDRESS, &code("222222"), START).await, Ok(()));
}

#[tokio::test]
async fn parallel_guesses_make_at_most_five_comparisons() {
    let world = World::default();
    let claims = carrying(&world, "flow.1", &IssuedCode::Real(code("012345")));
    let mut ceremonies = MockCeremonyStore::new();
    let state = format!("{}\n", claims.token_id).into_bytes();
    // A look at the challenge precedes every comparison.
    ceremonies.expect_find().times(5).returning(move |_, _| Ok(Some(keystead_domain::SecretBytes::new(state.clone()))));
    ceremonies.expect_take().times(1).returning(|_, _| Ok(None));
    let (store, hash, entropy) = (world.store.clone(), world.hash.clone(), world.entropy.clone());
    let codes = Arc::new(OneTimeCodes::new(Arc::new(ceremonies), store, hash, entropy));
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (codes, claims) = (codes.clone(), claims.clone());
        guesses.spawn(async move { codes.check(&claims, ADDRESS, &code("999999"), START).await });
    }
    assert!(guesses.join_all().await.into_iter().all(|guess| guess == Err(CodeRefusal::Invalid)));
}

#[tokio::test]
async fn a_guess_given_back_can_be_made_again() {
    let world = World::default();
    let claims = carrying(&world, "flow.1", &IssuedCode::Real(code("012345")));
    world.codes().open(&claims, START).await.unwrap();
    for _ in 0..8 {
        assert_eq!(world.codes().check(&claims, ADDRESS, &code("012345"), START).await, Ok(()));
        world.codes().give_back(&claims.token_id).await.unwrap();
    }
    world.codes().close(&claims.token_id, START).await.unwrap();
    assert_eq!(world.codes().check(&claims, ADDRESS, &code("012345"), START).await, Err(CodeRefusal::Invalid));
}

#[tokio::test]
async fn a_guess_that_could_not_be_counted_is_not_compared() {
    let mut tx = MockTx::new().failing(crate::test_world::down());
    let reserved = BudgetDecision::Reserved { count: 1 };
    tx.guess_budgets.expect_reserve().times(1).returning(move |_, _, _| Ok(reserved));
    let parts = Parts { ceremonies: Arc::new(MockCeremonyStore::new()), ..Parts::on(MockStore::with(tx).0) };
    let claims = carrying(&parts, "flow.1", &IssuedCode::Real(code("012345")));
    let unsure = parts.codes().check(&claims, ADDRESS, &code("012345"), START).await;
    assert!(matches!(unsure, Err(CodeRefusal::Failure(Failure::Unavailable(_)))), "{unsure:?}");
}

#[tokio::test]
async fn no_try_comes_back_while_a_token_lives() {
    let world = World::default();
    let claims = carrying(&world, "flow.1", &IssuedCode::Real(code("012345")));
    for count in 1..=limits::CODE_TRIES {
        assert_eq!(world.codes().count_guess(&claims.token_id, START).await, Ok(count));
    }
    let last = START.plus(limits::RESET_GRANT_LIFE).minus(Duration::from_micros(1));
    assert_eq!(world.codes().count_guess(&claims.token_id, last).await, Err(CodeRefusal::Invalid));
}
