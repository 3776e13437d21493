//! The texts of every message, written with minijinja, editable by an operator.

mod device;
mod embedded;
mod library;
mod overrides;
mod sms;
mod values;

use std::path::PathBuf;

use keystead_application::message::{Message, Notice};
use keystead_application::ports::{Mail, MessageRenderer, OutboxId, RenderError, Rendered, Sms};
use keystead_domain::SecretString;
use keystead_domain::account::Address;

use self::library::Library;
use self::values::{Words, one_line, values};

/// How messages are written.
#[derive(Clone, Debug)]
pub struct TemplatesConfig {
    /// What the service is called in messages.
    pub product_name: String,
    /// The domain behind the `@` of a `Message-ID`: that of the sender.
    pub sender_domain: String,
    /// The language of messages to people whose language is not known, or not there: `en`, `pt-BR`.
    pub default_language: String,
    /// A folder with the operator's own templates, `<locale>/<file>`, read once at start. A file there takes the place
    /// of the built-in one of the same name; a new locale must bring every file of every mail it has; text messages,
    /// `<name>.sms.txt`, are looked up by themselves.
    pub override_dir: Option<PathBuf>,
}

/// Renders messages in the first language of [`Message::locale`] that is there (RFC 4647 section 3.4: `pt-BR` also finds
/// `pt`), else in the default language, else in English.
///
/// A message to a number has one line of text and no name: 160 characters hold little. Accents that would leave room for
/// 70 are given up. HTML is escaped by the template engine; all values have control and text-direction characters taken
/// out first. A code is never in a subject.
pub struct Templates {
    library: Library,
    product: String,
    sender_domain: String,
}

/// What there is to write with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Every locale, the built-in ones and the operator's, in order.
    pub locales: Vec<String>,
    /// How many messages there are.
    pub messages: usize,
}

impl Templates {
    /// Reads the operator's templates and, when there are any, renders every message of every language once with sample
    /// values, so that a broken template is found at start and not in the middle of the night. The built-in ones alone
    /// were tried before they were built in.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong: file, line, and what.
    pub fn new(config: TemplatesConfig) -> Result<Self, RenderError> {
        let is_overridden = config.override_dir.is_some();
        let (templates, mut problems) = Self::load(config)?;
        if is_overridden {
            templates.try_all(&mut problems);
        }
        refuse(problems).map(|()| templates)
    }

    /// Renders every message of every language, built in or the operator's, with sample values.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong: file, line, and what.
    pub fn examine(config: TemplatesConfig) -> Result<Coverage, RenderError> {
        let (templates, mut problems) = Self::load(config)?;
        templates.try_all(&mut problems);
        refuse(problems)?;
        let locales = templates.library.locales().map(str::to_owned).collect();
        Ok(Coverage { locales, messages: embedded::MESSAGES.len() })
    }

    fn load(config: TemplatesConfig) -> Result<(Self, Vec<RenderError>), RenderError> {
        let domain = config.sender_domain;
        let is_domain = !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if !is_domain {
            return Err(RenderError("the sender's domain is not a domain name".to_owned()));
        }
        let (library, problems) = Library::load(config.override_dir.as_deref(), &config.default_language)?;
        Ok((Self { library, product: one_line(&config.product_name), sender_domain: domain }, problems))
    }

    fn try_all(&self, problems: &mut Vec<RenderError>) {
        for locale in self.library.locales() {
            for notice in values::samples() {
                for name in [Some("Sample"), None] {
                    problems.extend(self.parts(Some(locale), &notice, name).err());
                    problems.extend(self.line(Some(locale), &notice, name).err());
                }
            }
        }
    }

    /// Subject, text, HTML.
    fn parts(&self, wished: Option<&str>, notice: &Notice, name: Option<&str>) -> Result<[String; 3], RenderError> {
        let template = notice.template();
        let locale = self.library.locale_for(wished, template, "txt");
        let values = values(notice, name, &self.product, &Words { library: &self.library, locale })?;
        let part = |kind: &str| self.library.render(&format!("{locale}/{template}.{kind}"), &values);
        let [subject, text, html] = [part("subject.txt")?, part("txt")?, part("html")?];
        let subject = one_line(&subject);
        if subject.is_empty() {
            return Err(RenderError(format!("{locale}/{template}.subject.txt: the subject is empty")));
        }
        Ok([subject, text, html])
    }

    /// The text of an SMS.
    fn line(&self, wished: Option<&str>, notice: &Notice, name: Option<&str>) -> Result<String, RenderError> {
        let template = notice.template();
        let locale = self.library.locale_for(wished, template, embedded::SMS);
        let values = values(notice, name, &self.product, &Words { library: &self.library, locale })?;
        let file = format!("{locale}/{template}.{}", embedded::SMS);
        let line = sms::plain(one_line(&self.library.render(&file, &values)?));
        if line.is_empty() { Err(RenderError(format!("{file}: the text is empty"))) } else { Ok(line) }
    }
}

/// One error of all that was found, each thing once: a piece is part of many messages.
fn refuse(problems: Vec<RenderError>) -> Result<(), RenderError> {
    let mut lines: Vec<String> = Vec::new();
    for RenderError(problem) in problems {
        if !lines.contains(&problem) {
            lines.push(problem);
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(RenderError(lines.join("; "))) }
}

impl MessageRenderer for Templates {
    fn render(&self, id: &OutboxId, message: &Message) -> Result<Option<Rendered>, RenderError> {
        if message.notice == Notice::Decoy {
            return Ok(None);
        }
        let wished = message.locale.as_deref();
        Ok(Some(match &message.to {
            Address::Email(to) => {
                let [subject, text, html] = self.parts(wished, &message.notice, message.name.as_deref())?;
                Rendered::Mail(Mail {
                    message_id: format!("{}@{}", id.0, self.sender_domain),
                    to: to.clone(),
                    subject,
                    text: SecretString::new(text),
                    html: SecretString::new(html),
                })
            }
            Address::Phone(to) => {
                let text = SecretString::new(self.line(wished, &message.notice, message.name.as_deref())?);
                Rendered::Sms(Sms { id: id.0.clone(), to: to.clone(), text })
            }
        }))
    }
}

#[cfg(test)]
mod language_tests;
#[cfg(test)]
mod tests;
