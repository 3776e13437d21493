//! Telling people from programs, or making programs pay.

use std::net::IpAddr;

use async_trait::async_trait;
use keystead_domain::SecretString;
use thiserror::Error;

/// What a captcha is solved for. A solution of one action is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaptchaAction {
    /// `/auth/register`, `/auth/srp/register`.
    Register,
    /// `/auth/password/forgot`.
    Forgot,
    /// `/auth/srp/challenge`.
    SrpChallenge,
    /// `/auth/login`, for devices not known, once the account's budget is spent.
    Login,
}

impl CaptchaAction {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Register, Self::Forgot, Self::SrpChallenge, Self::Login];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Forgot => "forgot",
            Self::SrpChallenge => "srp-challenge",
            Self::Login => "login",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// Why a solution does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaptchaError {
    /// Wrong, used, too old, or of another action or site.
    #[error("the captcha was refused")]
    Refused,
    /// Nobody can say: the provider, or a store, does not answer in time. Who needs it is refused (fail closed).
    #[error("the captcha cannot be checked: {0}")]
    Unavailable(String),
}

/// Checks solutions. MUST end within [`keystead_domain::limits::CAPTCHA_TIMEOUT`]; MUST accept a solution at most once, over
/// all replicas.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait CaptchaVerifier: Send + Sync {
    /// Whether `solution` was made for `action`, here, lately, and never used before.
    async fn verify(
        &self,
        action: CaptchaAction,
        solution: &SecretString,
        client: Option<IpAddr>,
    ) -> Result<(), CaptchaError>;
}
