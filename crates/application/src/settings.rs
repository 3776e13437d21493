//! Figures an operator can change, with their defaults from [`keystead_domain::limits`].

use std::time::Duration;

use keystead_domain::account::{ContactKind, PasswordPolicy};
use keystead_domain::factor::{BlockPolicy, SecondFactorPolicy};
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::social::ProviderId;
use keystead_domain::token::RefreshPolicy;

use crate::ports::UserVerification;

/// Lives of tokens and sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Access tokens.
    pub access: Duration,
    /// Sessions, whatever happens.
    pub session: Duration,
    /// Refreshing: grace, idle time, rotations.
    pub refresh: RefreshPolicy,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access: limits::ACCESS_TOKEN_LIFE,
            session: limits::SESSION_LIFE,
            refresh: RefreshPolicy {
                grace: limits::REFRESH_GRACE,
                idle: limits::SESSION_IDLE,
                rotations: limits::REFRESH,
            },
        }
    }
}

/// Budgets of guesses and sends that are counted per account, in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Failed logins.
    pub login: RatePolicy,
    /// Failed logins that a captcha was solved for, once [`Self::login`] is spent.
    pub login_captcha: RatePolicy,
    /// Reset links.
    pub forgot: RatePolicy,
    /// Password changes.
    pub password_change: RatePolicy,
    /// Failed re-authentications.
    pub reauth: RatePolicy,
    /// "You already have an account" mails.
    pub account_exists: RatePolicy,
    /// Codes sent again.
    pub code_resend: RatePolicy,
    /// Codes sent again, one after the other.
    pub code_resend_gap: RatePolicy,
    /// Messages of logins without a password.
    pub passwordless: RatePolicy,
    /// Step-up codes.
    pub step_up: RatePolicy,
    /// Step-up codes, one after the other.
    pub step_up_gap: RatePolicy,
    /// Addresses to be added.
    pub contact_add: RatePolicy,
    /// Messages to one address.
    pub address: RatePolicy,
    /// Changes of factors.
    pub factor_change: RatePolicy,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            login: limits::LOGIN_ACCOUNT,
            login_captcha: limits::LOGIN_CAPTCHA,
            forgot: limits::FORGOT_ACCOUNT,
            password_change: limits::PASSWORD_CHANGE,
            reauth: limits::REAUTH,
            account_exists: limits::ACCOUNT_EXISTS,
            code_resend: limits::CODE_RESEND,
            code_resend_gap: limits::CODE_RESEND_GAP,
            passwordless: limits::PASSWORDLESS_ACCOUNT,
            step_up: limits::STEP_UP,
            step_up_gap: limits::STEP_UP_GAP,
            contact_add: limits::CONTACT_ADD,
            address: limits::ADDRESS,
            factor_change: limits::FACTOR_CHANGE,
        }
    }
}

/// Second factors, contacts and logins without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorSettings {
    /// What people may register with.
    pub registration: Vec<ContactKind>,
    /// When a login wants a second factor.
    pub second_factor: SecondFactorPolicy,
    /// Whether a code to a contact, instead of a password, signs in.
    pub passwordless: bool,
    /// The kinds of contact whose codes may be a second factor, and to which step-up codes are sent.
    pub channels: Vec<ContactKind>,
    /// Whether text messages can be sent at all.
    pub sms: bool,
    /// TOTP steps accepted before the current one: 0 to 2.
    pub totp_window: u32,
    /// What authenticator programs show as the service.
    pub totp_issuer: String,
    /// Wrong second factors.
    pub block: BlockPolicy,
    /// Most passkeys of a person.
    pub passkeys: u32,
    /// What is demanded of a passkey that is a second factor. One that signs in alone always verifies its user.
    pub user_verification: UserVerification,
}

impl Default for FactorSettings {
    fn default() -> Self {
        Self {
            registration: vec![ContactKind::Email],
            second_factor: SecondFactorPolicy::default(),
            passwordless: false,
            channels: ContactKind::ALL.to_vec(),
            sms: false,
            totp_window: limits::TOTP_WINDOW,
            totp_issuer: "Keystead".into(),
            block: BlockPolicy {
                max_failures: limits::MFA_MAX_FAILURES,
                block: limits::MFA_BLOCK,
                longest: limits::MFA_LONGEST_BLOCK,
                memory: limits::MFA_MEMORY,
                alert_gap: limits::MFA_ALERT_GAP,
            },
            passkeys: limits::PASSKEYS,
            user_verification: UserVerification::default(),
        }
    }
}

impl FactorSettings {
    /// The kinds of contact whose codes are a factor here: the channels that can be sent to.
    pub fn usable_channels(&self) -> Vec<ContactKind> {
        self.channels.iter().copied().filter(|kind| self.reaches(*kind)).collect()
    }

    /// Whether messages to a kind of contact can be sent.
    pub fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Email || self.sms
    }
}

/// How long what nobody needs any more is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Accounts that their owners closed.
    pub deactivated: Duration,
    /// Logins, for their owner to read.
    pub logins: Duration,
    /// Audit events.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { deactivated: limits::DEACTIVATED_KEPT, logins: limits::LOGIN_HISTORY_KEPT, audit: limits::AUDIT_KEPT }
    }
}

/// What every use-case may need to know of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The origin people reach the service at, without a trailing slash. Every mailed link begins with it, never with
    /// anything a request said (G17).
    pub public_url: String,
    /// Whether strangers may register.
    pub registration_open: bool,
    /// What a new password must be.
    pub passwords: PasswordPolicy,
    /// Lives of tokens and sessions.
    pub lifetimes: Lifetimes,
    /// Most sessions of an account at a time: 1 to 1000.
    pub max_sessions: u32,
    /// Budgets per account.
    pub limits: AccountLimits,
    /// Second factors.
    pub factors: FactorSettings,
    /// Where people may have accounts that open theirs here.
    pub providers: Vec<ProviderId>,
    /// How long what nobody needs any more is kept.
    pub retention: Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:8787".into(),
            registration_open: true,
            passwords: PasswordPolicy::default(),
            lifetimes: Lifetimes::default(),
            max_sessions: limits::SESSIONS_MOST,
            limits: AccountLimits::default(),
            factors: FactorSettings::default(),
            providers: Vec::new(),
            retention: Retention::default(),
        }
    }
}
