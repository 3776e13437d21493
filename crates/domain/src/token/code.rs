use std::fmt;

use crate::SecretString;

/// A six-digit code as mailed and typed. Redacted, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// How many different codes there are.
    pub const COUNT: u32 = 1_000_000;

    /// The code of a number below [`Self::COUNT`], leading zeros kept; `None` above it.
    pub fn from_number(number: u32) -> Option<Self> {
        (number < Self::COUNT).then(|| Self(SecretString::new(format!("{number:06}"))))
    }

    /// Reads exactly six ASCII digits. Nothing is trimmed or converted: a code has one way of being typed.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())).then(|| Self(SecretString::new(text.to_owned())))
    }

    /// The six digits.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_leading_zeros_and_have_one_spelling() {
        assert_eq!(OneTimeCode::from_number(123).unwrap().expose(), "000123");
        assert!(OneTimeCode::from_number(1_000_000).is_none());
        for text in ["", "123", "0001234", " 000123", "+00123", "１２３４５６", "12345a", "1.23e2", "00012\u{0661}"]
        {
            assert!(OneTimeCode::parse(text).is_none(), "{text:?}");
        }
    }
}
