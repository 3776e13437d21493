use std::fmt;

use thiserror::Error;

/// Why an administrator does something to somebody's account, in their own words: 5 to 200 characters on one line. Its owner
/// and the audit log are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// The text names no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReasonError {
    /// Too short to be one.
    #[error("a reason has at least {} characters", Reason::MIN)]
    TooShort,
    /// Too long.
    #[error("a reason has at most {} characters", Reason::MAX)]
    TooLong,
    /// Line breaks or control characters.
    #[error("a reason is one line of text")]
    NotPrintable,
}

impl Reason {
    /// The fewest characters.
    pub const MIN: usize = 5;
    /// The most characters.
    pub const MAX: usize = 200;

    /// Reads a reason; white space around it is not part of it.
    pub fn try_new(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(ReasonError::NotPrintable);
        }
        match text.chars().count() {
            0..Self::MIN => Err(ReasonError::TooShort),
            count if count > Self::MAX => Err(ReasonError::TooLong),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_somebody_thought_about() {
        assert_eq!(Reason::try_new("  ticket 42 ").unwrap().as_str(), "ticket 42");
        for (text, error) in [
            ("", ReasonError::TooShort),
            ("    why    ", ReasonError::TooShort),
            (&"x".repeat(201), ReasonError::TooLong),
            ("ticket\r\n42", ReasonError::NotPrintable),
            ("ticket\u{1b}[31m", ReasonError::NotPrintable),
        ] {
            assert_eq!(Reason::try_new(text), Err(error), "{text:?}");
        }
        Reason::try_new(&"é".repeat(200)).unwrap();
    }
}
