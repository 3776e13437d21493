//! O04: which time steps' codes are accepted.

use crate::factors::{EMAIL, otp_invalid};
use crate::support::{Authenticator, STEP, Service, SignedIn};

/// Moves the clock to this second of a time step.
async fn move_to(service: &Service, second: u64) {
    let wait = (second + STEP.as_secs() - service.now() % STEP.as_secs()) % STEP.as_secs();
    service.advance(std::time::Duration::from_secs(wait)).await;
}

/// Which of the steps T-3..T+3 are accepted; `None` when the clock went on to another step meanwhile.
async fn accepted(service: &Service, ada: &SignedIn, program: &Authenticator, second: u64) -> Option<Vec<i64>> {
    // Whatever was used before is long over.
    service.advance(8 * STEP).await;
    move_to(service, second).await;
    let step = service.step();
    let mut accepted = Vec::new();
    for offset in [3, 2, 1, -3, -2, -1, 0_i64] {
        let code = program.code(step.checked_add_signed(offset).unwrap());
        ada.ask_step_up("authenticator").await.unwrap();
        match ada.step_up(&code).await {
            Ok(_) => accepted.push(offset),
            Err(refused) => assert_eq!(refused, otp_invalid(), "T{offset:+}"),
        }
    }
    (service.step() == step).then_some(accepted)
}

#[tokio::test]
async fn o04_exactly_the_steps_of_the_window_are_accepted() {
    for (window, expected) in [(0, vec![0]), (1, vec![-1, 0]), (2, vec![-2, -1, 0])] {
        let service = Service::builder()
            .configured(|config| {
                config.totp.window = window;
                config.mfa.max_failures = 100;
                config.limits.mode = keystead_api_actix::config::LimitsMode::Off;
            })
            .start()
            .await;
        let (mut ada, program) = service.enrolled(EMAIL).await;
        for second in [0, 15, 28] {
            let found = loop {
                // The clock runs while it is asked: what began in one step and ended in the next says nothing.
                match accepted(&service, &ada, &program, second).await {
                    Some(found) => break found,
                    None => ada = ada.refresh().await.unwrap(),
                }
            };
            assert_eq!(found, expected, "window {window}, second {second}");
            ada = ada.refresh().await.unwrap();
        }
    }
}
