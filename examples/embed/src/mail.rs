//! Two ports of our own: what a message says, and where it goes.

use async_trait::async_trait;
use keystead_application::message::{Message, Notice};
use keystead_application::ports::{Mail, MailError, MailRenderer, Mailer, OutboxId, RenderError};
use keystead_domain::SecretString;

/// One sentence per message.
pub(crate) struct Sentences;

impl MailRenderer for Sentences {
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Mail>, RenderError> {
        let text = match &message.notice {
            Notice::VerifyEmail { code, .. } => format!("your code is {code}"),
            // Written so that two cases do the same work; nobody must get one.
            Notice::Decoy => return Ok(None),
            other => format!("about your account: {}", other.template()),
        };
        Ok(Some(Mail {
            message_id: format!("{}@embed.example", id.0),
            to: message.to.clone(),
            subject: "Your account".into(),
            html: SecretString::new(String::new()),
            text: SecretString::new(text),
        }))
    }
}

/// "Sends" to standard output.
pub(crate) struct Printer;

#[async_trait]
impl Mailer for Printer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        println!("mail to {}: {}", mail.to, mail.text.expose());
        Ok(())
    }
}
