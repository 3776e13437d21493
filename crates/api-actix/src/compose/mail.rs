//! How mail and text messages leave, and the tools of `keystead dev`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keystead_adapters_crypto::SettableClock;
use keystead_adapters_providers::{SendGrid, SendGridConfig, Timeouts, Twilio, TwilioConfig, TwilioSender};
use keystead_adapters_smtp::{Coverage, DevMailbox, SmtpConfig, SmtpMailer, SmtpSecurity, Templates, TemplatesConfig};
use keystead_application::operation::Channels;
use keystead_application::ports::{Clock, DeliveryError, Mail, Mailer, MessageRenderer, SmsSender};
use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;

use super::{ComposeError, broken};
use crate::config::{self, Config, MailTransport, SmsTransport};
use crate::routes::dev::{DevMail, DevTools};

/// What messages leave by, and who writes them; `None` when they leave by nothing.
pub(super) type Post = Option<(Channels, Arc<dyn MessageRenderer>)>;

/// Sets up what messages leave by.
pub(super) fn post(config: &Config, mailbox: &Arc<DevMailbox>, clock: &Arc<dyn Clock>) -> Result<Post, ComposeError> {
    let (mailer, domain) = mailer(config, mailbox, clock)?;
    let sms = sms_sender(config, mailbox)?;
    if mailer.is_none() && sms.is_none() {
        // Broken texts are found when they were put there, not when mail is turned on.
        if config.mail.templates_dir.is_some() {
            renderer(config, domain)?;
        }
        return Ok(None);
    }
    let channels = Channels { mailer: mailer.unwrap_or_else(|| Arc::new(NoMailer)), sms };
    Ok(Some((channels, renderer(config, domain)?)))
}

/// Mail is off and text messages are not: mail waits until it expires.
struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn send(&self, _: &Mail) -> Result<(), DeliveryError> {
        Err(DeliveryError::Transient("mail is off: neither mail.smtp_url nor mail.sendgrid_key is set".to_owned()))
    }
}

type MailerAndDomain = (Option<Arc<dyn Mailer>>, String);

fn mailer(config: &Config, mailbox: &Arc<DevMailbox>, clock: &Arc<dyn Clock>) -> Result<MailerAndDomain, ComposeError> {
    let broken = |error: &dyn std::fmt::Display| broken(format!("mail: {error}"));
    match &config.mail.transport {
        MailTransport::Off => Ok((None, "localhost".into())),
        MailTransport::DevMailbox => Ok((Some(Arc::clone(mailbox) as Arc<dyn Mailer>), "localhost".into())),
        MailTransport::Smtp(smtp) => {
            let mailer = SmtpMailer::new(smtp_config(smtp)?, Arc::clone(clock)).map_err(|error| broken(&error))?;
            Ok((Some(Arc::new(mailer)), domain(&smtp.from)))
        }
        MailTransport::SendGrid(sendgrid) => {
            let mailer = SendGrid::new(SendGridConfig {
                base_url: sendgrid.base_url.as_str().to_owned(),
                // Refused before, unless the operator accepts it.
                plaintext: true,
                api_key: sendgrid.api_key.clone(),
                from_address: sendgrid.from.clone(),
                from_name: sendgrid.from_name.clone(),
                timeouts: Timeouts::default(),
            });
            Ok((Some(Arc::new(mailer.map_err(|error| broken(&error))?)), domain(&sendgrid.from)))
        }
    }
}

fn sms_sender(config: &Config, mailbox: &Arc<DevMailbox>) -> Result<Option<Arc<dyn SmsSender>>, ComposeError> {
    match &config.sms.transport {
        SmsTransport::Off => Ok(None),
        SmsTransport::DevMailbox => Ok(Some(Arc::clone(mailbox) as Arc<dyn SmsSender>)),
        SmsTransport::Twilio(twilio) => {
            let sender = match &twilio.sender {
                config::TwilioSender::Number(number) => TwilioSender::Number(number.clone()),
                config::TwilioSender::MessagingService(sid) => TwilioSender::MessagingService(sid.clone()),
            };
            let twilio = Twilio::new(TwilioConfig {
                base_url: twilio.base_url.as_str().to_owned(),
                // Refused before, unless the operator accepts it.
                plaintext: true,
                account_sid: twilio.account_sid.clone(),
                auth_token: twilio.auth_token.clone(),
                sender,
                timeouts: Timeouts::default(),
            });
            Ok(Some(Arc::new(twilio.map_err(|error| broken(format!("sms: {error}")))?)))
        }
    }
}

fn smtp_config(smtp: &config::SmtpConfig) -> Result<SmtpConfig, ComposeError> {
    let security = match smtp.security {
        config::SmtpSecurity::StartTls => SmtpSecurity::StartTls,
        config::SmtpSecurity::Implicit => SmtpSecurity::ImplicitTls,
        config::SmtpSecurity::Plain => SmtpSecurity::None,
    };
    let extra_ca_pem = match &smtp.extra_ca_file {
        Some(path) => Some(read(path)?),
        None => None,
    };
    Ok(SmtpConfig {
        credentials: smtp.credentials.clone(),
        from_name: smtp.from_name.clone(),
        extra_ca_pem,
        ..SmtpConfig::new(&smtp.host, smtp.port, security, smtp.from.clone())
    })
}

fn domain(from: &EmailAddress) -> String {
    from.as_str().rsplit_once('@').map_or("", |(_, domain)| domain).to_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, ComposeError> {
    fs::read(path).map_err(|error| broken(format!("{}: {error}", path.display())))
}

fn renderer(config: &Config, sender_domain: String) -> Result<Arc<dyn MessageRenderer>, ComposeError> {
    let templates = Templates::new(templates_config(config, sender_domain));
    Ok(Arc::new(templates.map_err(|error| broken(format!("mail.templates_dir: {error}")))?))
}

fn templates_config(config: &Config, sender_domain: String) -> TemplatesConfig {
    TemplatesConfig {
        product_name: config.mail.product_name.clone(),
        sender_domain,
        default_language: config.languages.default.to_string(),
        override_dir: config.mail.templates_dir.clone(),
    }
}

/// Renders every message in every language, whether messages leave or not.
pub fn examine_templates(config: &Config) -> Result<Coverage, String> {
    Templates::examine(templates_config(config, "localhost".into())).map_err(|error| error.to_string())
}

/// The mailbox and the clock of `keystead dev`.
pub(super) struct Tools {
    pub mailbox: Arc<DevMailbox>,
    pub clock: Arc<SettableClock>,
}

impl DevTools for Tools {
    fn mails(&self, to: Option<&str>) -> Vec<DevMail> {
        let mails = self.mailbox.messages(to).into_iter();
        mails
            .map(|mail| DevMail {
                id: mail.id,
                channel: mail.channel,
                to: mail.to,
                subject: mail.subject,
                text: SecretString::new(mail.text),
                html: SecretString::new(mail.html),
                created_at: mail.created_at,
            })
            .collect()
    }

    fn clear_mails(&self) {
        self.mailbox.clear();
    }

    fn advance_clock(&self, span: Duration) {
        self.clock.advance(span);
    }
}
