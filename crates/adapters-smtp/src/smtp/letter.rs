use keystead_application::ports::{DeliveryError, Mail};
use keystead_domain::Timestamp;
use mail_send::mail_builder::MessageBuilder;
use mail_send::mail_builder::headers::address::Address;
use mail_send::mail_builder::headers::date::Date;
use mail_send::mail_builder::headers::raw::Raw;

use super::config::SmtpConfig;

/// A message as it goes over the wire: envelope and RFC 5322 text.
pub(super) struct Letter {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) data: Vec<u8>,
}

impl Letter {
    /// Writes a mail as `multipart/alternative`. The only recipient is in `To`: no `Cc`, no `Bcc`.
    pub(super) fn compose(config: &SmtpConfig, now: Timestamp, mail: &Mail) -> Result<Self, DeliveryError> {
        let from = wire_safe(config.from_address.as_str(), "sender")?;
        let to = wire_safe(mail.to.as_str(), "recipient")?;
        let message_id = wire_safe(&mail.message_id, "message id")?;
        let from_name = Some(one_line(&config.from_name)).filter(|name| !name.is_empty());

        let data = MessageBuilder::new()
            .message_id(message_id)
            .date(Date::new(now.as_seconds()))
            .from(Address::new_address(from_name, from))
            .to(to)
            .subject(one_line(&mail.subject))
            // RFC 3834 section 5: no out-of-office answers to codes.
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .text_body(mail.text.expose())
            .html_body(mail.html.expose())
            .write_to_vec()
            .map_err(|error| DeliveryError::Permanent(format!("message not composed: {}", error.kind())))?;
        Ok(Self { from: from.to_owned(), to: to.to_owned(), data })
    }
}

/// `EmailAddress` refuses all of this already; what would end a command or a path is refused here once more, because
/// mail-send writes addresses to the wire as they are.
fn wire_safe<'a>(text: &'a str, what: &str) -> Result<&'a str, DeliveryError> {
    let safe = |byte: u8| byte.is_ascii_graphic() && byte != b'<' && byte != b'>';
    if text.contains('@') && text.bytes().all(safe) {
        Ok(text)
    } else {
        Err(DeliveryError::Permanent(format!("the {what} holds characters that do not belong on the wire")))
    }
}

/// Control characters become spaces: nothing in a name or subject ends a header.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use keystead_domain::account::EmailAddress;

    use super::super::SmtpSecurity;
    use super::*;

    fn compose(subject: &str, from_name: &str, message_id: &str) -> Result<String, DeliveryError> {
        let from = EmailAddress::try_new("no-reply@example.com").unwrap();
        let mut config = SmtpConfig::new("localhost", 25, SmtpSecurity::None, from);
        config.from_name = from_name.to_owned();
        let mail = Mail {
            message_id: message_id.to_owned(),
            to: EmailAddress::try_new("ada@example.com").unwrap(),
            subject: subject.to_owned(),
            text: "Grüße\n\n123456\n".to_owned().into(),
            html: "<p>123456</p>".to_owned().into(),
        };
        Letter::compose(&config, Timestamp::from_seconds(1_700_000_000), &mail)
            .map(|letter| String::from_utf8(letter.data).unwrap())
    }

    #[test]
    fn headers_are_complete_and_ascii() {
        let text = compose("Bestätigen Sie Ihre Adresse", "Büro Köln", "abc@example.com").unwrap();
        assert!(text.is_ascii(), "{text}");
        let head = text.split("\r\n\r\n").next().unwrap();
        for line in [
            "Message-ID: <abc@example.com>",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "To: <ada@example.com>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
        assert!(head.contains("Subject: =?utf-8?"), "{head}");
        assert!(head.contains("From: =?utf-8?") && head.contains("<no-reply@example.com>"), "{head}");
        assert!(head.contains("multipart/alternative"), "{head}");
        assert!(!head.to_lowercase().contains("bcc"), "{head}");
    }

    #[test]
    fn nothing_adds_a_header() {
        let text = compose("Hi\r\nBcc: v@y.zz\r\n\r\nbody", "Me\r\nX-Evil: 1", "abc@example.com").unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc:") || line.starts_with("X-Evil:")), "{head}");
        assert!(head.contains("\r\nSubject: Hi Bcc: v@y.zz body\r\n"), "{head}");
        assert!(matches!(compose("Hi", "Me", "a\r\nb@c"), Err(DeliveryError::Permanent(_))));
        assert!(matches!(compose("Hi", "Me", "a>b@c"), Err(DeliveryError::Permanent(_))));
    }
}
