use std::time::Duration;

use keystead_application::ports::UserVerification;
use keystead_application::settings::FactorSettings;
use keystead_domain::account::ContactKind;
use keystead_domain::factor::{BlockPolicy, SecondFactorPolicy};
use keystead_domain::limits;

use super::Config;
use super::reader::{Noted, Reader, Reading};
use super::values::{boolean, choice, line};

const POLICIES: [SecondFactorPolicy; 3] =
    [SecondFactorPolicy::Enrolled, SecondFactorPolicy::Always, SecondFactorPolicy::Never];

/// `[login]`: what a login asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginConfig {
    /// When it wants a second factor.
    pub second_factor: SecondFactorPolicy,
    /// Whether a code or link sent to a contact may take the place of the password.
    pub passwordless: bool,
    /// Whether codes by e-mail may be a second factor.
    pub email_codes: bool,
}

impl LoginConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let second_factor = r.value("login.second_factor", |text| choice(text, &POLICIES.map(|p| (p.as_str(), p))));
        let passwordless = r.value("login.passwordless", boolean);
        let email_codes = r.value("login.email_codes", boolean);
        Ok(Self { second_factor: second_factor?, passwordless: passwordless?, email_codes: email_codes? })
    }
}

/// `[mfa]`: what becomes of wrong second factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MfaConfig {
    /// Failures that begin a block.
    pub max_failures: u32,
    /// The first block.
    pub block: Duration,
    /// The longest block.
    pub longest_block: Duration,
}

impl MfaConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let max_failures = r.integer("mfa.max_failures", 1..=100);
        let block = r.duration("mfa.block", Duration::from_mins(1)..=Duration::from_hours(24 * 30));
        let longest_block = r.duration("mfa.longest_block", Duration::from_mins(1)..=Duration::from_hours(24 * 365));
        let (block, longest_block) = (block?, longest_block?);
        if longest_block < block {
            r.fault("mfa.longest_block", "is shorter than mfa.block", "keep block <= longest_block");
            return Err(Noted);
        }
        Ok(Self { max_failures: max_failures?, block, longest_block })
    }
}

/// `[totp]`: codes of authenticator programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpConfig {
    /// Steps accepted before the current one.
    pub window: u32,
    /// What programs show as the service.
    pub issuer: String,
}

impl TotpConfig {
    /// `product_name` is the issuer unless another one is set.
    pub(super) fn read(r: &mut Reader, product_name: Option<&str>) -> Reading<Self> {
        let window = r.integer("totp.window", 0..=2);
        let issuer = r.optional("totp.issuer", line)?;
        let issuer = issuer.or_else(|| product_name.map(str::to_owned)).ok_or(Noted);
        Ok(Self { window: window?, issuer: issuer? })
    }
}

/// How much of its user an authenticator has to verify, by its name in the configuration.
pub(super) const USER_VERIFICATION: [(&str, UserVerification); 3] = [
    ("required", UserVerification::Required),
    ("preferred", UserVerification::Preferred),
    ("discouraged", UserVerification::Discouraged),
];

impl Config {
    /// What the use-cases are told of second factors.
    pub fn factor_settings(&self) -> FactorSettings {
        let is_channel = |kind: &ContactKind| *kind != ContactKind::Email || self.login.email_codes;
        FactorSettings {
            registration: self.registration.contact.kinds(),
            second_factor: self.login.second_factor,
            passwordless: self.login.passwordless,
            channels: ContactKind::ALL.into_iter().filter(is_channel).collect(),
            sms: self.sms.is_on(),
            totp_window: self.totp.window,
            totp_issuer: self.totp.issuer.clone(),
            block: BlockPolicy {
                max_failures: self.mfa.max_failures,
                block: self.mfa.block,
                longest: self.mfa.longest_block,
                memory: limits::MFA_MEMORY,
                alert_gap: limits::MFA_ALERT_GAP,
            },
            passkeys: self.passkeys.max,
            user_verification: self.passkeys.user_verification,
        }
    }
}

/// What no section can see by itself.
pub(super) fn check_channels(r: &mut Reader, contact: super::RegistrationContact, login: LoginConfig, sms: bool) {
    if contact.kinds().contains(&ContactKind::Phone) && !sms {
        let fix = "set sms.provider, or contact = \"email\"";
        r.fault("registration.contact", "needs text messages, and there is no provider for them", fix);
    }
    if login.second_factor == SecondFactorPolicy::Always && !login.email_codes && !sms {
        let fix = "set email_codes = true, set sms.provider, or second_factor = \"enrolled\"";
        let what = "is \"always\", and a person without a factor could be sent a code nowhere";
        r.fault("login.second_factor", what, fix);
    }
}
