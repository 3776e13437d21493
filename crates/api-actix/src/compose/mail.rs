//! How mail leaves, and the tools of `keystead dev`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_crypto::SettableClock;
use keystead_adapters_smtp::{DevMailbox, SmtpConfig, SmtpMailer, SmtpSecurity, Templates, TemplatesConfig};
use keystead_application::ports::{Clock, MailRenderer, Mailer};
use keystead_domain::SecretString;

use super::{ComposeError, broken};
use crate::config::{self, Config, MailTransport};
use crate::routes::dev::{DevMail, DevTools};

pub(super) type MailerAndDomain = (Option<Arc<dyn Mailer>>, String);

pub(super) fn mailer(
    config: &Config,
    mailbox: &Arc<DevMailbox>,
    clock: &Arc<dyn Clock>,
) -> Result<MailerAndDomain, ComposeError> {
    match &config.mail.transport {
        MailTransport::Off => Ok((None, "localhost".into())),
        MailTransport::DevMailbox => Ok((Some(Arc::clone(mailbox) as Arc<dyn Mailer>), "localhost".into())),
        MailTransport::Smtp(smtp) => {
            let security = match smtp.security {
                config::SmtpSecurity::StartTls => SmtpSecurity::StartTls,
                config::SmtpSecurity::Implicit => SmtpSecurity::ImplicitTls,
                config::SmtpSecurity::Plain => SmtpSecurity::None,
            };
            let extra_ca_pem = match &smtp.extra_ca_file {
                Some(path) => Some(read(path)?),
                None => None,
            };
            let settings = SmtpConfig {
                credentials: smtp.credentials.clone(),
                from_name: smtp.from_name.clone(),
                extra_ca_pem,
                ..SmtpConfig::new(&smtp.host, smtp.port, security, smtp.from.clone())
            };
            let domain = smtp.from.as_str().rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
            let mailer =
                SmtpMailer::new(settings, Arc::clone(clock)).map_err(|error| broken(format!("mail: {error}")))?;
            Ok((Some(Arc::new(mailer)), domain))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ComposeError> {
    fs::read(path).map_err(|error| broken(format!("{}: {error}", path.display())))
}

pub(super) fn renderer(config: &Config, sender_domain: String) -> Result<Arc<dyn MailRenderer>, ComposeError> {
    let templates = Templates::new(TemplatesConfig {
        product_name: config.mail.product_name.clone(),
        sender_domain,
        override_dir: config.mail.templates_dir.clone(),
    });
    Ok(Arc::new(templates.map_err(broken)?))
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
