//! What Keystead tells people, as data. Templates turn it into mails; the outbox keeps it sealed until then.

use keystead_domain::SecretString;
use keystead_domain::account::EmailAddress;
use serde::{Deserialize, Serialize};

/// Where and when something happened, for a person to recognise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// Client address.
    pub ip: Option<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// Seconds since the Unix epoch.
    pub at: i64,
}

/// The reason of a message, with what its text needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Proves a registration.
    VerifyEmail {
        /// Six digits.
        code: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// Somebody registered an address that has an account.
    AccountExists {
        /// Where from.
        occasion: Occasion,
    },
    /// Chooses a new password.
    ResetPassword {
        /// The address of the form, the token in its fragment.
        link: String,
        /// How long the link lives.
        minutes: u64,
    },
    /// Chooses the first password of an account made by an operator.
    ActivateAccount {
        /// The address of the form, the token in its fragment.
        link: String,
        /// How long the link lives.
        hours: u64,
    },
    /// The password was replaced by a reset.
    PasswordReset {
        /// Where from.
        occasion: Occasion,
    },
    /// The password was changed.
    PasswordChanged {
        /// Where from.
        occasion: Occasion,
    },
    /// A copied refresh token was shown and the session was ended.
    RefreshReused {
        /// Where from.
        occasion: Occasion,
    },
    /// Somebody signed in from a browser not seen before.
    NewDevice {
        /// Where from.
        occasion: Occasion,
    },
    /// The account was closed by its owner.
    AccountDeactivated {
        /// Where from.
        occasion: Occasion,
    },
    /// Nothing is sent. Written where a message would be if the account existed, so that both cases do the same work.
    Decoy,
}

impl Notice {
    /// The name of the template.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::AccountExists { .. } => "account_exists",
            Self::ResetPassword { .. } => "reset_password",
            Self::ActivateAccount { .. } => "activate_account",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::RefreshReused { .. } => "refresh_reused",
            Self::NewDevice { .. } => "new_device",
            Self::AccountDeactivated { .. } => "account_deactivated",
            Self::Decoy => "decoy",
        }
    }
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Notice::{}(…)", self.template())
    }
}

/// One message to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Recipient.
    pub to: EmailAddress,
    /// Language wished for.
    pub locale: Option<String>,
    /// What to call them.
    pub name: Option<String>,
    /// What to tell them.
    pub notice: Notice,
}

/// [`Message`] as it is sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    to: String,
    locale: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    notice: Notice,
}

impl Message {
    /// A message that is never sent.
    pub fn decoy() -> Self {
        Self { to: EmailAddress::nobody(), locale: None, name: None, notice: Notice::Decoy }
    }

    /// The message as text, to be sealed.
    pub fn encode(&self) -> SecretString {
        let stored = Stored {
            to: self.to.to_string(),
            locale: self.locale.clone(),
            name: self.name.clone(),
            notice: self.notice.clone(),
        };
        SecretString::new(serde_json::to_string(&stored).unwrap_or_default())
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            to: EmailAddress::try_new(&stored.to).ok()?,
            locale: stored.locale,
            name: stored.name,
            notice: stored.notice,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_sealing_and_print_no_code() {
        let message = Message {
            to: EmailAddress::try_new("ada@example.com").unwrap(),
            locale: Some("en".into()),
            name: None,
            notice: Notice::VerifyEmail { code: "000123".into(), minutes: 5 },
        };
        assert_eq!(Message::decode(message.encode().expose().as_bytes()), Some(message.clone()));
        assert!(!format!("{message:?}").contains("000123"));
    }
}
