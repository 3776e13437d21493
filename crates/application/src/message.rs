//! What Keystead tells people, as data. Templates turn it into mails; the outbox keeps it sealed until then.

use keystead_domain::SecretString;
use keystead_domain::account::{Address, ContactKind, EmailAddress};
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
    /// Proves an address that is to be added to an account.
    VerifyContact {
        /// Six digits.
        code: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// The second factor of a login.
    LoginCode {
        /// Six digits.
        code: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// The second factor before a new password is chosen.
    ResetCode {
        /// Six digits.
        code: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// A login without a password.
    PasswordlessCode {
        /// Six digits.
        code: String,
        /// The address of the page that takes the code from its fragment.
        link: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// The second factor before something sensitive.
    StepUpCode {
        /// Six digits.
        code: String,
        /// How long the code lives.
        minutes: u64,
    },
    /// Somebody registered, or wants to add, an address that has an account.
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
    /// A second factor was added.
    FactorAdded {
        /// Which: `device`, `totp`, `email`, `phone`.
        factor: String,
        /// Where from.
        occasion: Occasion,
    },
    /// A second factor was removed.
    FactorRemoved {
        /// Which: `device`, `totp`, `email`, `phone`.
        factor: String,
        /// Where from.
        occasion: Occasion,
    },
    /// New recovery codes were made; older ones are void.
    RecoveryCodesMade {
        /// Where from.
        occasion: Occasion,
    },
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
        /// Where from.
        occasion: Occasion,
    },
    /// Wrong second factors blocked the account's factors for a while. Whoever tried had passed the first factor.
    FactorsBlocked {
        /// How long.
        minutes: u64,
        /// Where from.
        occasion: Occasion,
    },
    /// A passkey's counter went back: there may be a copy of it.
    PasskeyCloned {
        /// What its owner calls it.
        passkey: String,
        /// Where from.
        occasion: Occasion,
    },
    /// An address was added.
    ContactAdded {
        /// The address, masked.
        address: String,
        /// Where from.
        occasion: Occasion,
    },
    /// The address this goes to was replaced or removed.
    ContactLost {
        /// The address of the page that undoes it, the token in its fragment.
        link: String,
        /// How long the link lives.
        hours: u64,
        /// Where from.
        occasion: Occasion,
    },
    /// The change of an address was undone.
    ContactRestored {
        /// Where from.
        occasion: Occasion,
    },
    /// The account was closed by its owner.
    AccountDeactivated {
        /// Where from.
        occasion: Occasion,
    },
    /// An administrator did something to the account.
    Administered {
        /// What: `banned`, `reopened`, `deleted`, `role`, `profile`, `session_ended`, `sessions_ended`.
        act: String,
        /// The new role, where it is about one.
        role: Option<String>,
        /// Seconds since the Unix epoch.
        at: i64,
    },
    /// An administrator acts as the owner of the account.
    Impersonated {
        /// Why, in the administrator's words.
        reason: String,
        /// For how long at most.
        minutes: u64,
        /// Seconds since the Unix epoch.
        at: i64,
    },
    /// Somebody checked in and has not checked out.
    CheckOutReminder {
        /// The local day, `YYYY-MM-DD`.
        date: String,
        /// The local time of the check-in, `HH:MM`.
        time: String,
    },
    /// An account elsewhere was linked: it signs in from now on.
    SocialLinked {
        /// What people call the provider.
        provider: String,
        /// Where from.
        occasion: Occasion,
    },
    /// An account elsewhere was unlinked.
    SocialUnlinked {
        /// What people call the provider.
        provider: String,
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
            Self::VerifyContact { .. } => "verify_contact",
            Self::LoginCode { .. } => "login_code",
            Self::ResetCode { .. } => "reset_code",
            Self::PasswordlessCode { .. } => "passwordless_code",
            Self::StepUpCode { .. } => "step_up_code",
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::RecoveryCodesMade { .. } => "recovery_codes_made",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::FactorsBlocked { .. } => "factors_blocked",
            Self::PasskeyCloned { .. } => "passkey_cloned",
            Self::ContactAdded { .. } => "contact_added",
            Self::ContactLost { .. } => "contact_lost",
            Self::ContactRestored { .. } => "contact_restored",
            Self::AccountExists { .. } => "account_exists",
            Self::ResetPassword { .. } => "reset_password",
            Self::ActivateAccount { .. } => "activate_account",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::RefreshReused { .. } => "refresh_reused",
            Self::NewDevice { .. } => "new_device",
            Self::AccountDeactivated { .. } => "account_deactivated",
            Self::Administered { .. } => "administered",
            Self::Impersonated { .. } => "impersonated",
            Self::CheckOutReminder { .. } => "check_out_reminder",
            Self::SocialLinked { .. } => "social_linked",
            Self::SocialUnlinked { .. } => "social_unlinked",
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
    pub to: Address,
    /// Language wished for: a tag, or a list as in `Accept-Language`.
    pub locale: Option<String>,
    /// What to call them.
    pub name: Option<String>,
    /// What to tell them.
    pub notice: Notice,
}

/// [`Message`] as it is sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// `phone`; left out for e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    to: String,
    locale: Option<String>,
    name: Option<String>,
    #[serde(flatten)]
    notice: Notice,
}

impl Message {
    /// A message that is never sent.
    pub fn decoy() -> Self {
        Self { to: Address::Email(EmailAddress::nobody()), locale: None, name: None, notice: Notice::Decoy }
    }

    /// The same, in what the person who asks reads when nobody knows what the reader does. For messages to whoever asks;
    /// a stranger does not choose the language of a notice.
    pub fn or_in(mut self, languages: Option<&str>) -> Self {
        self.locale = self.locale.or_else(|| languages.map(str::to_owned));
        self
    }

    /// The message as text, to be sealed.
    pub fn encode(&self) -> SecretString {
        let stored = Stored {
            kind: (self.to.kind() != ContactKind::Email).then(|| self.to.kind().as_str().to_owned()),
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
        let kind = stored.kind.as_deref().map_or(Some(ContactKind::Email), ContactKind::parse)?;
        Some(Self {
            to: Address::from_stored(kind, &stored.to)?,
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
            to: Address::Email(EmailAddress::try_new("ada@example.com").unwrap()),
            locale: Some("en".into()),
            name: None,
            notice: Notice::VerifyEmail { code: "000123".into(), minutes: 5 },
        };
        assert_eq!(Message::decode(message.encode().expose().as_bytes()), Some(message.clone()));
        assert!(!format!("{message:?}").contains("000123"));
        assert_eq!(message.clone().or_in(Some("de")), message);
        let unknown = Message { locale: None, ..message.clone() };
        assert_eq!(unknown.clone().or_in(Some("fr, de;q=0.5")).locale.as_deref(), Some("fr, de;q=0.5"));
        assert_eq!(unknown.or_in(None).locale, None);
        let to = Address::from_stored(ContactKind::Phone, "+442079460958").unwrap();
        let text = Message { to, ..message };
        assert_eq!(Message::decode(text.encode().expose().as_bytes()), Some(text));
    }
}
