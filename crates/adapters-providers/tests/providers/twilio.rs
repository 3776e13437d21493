//! Twilio: documented answers, and everything that is none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_adapters_providers::{ProviderConfigError, Timeouts, Twilio, TwilioConfig, TwilioSender};
use keystead_application::ports::{Sms, SmsSender as _};
use keystead_domain::account::PhoneNumber;

use crate::server::{Reply, Server, nobody, permanent, transient};

const SID: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "0a1b2c3d-secret-token";
const NUMBER: &str = "+442079460958";
/// What no error may say: the token, the account, the number, the code.
const SECRETS: [&str; 4] = [TOKEN, SID, "2079460958", "012345"];
const CREATED: &str =
    r#"{"sid":"SM00000000000000000000000000000001","status":"queued","error_code":null,"num_segments":"1"}"#;

fn config(url: &str) -> TwilioConfig {
    TwilioConfig {
        base_url: url.to_owned(),
        plaintext: false,
        account_sid: SID.to_owned(),
        auth_token: TOKEN.to_owned().into(),
        sender: TwilioSender::Number("+15005550006".to_owned()),
        timeouts: Timeouts::default(),
    }
}

fn sms() -> Sms {
    Sms {
        id: "V1StGXR8_Z5jdHi6B-myT".to_owned(),
        to: PhoneNumber::from_stored(NUMBER).unwrap(),
        text: "012345 is your code & more\r\n+ä".to_owned().into(),
    }
}

/// What comes of one answer, as the outbox sees it.
async fn after(reply: Reply) -> Result<(), keystead_application::ports::DeliveryError> {
    let server = Server::start([reply]).await;
    Twilio::new(config(&server.url)).unwrap().send(&sms()).await
}

#[tokio::test]
async fn a_message_is_one_documented_request() {
    let server = Server::start([Reply::json("201 Created", CREATED)]).await;
    assert_eq!(Twilio::new(config(&server.url)).unwrap().send(&sms()).await, Ok(()));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, format!("POST /2010-04-01/Accounts/{SID}/Messages.json HTTP/1.1"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{SID}:{TOKEN}")));
    assert_eq!(seen[0].header("authorization"), Some(basic.as_str()));
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let body = "To=%2B442079460958&From=%2B15005550006&Body=012345+is+your+code+%26+more%0D%0A%2B%C3%A4";
    assert_eq!(seen[0].body, body);
}

#[tokio::test]
async fn a_messaging_service_takes_the_place_of_the_number() {
    let server = Server::start([Reply::json("201 Created", CREATED)]).await;
    let sender = TwilioSender::MessagingService("MG0123456789abcdef0123456789abcdef".to_owned());
    let twilio = Twilio::new(TwilioConfig { sender, ..config(&server.url) }).unwrap();
    assert_eq!(twilio.send(&sms()).await, Ok(()));
    let body = server.seen()[0].body.clone();
    assert!(
        body.contains("&MessagingServiceSid=MG0123456789abcdef0123456789abcdef&") && !body.contains("From"),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_message_is_final() {
    for code in [21211, 21408, 21610, 21612, 21614, 21617, 30003] {
        let body = format!(
            r#"{{"code":{code},"message":"'{NUMBER}' is not a valid phone number: 012345","more_info":"https://x","status":400}}"#
        );
        let text = permanent(after(Reply::json("400 Bad Request", &body)).await, &SECRETS);
        assert_eq!(text, format!("Twilio answered 400 ({code})"));
    }
    assert_eq!(permanent(after(Reply::json("400 Bad Request", "<html>")).await, &SECRETS), "Twilio answered 400");
}

#[tokio::test]
async fn what_time_or_the_operator_can_mend_is_tried_again() {
    let code = |code: u32| format!(r#"{{"code":{code},"message":"…","status":400}}"#);
    for (status, body, expected) in [
        ("401 Unauthorized", code(20003), "Twilio answered 401 (20003)"),
        ("403 Forbidden", code(20005), "Twilio answered 403 (20005)"),
        ("404 Not Found", code(20404), "Twilio answered 404 (20404)"),
        ("400 Bad Request", code(21606), "Twilio answered 400 (21606)"),
        ("400 Bad Request", code(21705), "Twilio answered 400 (21705)"),
        ("500 Internal Server Error", code(20500), "Twilio answered 500 (20500)"),
        ("503 Service Unavailable", "<html>later</html>".to_owned(), "Twilio answered 503"),
        ("200 OK", "<html>log in to the hotel's network</html>".to_owned(), "Twilio answered 200"),
        ("201 Created", "<html>".to_owned(), "Twilio answered 201 (and named no message)"),
        ("201 Created", r#"{"sid":""}"#.to_owned(), "Twilio answered 201 (and named no message)"),
    ] {
        assert_eq!(transient(after(Reply::json(status, &body)).await, &SECRETS), expected);
    }
    let limited = Reply::Answer("429 Too Many Requests", "Retry-After: 17\r\n", code(20429));
    assert_eq!(transient(after(limited).await, &SECRETS), "Twilio answered 429 (20429), retry after 17 s");
    assert_eq!(
        transient(
            after(Reply::Answer("429 Too Many Requests", "Retry-After: soon\r\n", String::new())).await,
            &SECRETS
        ),
        "Twilio answered 429"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_credentials() {
    let elsewhere = Server::start([Reply::json("201 Created", CREATED)]).await;
    let location: &'static str = Box::leak(format!("Location: {}/x\r\n", elsewhere.url).into_boxed_str());
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let text = transient(after(Reply::Answer(status, location, String::new())).await, &SECRETS);
        assert!(text.starts_with("Twilio answered 30"), "{text}");
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let server = Server::start([Reply::Silence]).await;
    let timeouts = Timeouts { connect: Duration::from_millis(100), whole: Duration::from_millis(200) };
    let twilio = Twilio::new(TwilioConfig { timeouts, ..config(&server.url) }).unwrap();
    assert_eq!(transient(twilio.send(&sms()).await, &SECRETS), "Twilio: no answer in time");
    assert_eq!(server.seen().len(), 1, "it was asked once");
}

#[tokio::test]
async fn what_breaks_off_is_tried_again_and_what_never_ends_is_not_read() {
    let text = transient(after(Reply::Torn).await, &SECRETS);
    assert!(text.starts_with("Twilio: the exchange broke off"), "{text}");
    assert_eq!(permanent(after(Reply::Endless).await, &SECRETS), "Twilio answered 400");
    let twilio = Twilio::new(config(&nobody().await)).unwrap();
    let text = transient(twilio.send(&sms()).await, &SECRETS);
    assert!(text.starts_with("Twilio: no connection"), "{text}");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_nothing_prints_the_token() {
    let good = config("https://api.twilio.com");
    assert!(!format!("{good:?}").contains(TOKEN));
    assert!(!format!("{:?}", Twilio::new(good.clone()).unwrap()).contains(TOKEN));
    let refused = |config: TwilioConfig| Twilio::new(config).map(|_| ()).unwrap_err();
    for sid in ["", "AC/../x", "AC 1", "AC\r\n"] {
        let error = refused(TwilioConfig { account_sid: sid.to_owned(), ..good.clone() });
        assert_eq!(error, ProviderConfigError::Malformed("account"));
    }
    for token in ["", "a\r\nX-Evil: 1", "with space"] {
        let error = refused(TwilioConfig { auth_token: token.to_owned().into(), ..good.clone() });
        assert_eq!(error, ProviderConfigError::Malformed("token"));
    }
    let error = refused(TwilioConfig { sender: TwilioSender::Number(" ".to_owned()), ..good.clone() });
    assert_eq!(error, ProviderConfigError::Malformed("sender"));
    let error = refused(TwilioConfig { base_url: "http://twilio.example".to_owned(), ..good });
    assert_eq!(error, ProviderConfigError::Plaintext);
}
