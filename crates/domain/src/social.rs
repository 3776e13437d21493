//! Signing in with an account at somebody else's service (OpenID Connect Core 1.0, OAuth 2.0).

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use crate::Timestamp;
use crate::account::UserId;

/// A provider as the operator calls it in the configuration and in addresses: 1 to 32 lower-case letters, digits and
/// hyphens, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(String);

/// The text names no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a provider is called by 1 to 32 lower-case letters, digits and hyphens, a letter first")]
pub struct ProviderIdError;

impl ProviderId {
    /// Checks the form.
    pub fn try_new(text: &str) -> Result<Self, ProviderIdError> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if begins && fits && text.len() <= 32 { Ok(Self(text.to_owned())) } else { Err(ProviderIdError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who somebody is at a provider, whichever the operator means by a provider's name: `sub`, which its issuer never changes
/// and never gives to anybody else (OpenID Connect Core 1.0 section 5.7), together with what names the issuer. 1 to 300
/// printable ASCII characters, of which `sub` has 255 at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocialSubject(String);

/// The text is no subject identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a subject identifier has 1 to 300 printable ASCII characters")]
pub struct SocialSubjectError;

impl SocialSubject {
    /// Checks the form (OpenID Connect Core 1.0 section 2, `sub`).
    pub fn try_new(text: &str) -> Result<Self, SocialSubjectError> {
        let fits = (1..=300).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(SocialSubjectError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account at a provider that opens an account here. A person has at most one per provider; an account there opens at
/// most one here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocialIdentity {
    /// Identifier.
    pub id: Uuid,
    /// Whose account it opens.
    pub user_id: UserId,
    /// Where.
    pub provider: ProviderId,
    /// Who they are there.
    pub subject: SocialSubject,
    /// What the account is called there, for its owner to recognise: a name or an address, at most 200 characters.
    pub label: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last opened the account.
    pub last_used_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_short_plain_names() {
        for name in ["github", "my-idp2", &"a".repeat(32)] {
            assert_eq!(ProviderId::try_new(name).unwrap().as_str(), name);
        }
        for name in ["", "2fast", "-a", "GitHub", "a/b", "a b", "é", &"a".repeat(33)] {
            assert!(ProviderId::try_new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn subjects_are_printable_and_bounded() {
        for subject in ["1", "auth0|5f7c", "a b", &"x".repeat(300)] {
            assert_eq!(SocialSubject::try_new(subject).unwrap().as_str(), subject);
        }
        for subject in ["", "a\n", "é", &"x".repeat(301)] {
            assert!(SocialSubject::try_new(subject).is_err(), "{subject}");
        }
    }
}
