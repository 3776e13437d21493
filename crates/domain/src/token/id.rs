use std::fmt;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads an identifier; `None` unless it is 1 to the longest allowed number of URL-safe characters.
            pub fn parse(text: &str) -> Option<Self> {
                let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                ((1..=$max).contains(&text.len()) && text.bytes().all(safe)).then(|| Self(text.to_owned()))
            }

            /// The identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A session's identifier (`sid`): 126 random bits, URL-safe.
    SessionId,
    64
);
text_id!(
    /// A key's identifier (`kid`): the RFC 7638 thumbprint of a public key, or random for a secret one.
    KeyId,
    64
);

/// A token's identifier (`jti`): `<sid>.<96 random bits>`, so that the session it belongs to is visible without a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId {
    text: String,
    session_length: usize,
}

impl TokenId {
    /// Joins a session and the random part.
    pub fn new(session: &SessionId, random: &str) -> Option<Self> {
        Self::parse(&format!("{session}.{random}"))
    }

    /// Reads a token identifier.
    pub fn parse(text: &str) -> Option<Self> {
        let (session, random) = text.split_once('.')?;
        SessionId::parse(session)?;
        SessionId::parse(random)?;
        Some(Self { text: text.to_owned(), session_length: session.len() })
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The session part, as text.
    pub fn session_str(&self) -> &str {
        self.text.get(..self.session_length).unwrap_or_default()
    }

    /// The session the token belongs to.
    pub fn session(&self) -> SessionId {
        SessionId(self.session_str().to_owned())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_session() {
        let id = TokenId::parse("abc_-1.xyz").unwrap();
        assert_eq!(id.session().as_str(), "abc_-1");
        for text in ["", "abc", "abc.", ".x", "a.b.c", "a b.c", "a/../b.c", &format!("{}.x", "a".repeat(65))] {
            assert!(TokenId::parse(text).is_none(), "{text:?}");
        }
    }
}
