//! Two ports of our own: what a message says, and where it goes.

use async_trait::async_trait;
use keystead_application::message::{Message, Notice};
use keystead_application::ports::{
    DeliveryError, Mail, Mailer, MessageRenderer, OutboxId, RenderError, Rendered, Sms, SmsSender,
};
use keystead_domain::SecretString;
use keystead_domain::account::Address;

/// One sentence per message.
pub(crate) struct Sentences;

impl MessageRenderer for Sentences {
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Rendered>, RenderError> {
        let text = match &message.notice {
            Notice::VerifyEmail { code, .. } => format!("your code is {code}"),
            // Written so that two cases do the same work; nobody must get one.
            Notice::Decoy => return Ok(None),
            other => format!("about your account: {}", other.template()),
        };
        let text = SecretString::new(text);
        Ok(Some(match &message.to {
            Address::Email(to) => Rendered::Mail(Mail {
                message_id: format!("{}@embed.example", id.0),
                to: to.clone(),
                subject: "Your account".into(),
                html: SecretString::new(String::new()),
                text,
            }),
            Address::Phone(to) => Rendered::Sms(Sms { id: id.0.clone(), to: to.clone(), text }),
        }))
    }
}

/// "Sends" to standard output.
pub(crate) struct Printer;

#[async_trait]
impl Mailer for Printer {
    async fn send(&self, mail: &Mail) -> Result<(), DeliveryError> {
        println!("mail to {}: {}", mail.to, mail.text.expose());
        Ok(())
    }
}

#[async_trait]
impl SmsSender for Printer {
    async fn send(&self, sms: &Sms) -> Result<(), DeliveryError> {
        println!("text message to {}: {}", sms.to, sms.text.expose());
        Ok(())
    }
}
