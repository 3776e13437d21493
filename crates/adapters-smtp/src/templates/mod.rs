//! The texts of every message, written with minijinja, editable by an operator.

mod device;
mod library;
mod values;

use std::path::PathBuf;

use keystead_application::message::{Message, Notice};
use keystead_application::ports::{Mail, MessageRenderer, OutboxId, RenderError, Rendered, Sms};
use keystead_domain::SecretString;
use keystead_domain::account::Address;
use minijinja::Value;

use self::library::Library;
use self::values::{one_line, values};

/// How messages are written.
#[derive(Clone, Debug)]
pub struct TemplatesConfig {
    /// What the service is called in messages.
    pub product_name: String,
    /// The domain behind the `@` of a `Message-ID`: that of the sender.
    pub sender_domain: String,
    /// A folder with the operator's own templates, `<locale>/<file>`, read once at start. A file there takes the place
    /// of the built-in one of the same name; a new locale must bring every file of every mail it has; text messages, `<name>.sms.txt`, are looked up by
    /// themselves.
    pub override_dir: Option<PathBuf>,
}

/// Renders messages. The language is the one wished for (`pt-BR`), else its language (`pt`), else English.
///
/// A message to a number has one line of text and no name: 160 characters hold little. HTML is escaped by the template engine; all values have control and text-direction characters taken out first. A
/// code is never in a subject.
pub struct Templates {
    library: Library,
    product: String,
    sender_domain: String,
}

impl Templates {
    /// Reads the operator's templates and renders every message once with sample values, so that a broken template is
    /// found at start and not in the middle of the night.
    pub fn new(config: TemplatesConfig) -> Result<Self, RenderError> {
        let domain = config.sender_domain;
        let is_domain = !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if !is_domain {
            return Err(RenderError("the sender's domain is not a domain name".to_owned()));
        }
        let library = Library::load(config.override_dir.as_deref())?;
        let templates = Self { library, product: one_line(&config.product_name), sender_domain: domain };
        templates.try_all()?;
        Ok(templates)
    }

    fn try_all(&self) -> Result<(), RenderError> {
        for locale in self.library.locales() {
            for notice in values::samples() {
                for name in [Some("Sample"), None] {
                    let values = values(&notice, name, &self.product);
                    self.parts(locale, notice.template(), &values)?;
                    self.line(locale, notice.template(), &values)?;
                }
            }
        }
        Ok(())
    }

    /// Subject, text, HTML.
    fn parts(&self, locale: &str, template: &str, values: &Value) -> Result<[String; 3], RenderError> {
        let locale = self.library.locale_for(locale, template, "txt");
        let part = |kind: &str| self.library.render(&format!("{locale}/{template}.{kind}"), values);
        let [subject, text, html] = [part("subject.txt")?, part("txt")?, part("html")?];
        let subject = one_line(&subject);
        if subject.is_empty() {
            return Err(RenderError(format!("{locale}/{template}.subject.txt: the subject is empty")));
        }
        Ok([subject, text, html])
    }

    /// The text of an SMS.
    fn line(&self, locale: &str, template: &str, values: &Value) -> Result<String, RenderError> {
        let locale = self.library.locale_for(locale, template, library::SMS);
        let file = format!("{locale}/{template}.{}", library::SMS);
        // The mask of an address is outside the alphabet of 160 characters; one of it would leave room for 70.
        let line = one_line(&self.library.render(&file, values)?).replace('•', "*");
        if line.is_empty() { Err(RenderError(format!("{file}: the text is empty"))) } else { Ok(line) }
    }
}

impl MessageRenderer for Templates {
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Rendered>, RenderError> {
        if message.notice == Notice::Decoy {
            return Ok(None);
        }
        let values = values(&message.notice, message.name.as_deref(), &self.product);
        let locale = message.locale.as_deref().unwrap_or(library::FALLBACK);
        let template = message.notice.template();
        Ok(Some(match &message.to {
            Address::Email(to) => {
                let [subject, text, html] = self.parts(locale, template, &values)?;
                Rendered::Mail(Mail {
                    message_id: format!("{}@{}", id.0, self.sender_domain),
                    to: to.clone(),
                    subject,
                    text: SecretString::new(text),
                    html: SecretString::new(html),
                })
            }
            Address::Phone(to) => {
                let text = SecretString::new(self.line(locale, template, &values)?);
                Rendered::Sms(Sms { id: id.0.clone(), to: to.clone(), text })
            }
        }))
    }
}

#[cfg(test)]
mod tests;
