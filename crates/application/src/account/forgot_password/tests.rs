use keystead_domain::account::{AccountStatus, PasswordHash};

use super::*;
use crate::ports::BudgetDecision;
use crate::test_world::{Parts, World, again, browser, secret};
use crate::testing::{MockStore, MockTx, START, a_user, fake_hash, user_number};

fn forgot(parts: &Parts) -> ForgotPassword {
    ForgotPassword::new(parts.store.clone(), parts.clock.clone(), parts.issuer(), parts.login_desk())
}

/// Exactly what asking for a link does, whoever asks.
fn one_request(account: Option<(User, Option<PasswordHash>)>) -> MockTx {
    let mut tx = MockTx::new();
    tx.users.expect_find_by_login_name().times(1).return_once(|_| Ok(account));
    tx.guess_budgets.expect_reserve().times(1).returning(|_, _, _| Ok(BudgetDecision::Reserved { count: 1 }));
    tx.link_tokens.expect_issue().times(1).returning(|_| Ok(()));
    tx.outbox.expect_enqueue().times(1).returning(|_| Ok(()));
    tx.audit.expect_append().times(1).returning(|_| Ok(()));
    tx
}

#[tokio::test]
async fn known_unknown_and_closed_accounts_cost_the_same_calls_and_answer_alike() {
    let closed = User { status: AccountStatus::Banned, ..a_user() };
    for account in [None, Some(a_user()), Some(closed)] {
        let account = account.map(|user| (user, Some(fake_hash("x"))));
        let (store, outcome) = MockStore::with(one_request(account));
        assert_eq!(forgot(&Parts::on(store)).run("ada@example.com", None, &browser()).await, Ok(()));
        assert!(outcome.committed());
    }
}

#[tokio::test]
async fn the_owner_gets_a_link_below_the_public_address_and_the_store_its_hash() {
    let mut world = World::with(a_user());
    world.configure(|settings| settings.public_url = "https://id.example.com".into());
    forgot(&world).run("ADA", None, &browser()).await.unwrap();
    let message = &world.messages()[0];
    assert_eq!(message.to, a_user().address().unwrap());
    let Notice::ResetPassword { link, minutes } = &message.notice else { panic!("{message:?}") };
    assert!(link.starts_with("https://id.example.com/reset-password#token="), "{link}");
    assert_eq!(*minutes, 30);
    let link = &world.rows.state().link_tokens.0[0];
    assert_eq!(link.hash, world.issuer().link_hash(&world.mailed_token()));
    assert_eq!((link.user_id, link.epoch), (Some(a_user().id), a_user().epoch));
    assert_eq!(link.expires_at, START.plus(limits::RESET_LINK_LIFE));
}

#[tokio::test]
async fn nobody_and_closed_accounts_get_rows_that_lead_nowhere() {
    let world = World::with(User { status: AccountStatus::Deactivated, ..a_user() });
    forgot(&world).run("ada@example.com", None, &browser()).await.unwrap();
    forgot(&world).run("nobody@example.com", None, &browser()).await.unwrap();
    assert_eq!(world.notices(), ["decoy", "decoy"]);
    assert!(world.rows.state().link_tokens.0.iter().all(|link| link.user_id.is_none()));
}

#[tokio::test]
async fn links_are_limited_per_account_whatever_its_alias_and_for_names_nobody_has() {
    let world = World::with(a_user());
    world.add(user_number(2));
    for name in ["ada", "ada@example.com", "nobody", "nobody"] {
        forgot(&world).run(name, None, &browser()).await.unwrap();
    }
    let limited = Err(ForgotPasswordError::Limited { again_at: START.plus(limits::FORGOT_ACCOUNT.interval()) });
    let mails = world.messages().len();
    assert_eq!(forgot(&world).run("Ada@Example.com", None, &browser()).await, limited);
    assert_eq!(forgot(&world).run("nobody", None, &browser()).await, limited);
    assert_eq!(world.messages().len(), mails);
    assert_eq!(forgot(&world).run("user2@example.com", None, &browser()).await, Ok(()), "others have their own");
}

#[tokio::test]
async fn a_second_attempt_sends_nothing_whoever_asks() {
    let world = World::with(a_user());
    for name in ["ada", "nobody"] {
        let sent = world.messages().len();
        let seed = again(u8::try_from(sent).unwrap());
        for _ in 0..3 {
            assert_eq!(forgot(&world).run(name, None, &seed).await, Ok(()), "nor is it counted again");
        }
        assert_eq!(world.messages().len(), sent + 1);
    }
}

#[tokio::test]
async fn a_shown_device_is_looked_up_whoever_is_asked_for() {
    let closed = User { status: AccountStatus::Banned, ..a_user() };
    for account in [None, Some(a_user()), Some(closed)] {
        let mut tx = one_request(account.map(|user| (user, Some(fake_hash("x")))));
        tx.devices.expect_is_known().times(1).returning(|_, _, _| Ok(false));
        let (store, outcome) = MockStore::with(tx);
        assert_eq!(forgot(&Parts::on(store)).run("ada", Some(&secret("any")), &browser()).await, Ok(()));
        assert!(outcome.committed());
    }
}

#[tokio::test]
async fn g10_strangers_use_up_no_link_of_a_browser_its_owner_signed_in_with() {
    let world = World::with(a_user());
    world.add(user_number(2));
    world.knows_device(a_user().id, "ada's").await;
    world.knows_device(user_number(2).id, "another's").await;
    let limited = Err(ForgotPasswordError::Limited { again_at: START.plus(limits::FORGOT_ACCOUNT.interval()) });
    for device in [None, Some(secret("invented"))] {
        forgot(&world).run("ada", device.as_ref(), &browser()).await.unwrap();
    }
    for device in [None, Some(secret("invented")), Some(secret("another's"))] {
        assert_eq!(forgot(&world).run("ada@example.com", device.as_ref(), &browser()).await, limited, "{device:?}");
    }
    // The owner, at a browser that was there before: as often as anybody, and on nobody else's account.
    let known = secret("ada's");
    for name in ["ada", "ada@example.com"] {
        assert_eq!(forgot(&world).run(name, Some(&known), &browser()).await, Ok(()));
    }
    assert_eq!(world.notices(), ["reset_password"; 4]);
    assert_eq!(forgot(&world).run("ada", Some(&known), &browser()).await, limited);
}
