//! Mail by SendGrid (Web API version 3, `POST /v3/mail/send`).

use std::fmt;

use async_trait::async_trait;
use keystead_application::ports::{DeliveryError, Mail, Mailer};
use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::http::{self, Answer, ProviderConfigError, Timeouts};

/// How to reach SendGrid.
#[derive(Clone, Debug)]
pub struct SendGridConfig {
    /// `https://api.sendgrid.com`, `https://api.eu.sendgrid.com`, or what stands in for them.
    pub base_url: String,
    /// Permits `http` to other machines.
    pub plaintext: bool,
    /// A key that may send mail and nothing else.
    pub api_key: SecretString,
    /// The sender, verified at SendGrid.
    pub from_address: EmailAddress,
    /// What the sender is called; may be empty.
    pub from_name: String,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// Hands mail to SendGrid, with all of its tracking off: that would lead every link, and the token in it, past SendGrid.
pub struct SendGrid {
    client: Client,
    send: Url,
    config: SendGridConfig,
}

impl fmt::Debug for SendGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGrid").field("from", &self.config.from_address).finish_non_exhaustive()
    }
}

/// An error, as far as it matters. `message` is not read: it may quote an address.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<RefusedField>,
}

#[derive(Deserialize)]
struct RefusedField {
    field: Option<String>,
}

impl SendGrid {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: SendGridConfig) -> Result<Self, ProviderConfigError> {
        if !http::is_word(config.api_key.expose()) {
            return Err(ProviderConfigError::Malformed("key"));
        }
        let base = http::base_url(&config.base_url, config.plaintext)?;
        let send = http::endpoint(&base, &["v3", "mail", "send"])?;
        Ok(Self { client: http::client(&base, config.timeouts)?, send, config })
    }

    fn body(&self, mail: &Mail) -> Result<Value, DeliveryError> {
        let safe = |byte: u8| byte.is_ascii_graphic() && !b"<>".contains(&byte);
        if !mail.message_id.bytes().all(safe) {
            let text = "the message id holds characters that do not belong into a header";
            return Err(DeliveryError::Permanent(text.to_owned()));
        }
        let mut from = json!({ "email": self.config.from_address.as_str() });
        let name = http::one_line(&self.config.from_name);
        if let Some(from) = from.as_object_mut().filter(|_| !name.is_empty()) {
            from.insert("name".to_owned(), name.into());
        }
        Ok(json!({
            "personalizations": [{ "to": [{ "email": mail.to.as_str() }] }],
            "from": from,
            "subject": http::one_line(&mail.subject),
            // The plain part first: SendGrid demands the order of RFC 2046 section 5.1.4.
            "content": [
                { "type": "text/plain", "value": mail.text.expose() },
                { "type": "text/html", "value": mail.html.expose() },
            ],
            // RFC 3834 section 5: no out-of-office answers to codes.
            "headers": { "Message-ID": format!("<{}>", mail.message_id), "Auto-Submitted": "auto-generated" },
            "tracking_settings": {
                "click_tracking": { "enable": false, "enable_text": false },
                "open_tracking": { "enable": false },
                "subscription_tracking": { "enable": false },
                "ganalytics": { "enable": false },
            },
        }))
    }
}

fn verdict(answer: &Answer) -> Result<(), DeliveryError> {
    if answer.status == StatusCode::ACCEPTED {
        return Ok(());
    }
    let text = answer.describe("SendGrid", &refused_field(answer));
    if answer.is_passing() {
        return Err(DeliveryError::Transient(text));
    }
    if answer.is_about_setup() {
        tracing::error!(reason = %text, "SendGrid refuses the key or the sender: check the configuration");
        return Err(DeliveryError::Transient(text));
    }
    Err(DeliveryError::Permanent(text))
}

/// Which part of the request was refused, when the answer has a plausible name for it.
fn refused_field(answer: &Answer) -> String {
    let is_name = |field: &String| {
        (1..=80).contains(&field.len())
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let refusal = answer.json::<Refusal>();
    let field = refusal.and_then(|refusal| refusal.errors.into_iter().next()?.field);
    field.filter(is_name).unwrap_or_default()
}

#[async_trait]
impl Mailer for SendGrid {
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        let request =
            self.client.post(self.send.clone()).bearer_auth(self.config.api_key.expose()).json(&self.body(mail)?);
        verdict(&http::exchange("SendGrid", request).await?)
    }
}
