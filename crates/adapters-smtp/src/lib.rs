//! Mail: [`SmtpMailer`] hands messages to a mail server, [`DevMailbox`] keeps them, and text messages, for a
//! developer to read, and [`Templates`] writes all of them.

mod dev_mailbox;
mod smtp;
mod templates;

pub use dev_mailbox::{DevMailbox, StoredMail};
pub use smtp::{SmtpConfig, SmtpConfigError, SmtpMailer, SmtpSecurity};
pub use templates::{Coverage, Templates, TemplatesConfig};
