//! Figures an operator can change, with their defaults from [`keystead_domain::limits`].

use std::time::Duration;

use keystead_domain::account::PasswordPolicy;
use keystead_domain::limits::{self, RatePolicy};
use keystead_domain::token::RefreshPolicy;

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
                rotations: limits::REFRESH.limit,
                rotation_window: limits::REFRESH.window,
            },
        }
    }
}

/// Budgets of guesses and sends that are counted per account, in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Failed logins.
    pub login: RatePolicy,
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
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            login: limits::LOGIN_ACCOUNT,
            forgot: limits::FORGOT_ACCOUNT,
            password_change: limits::PASSWORD_CHANGE,
            reauth: limits::REAUTH,
            account_exists: limits::ACCOUNT_EXISTS,
            code_resend: limits::CODE_RESEND,
            code_resend_gap: limits::CODE_RESEND_GAP,
        }
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
    /// Budgets per account.
    pub limits: AccountLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:8787".into(),
            registration_open: true,
            passwords: PasswordPolicy::default(),
            lifetimes: Lifetimes::default(),
            limits: AccountLimits::default(),
        }
    }
}
