//! Logins beyond the budget of an account: a captcha buys guesses, and a known device needs none.

use serde_json::{Value, json};

use super::{invalid, required, solved, work};
use crate::support::{Anonymous, PASSWORD, Refusal, Reply, Service, refusal};

const ADA: &str = "ada@example.com";
const WRONG: &str = "copper-violin-meadow-17";

/// Ada's service, and the token of her device. Registering asks for nothing.
async fn begin() -> (Service, String) {
    let builder = Service::builder().default_limits().behind_a_proxy().configured(work);
    let service =
        builder.configured(|config| config.captcha.actions.retain(|action| action.as_str() == "login")).start().await;
    let device = service.registered(ADA).await.device.unwrap();
    (service, device)
}

fn stranger(service: &Service, number: usize) -> Anonymous {
    service.native().at(&format!("198.51.100.{}", number + 1))
}

async fn login(client: &Anonymous, identity: &str, password: &str, captcha: Option<&str>) -> Reply {
    let body: Value = json!({ "identity": identity, "password": password, "captcha": captcha });
    client.post("/auth/login", &body).await
}

fn wrong() -> Refusal {
    refusal(401, "INVALID_CREDENTIALS")
}

#[tokio::test]
async fn beyond_ten_failures_a_captcha_buys_twenty_more_guesses_for_every_name_alike() {
    let (service, device) = begin().await;
    for (nth, identity) in [ADA, "nobody@example.com"].into_iter().enumerate() {
        let client = |number: usize| stranger(&service, nth * 60 + number);
        for number in 0..10 {
            assert_eq!(login(&client(number), identity, WRONG, None).await.refusal(), wrong());
        }
        let hashes = service.hashes();
        for (number, captcha, expected) in [(10, None, required()), (11, Some("wrong"), invalid())] {
            assert_eq!(login(&client(number), identity, PASSWORD, captcha).await.refusal(), expected);
        }
        assert_eq!(service.hashes(), hashes, "what is not compared is not hashed");
        for number in 12..32 {
            let solution = solved(&client(number), "login").await;
            assert_eq!(login(&client(number), identity, WRONG, Some(&solution)).await.refusal(), wrong());
            assert_eq!(
                login(&client(number), identity, WRONG, Some(&solution)).await.refusal(),
                if number < 31 { invalid() } else { refusal(429, "ACCOUNT_LIMITED") }
            );
        }
        let solution = solved(&client(33), "login").await;
        for captcha in [None, Some(solution.as_str())] {
            let reply = login(&client(33), identity, PASSWORD, captcha).await;
            assert_eq!(reply.refusal(), refusal(429, "ACCOUNT_LIMITED"), "{identity}");
        }
    }
    let known = stranger(&service, 150).on_device(&device);
    known.login(ADA, PASSWORD).await.expect("her own device is let in, whatever others do");
}

#[tokio::test]
async fn the_owner_gets_in_from_elsewhere_with_a_captcha() {
    let (service, _) = begin().await;
    for number in 0..10 {
        assert_eq!(login(&stranger(&service, number), ADA, WRONG, None).await.refusal(), wrong());
    }
    let client = stranger(&service, 20);
    let solution = solved(&client, "login").await;
    login(&client, ADA, PASSWORD, Some(&solution)).await.ok(200).unwrap();
}
