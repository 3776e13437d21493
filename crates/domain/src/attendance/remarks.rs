use thiserror::Error;

/// What somebody says about their coming or going: 1 to 100 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remarks(String);

/// The text is no remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RemarksError {
    /// Too long.
    #[error("remarks have at most {} characters", Remarks::MAX)]
    TooLong,
    /// Line breaks or control characters.
    #[error("remarks are one line of text")]
    NotPrintable,
}

impl Remarks {
    /// The most characters.
    pub const MAX: usize = 100;

    /// Reads remarks; white space around them is not part of them, and nothing is `None`.
    pub fn try_new(text: &str) -> Result<Option<Self>, RemarksError> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(RemarksError::NotPrintable);
        }
        match text.chars().count() {
            0 => Ok(None),
            count if count > Self::MAX => Err(RemarksError::TooLong),
            _ => Ok(Some(Self(text.to_owned()))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_one_short_line_or_nothing() {
        assert_eq!(Remarks::try_new("  dentist ").unwrap().unwrap().as_str(), "dentist");
        assert_eq!(Remarks::try_new("   "), Ok(None));
        assert!(Remarks::try_new(&"é".repeat(100)).unwrap().is_some());
        assert_eq!(Remarks::try_new(&"x".repeat(101)), Err(RemarksError::TooLong));
        assert_eq!(Remarks::try_new("a\nb"), Err(RemarksError::NotPrintable));
    }
}
