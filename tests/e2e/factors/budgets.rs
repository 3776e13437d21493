//! G09 and O05: guesses are counted on the code and on the account, before they are compared, over all replicas, paths and
//! addresses. G10: not against a device its owner knows.

use std::collections::BTreeMap;
use std::time::Duration;

use keystead_testkit::race::race;

use super::{EMAIL, asked, locked, other_than, otp_invalid, with_email_codes, without_passwords};
use crate::support::{Authenticator, Mail, PASSWORD, Service, SignedIn, tally};

const RACERS: usize = 200;
/// The right form, and none of anybody's.
const WRONG_RECOVERY: &str = "0000-0000-0000-0000";
const QUARTER: Duration = Duration::from_secs(15 * 60 + 1);

#[tokio::test]
async fn g09_of_200_parallel_guesses_at_one_question_five_are_compared() {
    let service = Service::builder().configured(|config| config.mfa.max_failures = 100).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    ada.recovery_codes().await.unwrap();
    // Each comparison with a recovery code is a hash: they can be counted.
    let question = asked(&service, EMAIL).await;
    let before = service.hashes();
    let guesses = race(RACERS, |_| {
        let question = question.clone();
        async move { question.answer("recovery", WRONG_RECOVERY).await }
    });
    let (won, refused) = tally(guesses.await);
    assert!(won.is_empty());
    assert_eq!(service.hashes() - before, 5, "{refused:?}");
    // The 100th failure blocks.
    assert_eq!(refused, BTreeMap::from([(otp_invalid(), 100), (locked(), RACERS - 100)]));
    service.advance(QUARTER).await;
    let code = service.fresh_code(&program).await;
    asked(&service, EMAIL).await.answer("totp", &code).await.unwrap();
}

#[tokio::test]
async fn g09_a_mailed_code_dies_with_the_fifth_guess() {
    let service = Service::builder().configured(|config| config.mfa.max_failures = 100).start().await;
    with_email_codes(&service, EMAIL).await;
    for (round, (tries, dies)) in [(4, false), (5, true)].into_iter().enumerate() {
        let question = asked(&service, EMAIL).await;
        let code = service.mails_about(EMAIL, "Your login code", round + 1).await[round].code().unwrap();
        let wrong = other_than(std::slice::from_ref(&code));
        for nth in 0..tries {
            let refused = question.through(&service.replica(nth)).answer("email", &wrong).await.unwrap_err();
            assert_eq!(refused, otp_invalid());
        }
        assert_eq!(question.answer("email", &code).await.is_err(), dies, "after {tries}");
    }
    let question = asked(&service, EMAIL).await;
    let code = service.mails_about(EMAIL, "Your login code", 3).await[2].code().unwrap();
    let wrong = other_than(std::slice::from_ref(&code));
    let guesses = race(RACERS / 4, |_| {
        let (question, wrong) = (question.clone(), wrong.clone());
        async move { question.answer("email", &wrong).await }
    });
    let (won, refused) = tally(guesses.await);
    assert_eq!((won.len(), refused), (0, BTreeMap::from([(otp_invalid(), RACERS / 4)])));
    assert_eq!(question.answer("email", &code).await.unwrap_err(), otp_invalid(), "the right one came too late");
}

/// Ten wrong answers: at two questions of logins, at a step-up and at a reset, at every replica in turn.
async fn ten_wrong(service: &Service, ada: &SignedIn, program: &Authenticator) {
    let step = service.step();
    let soon: Vec<String> = (0..8).map(|ahead| program.code(step + ahead)).chain([program.code(step - 1)]).collect();
    let wrong = other_than(&soon);
    let first = asked(service, EMAIL).await;
    for _ in 0..3 {
        assert_eq!(first.answer("totp", &wrong).await.unwrap_err(), otp_invalid());
    }
    let second = asked(service, EMAIL).await;
    for _ in 0..2 {
        assert_eq!(second.answer("recovery", WRONG_RECOVERY).await.unwrap_err(), otp_invalid());
    }
    ada.ask_step_up("authenticator").await.unwrap();
    for _ in 0..3 {
        assert_eq!(ada.step_up(&wrong).await.unwrap_err(), otp_invalid());
    }
    ada.client.forgot(EMAIL).await.unwrap();
    let link = service.link_tokens(EMAIL, 1).await.remove(0);
    let grant = ada.client.begin_reset(&link).await.unwrap();
    for _ in 0..2 {
        assert_eq!(grant.answer("totp", &wrong).await.unwrap_err(), otp_invalid());
    }
}

/// The right code is refused, on every path.
async fn assert_locked(service: &Service, ada: &SignedIn, program: &Authenticator) {
    let code = service.fresh_code(program).await;
    let reply = asked(service, EMAIL).await.answer_reply("totp", &code).await;
    assert_eq!(reply.refusal(), locked());
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    ada.ask_step_up("authenticator").await.unwrap();
    assert_eq!(ada.step_up(&code).await.unwrap_err(), locked());
    assert_eq!(ada.remove_totp(&code).await.unwrap_err(), locked());
}

#[tokio::test]
async fn g09_g10_ten_failures_over_all_paths_block_everybody_but_known_devices() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    ten_wrong(&service, &ada, &program).await;
    assert_locked(&service, &ada, &program).await;
    let told = service.mails_about(EMAIL, "Wrong second factors", 1).await;
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("15 minutes"), "{}", told[0].text);

    // The owner, at a browser that was there before.
    let device = ada.device.clone().unwrap();
    let known = service.native().on_device(&device);
    let question = known.login_asked(EMAIL, PASSWORD).await.unwrap();
    let code = service.fresh_code(&program).await;
    question.answer("totp", &code).await.expect("G10");
    // That is this device's budget, not a stranger's way around the block.
    let bob = service.registered("bob@example.com").await;
    let code = service.fresh_code(&program).await;
    for device in [bob.device.unwrap(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()] {
        let foreign = service.native().on_device(&device).login_asked(EMAIL, PASSWORD).await.unwrap();
        assert_eq!(foreign.answer("totp", &code).await.unwrap_err(), locked());
    }

    service.advance(QUARTER).await;
    let code = service.fresh_code(&program).await;
    asked(&service, EMAIL).await.answer("totp", &code).await.expect("the block is over");
    service.mail_settled().await;
    assert_eq!(service.mails_about(EMAIL, "Wrong second factors", 1).await.len(), 1, "told once");
}

#[tokio::test]
async fn g09_a_block_survives_a_restart() {
    let service = Service::start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    ten_wrong(&service, &ada, &program).await;
    let service = service.restart().await;
    let ada = ada.through(service.api());
    assert_locked(&service, &ada, &program).await;
}

#[tokio::test]
async fn g09_sending_again_and_asking_again_reset_nothing() {
    let service = Service::start().await;
    let ada = with_email_codes(&service, EMAIL).await;
    let mut question = asked(&service, EMAIL).await;
    for nth in 0..5 {
        let sent = service.mails_about(EMAIL, "Your login code", nth + 1).await;
        let wrong = other_than(&sent.iter().filter_map(Mail::code).collect::<Vec<_>>());
        for _ in 0..2 {
            assert_eq!(question.answer("email", &wrong).await.unwrap_err(), otp_invalid());
        }
        question = question.send("email").await.unwrap();
    }
    let code = service.mails_about(EMAIL, "Your login code", 6).await[5].code().unwrap();
    assert_eq!(question.answer("email", &code).await.unwrap_err(), locked(), "eleven would have been compared");
    ada.ask_step_up("email").await.unwrap();
    let code = service.mails_about(EMAIL, "Your security code", 1).await[0].code().unwrap();
    assert_eq!(ada.step_up(&code).await.unwrap_err(), locked());
}

#[tokio::test]
async fn a_success_forgives_its_own_factor_only_and_blocks_grow() {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.mfa.max_failures = 4;
        config.mfa.block = Duration::from_secs(24 * 3600);
        config.mfa.longest_block = Duration::from_secs(72 * 3600);
    };
    let service = Service::builder().configured(change).start().await;
    let (ada, program) = service.enrolled(EMAIL).await;
    let codes = ada.recovery_codes().await.unwrap();
    let wrong_recovery =
        || async { asked(&service, EMAIL).await.answer("recovery", WRONG_RECOVERY).await.unwrap_err() };
    assert_eq!(wrong_recovery().await, otp_invalid());
    assert_eq!(wrong_recovery().await, otp_invalid());
    let code = service.fresh_code(&program).await;
    asked(&service, EMAIL).await.answer("totp", &code).await.expect("which forgives wrong codes of the program");
    assert_eq!(wrong_recovery().await, otp_invalid());
    assert_eq!(wrong_recovery().await, otp_invalid(), "the fourth");
    let right = asked(&service, EMAIL).await.answer_reply("recovery", &codes[0]).await;
    assert_eq!(right.refusal(), locked());
    let wait: u64 = right.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");

    service.advance(Duration::from_secs(24 * 3600 + 1)).await;
    for _ in 0..4 {
        assert_eq!(wrong_recovery().await, otp_invalid());
    }
    let reply = asked(&service, EMAIL).await.answer_reply("recovery", &codes[0]).await;
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((172_000..=172_800).contains(&wait), "twice as long: {wait}");
}

#[tokio::test]
async fn g09_codes_in_the_place_of_passwords_share_the_budget() {
    let service = Service::builder().configured(without_passwords).start().await;
    service.registered(EMAIL).await;
    for (nth, identity) in [EMAIL, "ADA@Example.com"].into_iter().enumerate() {
        let half_way = service.native().passwordless(identity).await.unwrap();
        let sent = service.mails_about(EMAIL, "Log in to", nth + 1).await;
        let wrong = other_than(&sent.iter().filter_map(Mail::code).collect::<Vec<_>>());
        for _ in 0..5 {
            assert_eq!(half_way.verify_passwordless(&wrong).await.unwrap_err(), otp_invalid());
        }
    }
    let half_way = service.native().passwordless(EMAIL).await.unwrap();
    let code = service.mails_about(EMAIL, "Log in to", 3).await[2].code().unwrap();
    assert_eq!(half_way.verify_passwordless(&code).await.unwrap_err(), locked());
    // For a name nobody has the same happens.
    for _ in 0..2 {
        let decoy = service.native().passwordless("nobody@example.com").await.unwrap();
        for _ in 0..5 {
            assert_eq!(decoy.verify_passwordless("000000").await.unwrap_err(), otp_invalid());
        }
    }
    let decoy = service.native().passwordless("nobody@example.com").await.unwrap();
    assert_eq!(decoy.verify_passwordless("000000").await.unwrap_err(), locked());
    service.native().login(EMAIL, PASSWORD).await.expect("the password is another matter");
}
