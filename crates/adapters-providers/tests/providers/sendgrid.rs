//! SendGrid: documented answers, and everything that is none.

use std::time::Duration;

use keystead_adapters_providers::{ProviderConfigError, SendGrid, SendGridConfig, Timeouts};
use keystead_application::ports::{DeliveryError, Mail, Mailer as _};
use keystead_domain::account::EmailAddress;
use serde_json::{Value, json};

use crate::server::{Reply, Server, nobody, permanent, transient};

const KEY: &str = "SG.secret-key.of-sendgrid";
/// What no error may say: the key, the recipient, the code.
const SECRETS: [&str; 3] = [KEY, "ada@", "012345"];

fn config(url: &str) -> SendGridConfig {
    SendGridConfig {
        base_url: url.to_owned(),
        plaintext: false,
        api_key: KEY.to_owned().into(),
        from_address: EmailAddress::try_new("no-reply@example.com").unwrap(),
        from_name: "Example\r\nBcc: evil@example.org".to_owned(),
        timeouts: Timeouts::default(),
    }
}

fn mail() -> Mail {
    Mail {
        message_id: "V1StGXR8_Z5jdHi6B-myT@example.com".to_owned(),
        to: EmailAddress::try_new("ada@example.com").unwrap(),
        subject: "Grüße\r\nBcc: evil@example.org".to_owned(),
        text: "Your code: 012345\n".to_owned().into(),
        html: "<p>Your code: \"012345\"</p>".to_owned().into(),
    }
}

async fn after(reply: Reply) -> Result<(), DeliveryError> {
    let server = Server::start([reply]).await;
    SendGrid::new(config(&server.url)).unwrap().send(&mail()).await
}

fn accepted() -> Reply {
    Reply::Answer("202 Accepted", "X-Message-Id: abc\r\n", String::new())
}

#[tokio::test]
async fn a_mail_is_one_documented_request() {
    let server = Server::start([accepted()]).await;
    assert_eq!(SendGrid::new(config(&server.url)).unwrap().send(&mail()).await, Ok(()));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /v3/mail/send HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(
        body,
        json!({
            "personalizations": [{ "to": [{ "email": "ada@example.com" }] }],
            "from": { "email": "no-reply@example.com", "name": "Example Bcc: evil@example.org" },
            "subject": "Grüße Bcc: evil@example.org",
            "content": [
                { "type": "text/plain", "value": "Your code: 012345\n" },
                { "type": "text/html", "value": "<p>Your code: \"012345\"</p>" },
            ],
            "headers": { "Message-ID": "<V1StGXR8_Z5jdHi6B-myT@example.com>", "Auto-Submitted": "auto-generated" },
            "tracking_settings": {
                "click_tracking": { "enable": false, "enable_text": false },
                "open_tracking": { "enable": false },
                "subscription_tracking": { "enable": false },
                "ganalytics": { "enable": false },
            },
        })
    );
}

#[tokio::test]
async fn a_sender_without_a_name_has_none() {
    let server = Server::start([accepted()]).await;
    let nameless = SendGridConfig { from_name: " \r\n".to_owned(), ..config(&server.url) };
    assert_eq!(SendGrid::new(nameless).unwrap().send(&mail()).await, Ok(()));
    let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(body["from"], json!({ "email": "no-reply@example.com" }));
}

#[tokio::test]
async fn what_is_wrong_with_the_mail_is_final() {
    let refusal = |field: &str| json!({ "errors": [{ "message": "ada@example.com", "field": field }] }).to_string();
    for (status, body, expected) in [
        (
            "400 Bad Request",
            refusal("personalizations.0.to.0.email"),
            "SendGrid answered 400 (personalizations.0.to.0.email)",
        ),
        ("400 Bad Request", refusal("ada@example.com\r\n012345"), "SendGrid answered 400"),
        ("400 Bad Request", "{\"errors\":[]}".to_owned(), "SendGrid answered 400"),
        ("400 Bad Request", "<html>ada@example.com</html>".to_owned(), "SendGrid answered 400"),
        ("413 Payload Too Large", refusal("content"), "SendGrid answered 413 (content)"),
    ] {
        assert_eq!(permanent(after(Reply::json(status, &body)).await, &SECRETS), expected);
    }
    assert_eq!(permanent(after(Reply::Endless).await, &SECRETS), "SendGrid answered 400");
    let server = Server::start([accepted()]).await;
    let forged = Mail { message_id: "a@b>\r\nBcc: x".to_owned(), ..mail() };
    permanent(SendGrid::new(config(&server.url)).unwrap().send(&forged).await, &SECRETS);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_time_or_the_operator_can_mend_is_tried_again() {
    let error = r#"{"errors":[{"message":"The provided authorization grant is invalid","field":null,"help":null}]}"#;
    for (status, expected) in [
        ("401 Unauthorized", "SendGrid answered 401"),
        ("403 Forbidden", "SendGrid answered 403"),
        ("404 Not Found", "SendGrid answered 404"),
        ("405 Method Not Allowed", "SendGrid answered 405"),
        ("500 Internal Server Error", "SendGrid answered 500"),
        // Sandbox mode: checked, and thrown away.
        ("200 OK", "SendGrid answered 200"),
    ] {
        assert_eq!(transient(after(Reply::json(status, error)).await, &SECRETS), expected);
    }
    let limited = Reply::Answer("429 Too Many Requests", "Retry-After: 3\r\n", error.to_owned());
    assert_eq!(transient(after(limited).await, &SECRETS), "SendGrid answered 429, retry after 3 s");
}

#[tokio::test]
async fn what_does_not_come_or_breaks_off_is_tried_again() {
    let server = Server::start([Reply::Silence]).await;
    let timeouts = Timeouts { connect: Duration::from_millis(100), whole: Duration::from_millis(200) };
    let sendgrid = SendGrid::new(SendGridConfig { timeouts, ..config(&server.url) }).unwrap();
    assert_eq!(transient(sendgrid.send(&mail()).await, &SECRETS), "SendGrid: no answer in time");
    let text = transient(after(Reply::Torn).await, &SECRETS);
    assert!(text.starts_with("SendGrid: the exchange broke off"), "{text}");
    let sendgrid = SendGrid::new(config(&nobody().await)).unwrap();
    let text = transient(sendgrid.send(&mail()).await, &SECRETS);
    assert!(text.starts_with("SendGrid: no connection"), "{text}");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_nothing_prints_the_key() {
    let good = config("https://api.sendgrid.com");
    assert!(!format!("{good:?}").contains(KEY));
    assert!(!format!("{:?}", SendGrid::new(good.clone()).unwrap()).contains(KEY));
    for key in ["", "a\r\nX-Evil: 1", "with space"] {
        let error = SendGrid::new(SendGridConfig { api_key: key.to_owned().into(), ..good.clone() }).unwrap_err();
        assert_eq!(error, ProviderConfigError::Malformed("key"));
    }
    let plain = SendGridConfig { base_url: "http://sendgrid.example".to_owned(), ..good };
    assert_eq!(SendGrid::new(plain.clone()).unwrap_err(), ProviderConfigError::Plaintext);
    assert!(SendGrid::new(SendGridConfig { plaintext: true, ..plain }).is_ok());
}
