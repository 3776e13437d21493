use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use crate::Timestamp;
use crate::account::UserId;

/// A passkey's identifier in the API: a random UUID (version 4). Not the authenticator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PasskeyId(Uuid);

impl PasskeyId {
    /// Wraps a UUID read from a store.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Makes the version-4 UUID of 16 random bytes (RFC 9562 section 5.4).
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads the hyphenated form, lower case.
    pub fn parse(text: &str) -> Option<Self> {
        UserId::parse(text).map(|id| Self(id.as_uuid()))
    }

    /// The UUID itself.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for PasskeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The identifier an authenticator gave its credential: 1 to 1023 bytes (WebAuthn Level 3 section 4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(Vec<u8>);

impl CredentialId {
    /// Wraps an identifier of a permitted length.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=1023).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What its owner calls a passkey: 1 to 64 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyName(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a name has 1 to 64 characters and no control characters")]
pub struct PasskeyNameError;

impl PasskeyName {
    /// Reads a name; spaces around it are dropped.
    pub fn try_new(text: &str) -> Result<Self, PasskeyNameError> {
        let text = text.trim();
        let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(PasskeyNameError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person's passkey or security key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Identifier in the API.
    pub id: PasskeyId,
    /// Whose.
    pub user_id: UserId,
    /// The authenticator's identifier; unique among all accounts.
    pub credential_id: CredentialId,
    /// What its owner calls it.
    pub name: PasskeyName,
    /// Public key, counter and flags, in the verifier's own form. No secret.
    pub credential: Vec<u8>,
    /// The signature counter (WebAuthn Level 3 section 6.1.1); zero for authenticators without one.
    pub counter: u32,
    /// Which make of authenticator (AAGUID), zero when it does not say.
    pub aaguid: Uuid,
    /// Whether it may be copied to other devices (BE).
    pub backup_eligible: bool,
    /// Whether it has been (BS).
    pub backed_up: bool,
    /// Whether the authenticator verified its user at registration (UV).
    pub user_verified: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last signed somebody in, or proved a step-up.
    pub last_used_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(PasskeyName::try_new("  Ada's phone ").unwrap().as_str(), "Ada's phone");
        for text in ["", "  ", "a\nb", "a\u{0}b", &"x".repeat(65)] {
            assert_eq!(PasskeyName::try_new(text), Err(PasskeyNameError), "{text:?}");
        }
    }

    #[test]
    fn credential_ids_have_a_permitted_length() {
        assert!(CredentialId::new(vec![1; 1023]).is_some());
        assert!(CredentialId::new(vec![]).is_none() && CredentialId::new(vec![1; 1024]).is_none());
    }
}
