//! reCAPTCHA, hCaptcha and Turnstile: documented answers, and everything that is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystead_adapters_providers::{ProviderConfigError, SiteVerify, SiteVerifyConfig, SiteVerifyTools};
use keystead_application::ports::{
    CaptchaAction, CaptchaError, CaptchaVerifier as _, Clock as _, EphemeralError, MockCeremonyStore,
};
use keystead_application::testing::{FakeCeremonies, FakeKeyedHash, FixedClock};
use keystead_domain::{SecretString, Timestamp, limits};
use serde_json::{Value, json};

use crate::server::{Reply, Server, nobody};

const SECRET: &str = "0x-the-secret-of-the-site";
const SOLVED: &str = "2026-11-22T11:00:00Z";
/// [`SOLVED`], in seconds.
const SOLVED_AT: i64 = 1_795_345_200;
const ACTION: CaptchaAction = CaptchaAction::SrpChallenge;

fn config(url: &str) -> SiteVerifyConfig {
    SiteVerifyConfig {
        url: format!("{url}/siteverify"),
        secret: SECRET.to_owned().into(),
        hostnames: vec!["id.example.com".to_owned()],
        min_score: None,
    }
}

fn tools() -> (SiteVerifyTools, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(SOLVED_AT + 10)));
    let (ceremonies, hash) = (Arc::new(FakeCeremonies::new()), Arc::new(FakeKeyedHash::new()));
    (SiteVerifyTools { ceremonies, hash, clock: clock.clone() }, clock)
}

fn token(text: &str) -> SecretString {
    text.to_owned().into()
}

/// What Turnstile answers to a good token.
fn good() -> Value {
    json!({
        "success": true, "challenge_ts": SOLVED, "hostname": "id.example.com",
        "error-codes": [], "action": "srp-challenge", "cdata": "", "metadata": { "interactive": false },
    })
}

fn with(changes: Value) -> Value {
    let mut answer = good();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        answer[name] = value;
    }
    answer
}

async fn verify(config: SiteVerifyConfig) -> Result<(), CaptchaError> {
    SiteVerify::new(config, tools().0).unwrap().verify(ACTION, &token("a.token"), None).await
}

/// What becomes of a good token when the provider answers this.
async fn after(reply: Reply) -> Result<(), CaptchaError> {
    verify(config(&Server::start([reply]).await.url)).await
}

async fn answered(answer: &Value) -> Result<(), CaptchaError> {
    after(Reply::json("200 OK", &answer.to_string())).await
}

#[track_caller]
fn unavailable(result: Result<(), CaptchaError>) -> String {
    let Err(CaptchaError::Unavailable(text)) = result else { panic!("nobody can say, not {result:?}") };
    assert!(!text.contains(SECRET) && !text.contains("a.token"), "{text}");
    text
}

#[tokio::test]
async fn a_question_is_one_documented_request() {
    let server = Server::start([Reply::json("200 OK", &good().to_string())]).await;
    let captcha = SiteVerify::new(config(&server.url), tools().0).unwrap();
    let client = Some("2001:db8::7".parse().unwrap());
    assert_eq!(captcha.verify(ACTION, &token("03AG-x_y.z+1"), client).await, Ok(()));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /siteverify HTTP/1.1");
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let expected = format!("secret={SECRET}&response=03AG-x_y.z%2B1&remoteip=2001%3Adb8%3A%3A7");
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn answers_of_every_provider_to_a_good_token_are_read() {
    for answer in [
        good(),
        // reCAPTCHA version 2 and hCaptcha know no action.
        json!({ "success": true, "challenge_ts": SOLVED, "hostname": "id.example.com" }),
        json!({ "success": true, "challenge_ts": SOLVED, "hostname": "ID.example.com", "credit": false }),
        // Version 3 takes no hyphens in names of actions.
        json!({ "success": true, "challenge_ts": SOLVED, "hostname": "id.example.com", "score": 0.9, "action": "srp_challenge" }),
        json!({ "success": true, "challenge_ts": "2026-11-22T12:00:00+01:00", "hostname": "id.example.com" }),
        json!({ "success": true, "hostname": "id.example.com" }),
        with(json!({ "action": "", "cdata": "srp-challenge" })),
    ] {
        assert_eq!(answered(&answer).await, Ok(()), "{answer}");
    }
}

#[tokio::test]
async fn tokens_that_are_wrong_of_elsewhere_old_or_of_another_action_are_refused() {
    for answer in [
        json!({ "success": false, "error-codes": ["invalid-input-response"] }),
        json!({ "success": false, "error-codes": ["timeout-or-duplicate"] }),
        json!({ "success": false }),
        with(json!({ "success": false })),
        with(json!({ "hostname": "evil.example.com" })),
        with(json!({ "hostname": "evilid.example.com" })),
        with(json!({ "hostname": null })),
        with(json!({ "action": "register" })),
        with(json!({ "action": "", "cdata": "login" })),
        with(json!({ "challenge_ts": "2026-11-22T10:55:10Z" })),
    ] {
        assert_eq!(answered(&answer).await, Err(CaptchaError::Refused), "{answer}");
    }
}

#[tokio::test]
async fn a_score_counts_where_one_is_asked_for() {
    for (score, expected) in [
        (json!(0.7), Ok(())),
        (json!(0.5), Ok(())),
        (json!(0.4), Err(CaptchaError::Refused)),
        (Value::Null, Err(CaptchaError::Refused)),
    ] {
        let server = Server::start([Reply::json("200 OK", &with(json!({ "score": score })).to_string())]).await;
        let config = SiteVerifyConfig { min_score: Some(0.5), ..config(&server.url) };
        assert_eq!(verify(config).await, expected, "{score}");
    }
    assert_eq!(answered(&with(json!({ "score": 0.1 }))).await, Ok(()), "and only there");
}

#[tokio::test]
async fn a_token_counts_once_though_the_provider_takes_it_twice() {
    let server = Server::start([Reply::json("200 OK", &good().to_string())]).await;
    let (tools, clock) = tools();
    let replica = || Arc::new(SiteVerify::new(config(&server.url), tools.clone()).unwrap());
    let replicas = [replica(), replica()];
    let tries = (0..64).map(|nth| {
        let replica = Arc::clone(&replicas[nth % 2]);
        tokio::spawn(async move { replica.verify(ACTION, &token("one"), None).await })
    });
    let mut accepted = 0;
    for task in tries.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(()) => accepted += 1,
            Err(error) => assert_eq!(error, CaptchaError::Refused),
        }
    }
    assert_eq!(accepted, 1);
    clock.advance(limits::CAPTCHA_LIFE.saturating_sub(Duration::from_secs(11)));
    assert_eq!(replica().verify(ACTION, &token("one"), None).await, Err(CaptchaError::Refused));
    assert_eq!(replica().verify(ACTION, &token("two"), None).await, Ok(()));
    assert!(clock.now() > Timestamp::from_seconds(SOLVED_AT));
}

#[tokio::test]
async fn whatever_is_no_clear_answer_counts_as_none() {
    let html = Reply::Answer("200 OK", "Content-Type: text/html\r\n", "<html>success: true</html>".to_owned());
    let elsewhere = Server::start([Reply::json("200 OK", &good().to_string())]).await;
    let redirect = Box::leak(format!("Location: {}/siteverify\r\n", elsewhere.url).into_boxed_str());
    for reply in [
        html,
        Reply::Answer("307 Temporary Redirect", redirect, good().to_string()),
        Reply::json("500 Internal Server Error", &good().to_string()),
        Reply::json("429 Too Many Requests", "{}"),
        Reply::json("404 Not Found", &good().to_string()),
        Reply::json("204 No Content", ""),
        Reply::json("200 OK", ""),
        Reply::json("200 OK", "{}"),
        Reply::json("200 OK", "[true]"),
        Reply::json("200 OK", r#"{"success":"true"}"#),
        Reply::json("200 OK", r#"{"success":1}"#),
        Reply::json("200 OK", &good().to_string().replace('}', "")),
        Reply::json("200 OK", &format!("{}{}", " ".repeat(200_000), good())),
        Reply::json("200 OK", &with(json!({ "challenge_ts": "yesterday" })).to_string()),
        // Not the person's fault.
        Reply::json("200 OK", r#"{"success":false,"error-codes":["invalid-input-secret"]}"#),
        Reply::json("200 OK", r#"{"success":false,"error-codes":["internal-error"]}"#),
        Reply::Torn,
        Reply::Endless,
    ] {
        let what = format!("{reply:?}");
        assert!(!unavailable(after(reply).await).is_empty(), "{what}");
    }
    assert!(elsewhere.seen().is_empty(), "no redirect is followed");
    unavailable(verify(config(&nobody().await)).await);
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_waited_for_less_than_the_port_promises() {
    let server = Server::start([Reply::Silence]).await;
    #[expect(clippy::disallowed_methods, reason = "the time that passes is what is tested")]
    let began = Instant::now();
    assert_eq!(unavailable(verify(config(&server.url)).await), "captcha: no answer in time");
    let took = began.elapsed();
    assert!(took < limits::CAPTCHA_TIMEOUT, "{took:?}");
}

#[tokio::test]
async fn what_no_provider_gave_out_is_not_asked_about() {
    let server = Server::start([Reply::json("200 OK", &good().to_string())]).await;
    let captcha = SiteVerify::new(config(&server.url), tools().0).unwrap();
    for text in ["", " ", "a b", "a\r\nb", "ä", "\u{0}"] {
        assert_eq!(captcha.verify(ACTION, &token(text), None).await, Err(CaptchaError::Refused), "{text:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_store_that_does_not_answer_accepts_nothing() {
    let server = Server::start([Reply::json("200 OK", &good().to_string())]).await;
    let mut down = MockCeremonyStore::new();
    down.expect_insert().times(1).returning(|_, _, _, _| Err(EphemeralError("down".into())));
    let tools = SiteVerifyTools { ceremonies: Arc::new(down), ..tools().0 };
    let captcha = SiteVerify::new(config(&server.url), tools).unwrap();
    unavailable(captcha.verify(ACTION, &token("one"), None).await);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_secrets_are_not_shown() {
    let refused = |url: &str, secret: &str| {
        let config = SiteVerifyConfig { url: url.to_owned(), secret: secret.to_owned().into(), ..config("") };
        SiteVerify::new(config, tools().0).map(|_| ())
    };
    assert_eq!(refused("https://api.hcaptcha.com/siteverify", SECRET), Ok(()));
    assert_eq!(refused("http://api.hcaptcha.com/siteverify", SECRET), Err(ProviderConfigError::Plaintext));
    assert_eq!(refused("api.hcaptcha.com", SECRET), Err(ProviderConfigError::Url));
    assert_eq!(refused("https://api.hcaptcha.com/siteverify", ""), Err(ProviderConfigError::Malformed("secret")));
    let captcha = SiteVerify::new(config("https://a.example"), tools().0).unwrap();
    assert!(!format!("{captcha:?}").contains(SECRET));
}
