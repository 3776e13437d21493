use std::fmt;

use uuid::Uuid;

/// A user's identifier: a random UUID (version 4), public, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// Wraps a UUID read from a store or a token.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Makes the version-4 UUID of 16 random bytes (RFC 9562 section 5.4).
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads the hyphenated form, lower case, as it appears in tokens and paths.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text).ok()?;
        (uuid.hyphenated().to_string() == text).then_some(Self(uuid))
    }

    /// The UUID itself.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let id = UserId::from_random([0xab; 16]);
        assert_eq!(UserId::parse(&id.to_string()), Some(id));
        assert_eq!(UserId::parse(&id.to_string().to_uppercase()), None);
        assert_eq!(UserId::parse(&id.as_uuid().simple().to_string()), None);
        assert_eq!(UserId::parse("*"), None);
    }
}
