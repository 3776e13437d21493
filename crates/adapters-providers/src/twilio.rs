//! Text messages by Twilio (Programmable Messaging, API version 2010-04-01, resource "Message").

use std::fmt;

use async_trait::async_trait;
use keystead_application::ports::{DeliveryError, Sms, SmsSender};
use keystead_domain::SecretString;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::http::{self, Answer, ProviderConfigError, Timeouts};

/// Twilio's codes about the account and the sender, which are the same for every message: credentials (20003), resource
/// (20404), rate (20429), `From` (21212, 21603, 21606, 21659, 21660), messaging service (21701, 21703, 21704, 21705).
const SETUP_CODES: [u32; 12] = [20003, 20404, 20429, 21212, 21603, 21606, 21659, 21660, 21701, 21703, 21704, 21705];

/// Who the messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwilioSender {
    /// A number (E.164), a short code or an alphanumeric sender: `From`.
    Number(String),
    /// A pool that Twilio chooses from: `MessagingServiceSid`.
    MessagingService(String),
}

/// How to reach Twilio.
#[derive(Clone, Debug)]
pub struct TwilioConfig {
    /// `https://api.twilio.com`, or what stands in for it.
    pub base_url: String,
    /// Permits `http` to other machines.
    pub plaintext: bool,
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// The account's token.
    pub auth_token: SecretString,
    /// Who the messages come from.
    pub sender: TwilioSender,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// Hands text messages to Twilio. It does not promise to send a repeated message once: a connection that breaks before
/// the answer came costs a second message with the same text.
pub struct Twilio {
    client: Client,
    messages: Url,
    config: TwilioConfig,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio").field("sender", &self.config.sender).finish_non_exhaustive()
    }
}

/// `201 Created`, as far as it matters.
#[derive(Deserialize)]
struct Created {
    sid: String,
}

/// An error, as far as it matters. `message` is not read: it quotes the number.
#[derive(Deserialize)]
struct Refusal {
    code: u32,
}

impl Twilio {
    /// Checks the configuration. Connects to nothing yet.
    pub fn new(config: TwilioConfig) -> Result<Self, ProviderConfigError> {
        let sid = &config.account_sid;
        if !(1..=64).contains(&sid.len()) || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ProviderConfigError::Malformed("account"));
        }
        if !http::is_word(config.auth_token.expose()) {
            return Err(ProviderConfigError::Malformed("token"));
        }
        let (TwilioSender::Number(sender) | TwilioSender::MessagingService(sender)) = &config.sender;
        if sender.trim().is_empty() || sender.chars().any(char::is_control) {
            return Err(ProviderConfigError::Malformed("sender"));
        }
        let base = http::base_url(&config.base_url, config.plaintext)?;
        let messages = http::endpoint(&base, &["2010-04-01", "Accounts", sid, "Messages.json"])?;
        Ok(Self { client: http::client(&base, config.timeouts)?, messages, config })
    }
}

fn verdict(answer: &Answer) -> Result<(), DeliveryError> {
    if answer.status == StatusCode::CREATED {
        // A proxy's own page is no message that was taken.
        let taken = answer.json::<Created>().is_some_and(|created| !created.sid.is_empty());
        let doubt = || DeliveryError::Transient(answer.describe("Twilio", "and named no message"));
        return if taken { Ok(()) } else { Err(doubt()) };
    }
    let code = answer.json::<Refusal>().map(|refusal| refusal.code);
    let text = answer.describe("Twilio", &code.map_or_else(String::new, |code| code.to_string()));
    if answer.is_passing() {
        return Err(DeliveryError::Transient(text));
    }
    if answer.is_about_setup() || code.is_some_and(|code| SETUP_CODES.contains(&code)) {
        tracing::error!(reason = %text, "Twilio refuses the account or the sender: check the configuration");
        return Err(DeliveryError::Transient(text));
    }
    Err(DeliveryError::Permanent(text))
}

#[async_trait]
impl SmsSender for Twilio {
    async fn send(&self, sms: &Sms) -> Result<(), DeliveryError> {
        let sender = match &self.config.sender {
            TwilioSender::Number(number) => ("From", number.as_str()),
            TwilioSender::MessagingService(service) => ("MessagingServiceSid", service.as_str()),
        };
        let request = self
            .client
            .post(self.messages.clone())
            .basic_auth(&self.config.account_sid, Some(self.config.auth_token.expose()))
            .form(&[("To", sms.to.as_str()), sender, ("Body", sms.text.expose())]);
        verdict(&http::exchange("Twilio", request).await?)
    }
}
