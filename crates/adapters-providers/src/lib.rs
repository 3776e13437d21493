//! Companies that deliver: [`Twilio`] hands text messages to Twilio, [`SendGrid`] hands mail to SendGrid, both over their
//! HTTP interfaces.
//!
//! A refusal becomes one of two things. What is about this one message, such as a number that does not exist, is
//! permanent. What the operator or time can mend is transient: no connection, no answer in time, 429, 5xx, and also wrong
//! credentials and a wrong sender, because every message would be lost by a slip in the configuration otherwise. The
//! latter are logged as errors.

mod http;
mod sendgrid;
mod siteverify;
mod social;
mod twilio;

pub use http::{ProviderConfigError, Timeouts};
pub use sendgrid::{SendGrid, SendGridConfig};
pub use siteverify::{SiteVerify, SiteVerifyConfig, SiteVerifyTools};
pub use social::{GitHub, GitHubConfig, Oidc, OidcConfig, SocialClient};
pub use twilio::{Twilio, TwilioConfig, TwilioSender};
