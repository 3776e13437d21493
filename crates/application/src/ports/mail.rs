//! Rendering and sending mail and SMS.

use async_trait::async_trait;
use keystead_domain::SecretString;
use keystead_domain::account::{EmailAddress, PhoneNumber};
use thiserror::Error;

use super::OutboxId;
use crate::message::Message;

/// One message, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `Message-ID` without brackets; the same at every attempt, so that a receiver can tell a repeat.
    pub message_id: String,
    /// Recipient.
    pub to: EmailAddress,
    /// Subject, one line.
    pub subject: String,
    /// Plain text part.
    pub text: SecretString,
    /// HTML part.
    pub html: SecretString,
}

/// One text message, rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sms {
    /// Identifies the message; the same at every attempt.
    pub id: String,
    /// Recipient.
    pub to: PhoneNumber,
    /// At most 160 characters of the GSM 7-bit alphabet where the language permits it.
    pub text: SecretString,
}

/// One message as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// By e-mail.
    Mail(Mail),
    /// By SMS.
    Sms(Sms),
}

/// A template is broken. The text names the template and the line, and no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("mail template: {0}")]
pub struct RenderError(pub String);

/// Turns messages into mails and text messages, by the kind of address they go to. MUST escape every value in HTML; MUST
/// keep subjects on one line. A [`Message`] whose notice is a decoy renders to `None`.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait MessageRenderer: Send + Sync {
    /// Renders one message. The identifier becomes the local part of the `Message-ID`.
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Rendered>, RenderError>;
}

/// A message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Trying again later may work: no connection, a time-out, a 4xx reply. The text names no address and no secret.
    #[error("mail not accepted for now: {0}")]
    Transient(String),
    /// Trying again will not work: a 5xx reply to this message.
    #[error("mail refused: {0}")]
    Permanent(String),
}

/// Hands messages to a mail server. MUST return within 30 seconds. MUST return `Ok` only when the server took
/// responsibility for the message (RFC 5321 section 4.2.5). MUST put nothing of a name or subject on the SMTP wire or in
/// a header without encoding it.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one message.
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError>;
}

/// Hands text messages to a provider. MUST return within 30 seconds. MUST return `Ok` only when the provider took
/// responsibility for the message.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait SmsSender: Send + Sync {
    /// Sends one message.
    async fn send(&self, sms: &Sms) -> Result<(), DeliveryError>;
}
