//! Second factors, contacts, step-up, logins without a password: what issue 4 of the specification asks to be shown.

mod at_rest;
mod budgets;
mod changes;
mod contact_races;
mod contacts;
mod gate;
mod guesses;
mod passwordless;
mod phones;
mod reset;
pub(crate) mod single_use;
pub(crate) mod step_up;
mod totp;

use keystead_api_actix::config::{Config, RegistrationContact};

use crate::support::{PASSWORD, Refusal, Service, refusal};

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const NEW: &str = "copper-violin-meadow-17";
/// A number that Ofcom keeps free for stories.
pub(crate) const PHONE: &str = "+442079460923";

/// The answer to a code that is not accepted, whatever the reason.
pub(crate) fn otp_invalid() -> Refusal {
    refusal(401, "OTP_INVALID")
}

pub(crate) fn mfa_required() -> Refusal {
    refusal(403, "MFA_REQUIRED")
}

pub(crate) fn locked() -> Refusal {
    refusal(429, "OTP_LOCKED")
}

/// Codes or links in the place of passwords.
pub(crate) fn without_passwords(config: &mut Config) {
    config.login.passwordless = true;
}

/// People register with either kind of contact.
pub(crate) fn with_phones(config: &mut Config) {
    config.registration.contact = RegistrationContact::Both;
}

/// Six digits that are none of these.
pub(crate) fn other_than(codes: &[String]) -> String {
    let free = (0..=codes.len()).map(|number| format!("{number:06}")).find(|code| !codes.contains(code));
    free.unwrap()
}

/// The grant behind the link that somebody who forgot their password is mailed.
pub(crate) async fn forgotten(service: &Service, email: &str) -> crate::support::HalfWay {
    let had = service.mails(email).await.iter().filter(|mail| mail.link_token().is_some()).count();
    service.native().forgot(email).await.unwrap();
    let link = service.link_tokens(email, had + 1).await.remove(had);
    service.native().begin_reset(&link).await.unwrap()
}

/// Somebody whose codes by e-mail are a second factor. They proved none yet.
pub(crate) async fn with_email_codes(service: &Service, email: &str) -> crate::support::SignedIn {
    let ada = service.registered(email).await;
    let contact = ada.contact("email").await;
    ada.set_otp(&contact, true).await.unwrap()
}

/// Half-way through a login, asked for a second factor.
pub(crate) async fn asked(service: &Service, email: &str) -> crate::support::HalfWay {
    service.native().login_asked(email, PASSWORD).await.unwrap()
}
