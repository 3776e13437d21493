use std::fmt;

use thiserror::Error;

/// A public, unique name in one canonical form: lower case.
///
/// 3 to 25 characters of `a-z 0-9 . _ -`, beginning with a letter and ending with a letter or digit. So a username can
/// never look like an e-mail address (`@`) or a phone number (a digit or `+` first), and a login name is never ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

/// Why a text is no username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UsernameError {
    /// Too short or too long.
    #[error("a username has 3 to 25 characters")]
    Length,
    /// Characters outside the set, or a wrong first or last one.
    #[error("a username is letters, digits, '.', '_' and '-', begins with a letter and ends with a letter or digit")]
    Form,
}

impl Username {
    /// Reads a username as a person typed it.
    pub fn try_new(text: &str) -> Result<Self, UsernameError> {
        let text = text.trim_matches([' ', '\t']);
        if !(3..=25).contains(&text.chars().count()) {
            return Err(UsernameError::Length);
        }
        let inner = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        let last = text.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric());
        if !(inner && first && last) {
            return Err(UsernameError::Form);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The canonical name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_never_look_like_another_login_name() {
        assert_eq!(Username::try_new("Ada.Lovelace").unwrap().as_str(), "ada.lovelace");
        for text in ["ada@example.com", "+4930123456", "030123456", "ada lovelace", "ada-", "_ada", "adа", "a\0da"] {
            assert_eq!(Username::try_new(text), Err(UsernameError::Form), "{text:?}");
        }
        for text in ["", "ab", "a23456789012345678901234567"] {
            assert_eq!(Username::try_new(text), Err(UsernameError::Length), "{text:?}");
        }
    }
}
