use thiserror::Error;

use super::{KeyId, SessionId};

/// Which rotation of a session a refresh token stands for. Counts up; no clock takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The generation of a session just made.
    pub const FIRST: Self = Self(1);

    /// A generation read from a store or a token.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The generation after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The parts of a refresh token, `ksr_<kid>.<sid>.<generation>.<mac>`. It is derived, never stored: the store keeps the
/// head generation only, so a stolen database yields no token, and the same successor can be given to every tab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The server key of the mac.
    pub key: KeyId,
    /// The session.
    pub session: SessionId,
    /// The rotation.
    pub generation: Generation,
    /// HMAC-SHA-256 over session and generation, base64url without padding. Unverified.
    pub mac: String,
}

/// The text is no refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a refresh token")]
pub struct RefreshTokenError;

impl RefreshToken {
    /// What every refresh token begins with, so that secret scanners find leaked ones.
    pub const PREFIX: &'static str = "ksr_";

    /// Reads a refresh token. Only the one canonical spelling is accepted; the mac is not checked here.
    pub fn parse(text: &str) -> Result<Self, RefreshTokenError> {
        let rest = text.strip_prefix(Self::PREFIX).filter(|_| text.len() <= 512).ok_or(RefreshTokenError)?;
        let mut parts = rest.split('.');
        let mut next = || parts.next().ok_or(RefreshTokenError);
        let (key, session, generation, mac) = (next()?, next()?, next()?, next()?);
        let token = Self {
            key: KeyId::parse(key).ok_or(RefreshTokenError)?,
            session: SessionId::parse(session).ok_or(RefreshTokenError)?,
            generation: Generation(generation.parse().map_err(|_| RefreshTokenError)?),
            mac: mac.to_owned(),
        };
        if token.to_text() == text { Ok(token) } else { Err(RefreshTokenError) }
    }

    /// The token as the client keeps it.
    pub fn to_text(&self) -> String {
        format!("{}{}.{}.{}.{}", Self::PREFIX, self.key, self.session, self.generation.number(), self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_a_token() {
        let text = "ksr_k1.sid-1.42.bWFj";
        let token = RefreshToken::parse(text).unwrap();
        assert_eq!(token.generation, Generation::new(42));
        assert_eq!(token.to_text(), text);
        for bad in [
            "",
            "ksr_",
            "ksr_k1.sid-1.042.bWFj",
            "ksr_k1.sid-1.+42.bWFj",
            "ksr_k1.sid-1.42.bWFj.x",
            "ksr_k1.sid-1.42",
            "KSR_k1.s.1.m",
            "ksr_k1.s.-1.m",
            "ksr_k1.s.18446744073709551616.m",
        ] {
            assert_eq!(RefreshToken::parse(bad), Err(RefreshTokenError), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_the_same(text in "(ksr_)?[a-z0-9._-]{0,40}") {
            if let Ok(token) = RefreshToken::parse(&text) {
                proptest::prop_assert_eq!(token.to_text(), text);
            }
        }
    }
}
