use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// The longest name, in code points.
const MAX_CHARS: usize = 64;

/// What a person wants to be called, NFC, white space collapsed. It appears in mails, so it holds no control characters,
/// no text-direction tricks and nothing a mail reader turns into a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullName(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FullNameError {
    /// Empty or too long.
    #[error("a name has 1 to {MAX_CHARS} characters")]
    Length,
    /// Control characters, text-direction marks, or a link.
    #[error("a name holds no control characters and no links")]
    Form,
}

impl FullName {
    /// Reads a name as a person typed it.
    pub fn try_new(text: &str) -> Result<Self, FullNameError> {
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(FullNameError::Form);
        }
        let name = text.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        if !(1..=MAX_CHARS).contains(&name.chars().count()) {
            return Err(FullNameError::Length);
        }
        if looks_like_link(&name) {
            return Err(FullNameError::Form);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Zero-width, bidirectional and line-separator characters (Unicode categories Cf, Zl, Zp that change how text reads).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `://`, `www.`, or a dot between two letters, which mail readers underline ("evil.example").
fn looks_like_link(name: &str) -> bool {
    let lower = name.to_lowercase();
    if lower.contains("://") || lower.contains("www.") || lower.contains('@') {
        return true;
    }
    lower.split(' ').any(|word| {
        word.rsplit_once('.').is_some_and(|(host, top)| {
            !host.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_many_kinds_of_names() {
        for name in ["Ada", "Ada M. Lovelace", "José Ñandú", "王小明", "O'Brien-Smith", "J.R. Tolkien", "Dr. Jr."]
        {
            assert_eq!(FullName::try_new(name).unwrap().as_str(), name);
        }
        assert_eq!(FullName::try_new("  Ada   Lovelace ").unwrap().as_str(), "Ada Lovelace");
    }

    #[test]
    fn a_name_carries_no_line_and_no_link() {
        for name in
            ["Ada\r\nBcc: v@x.y", "Visit evil.example", "http://x", "www.evil", "a\u{202e}b", "x\u{2028}y", "me@x.y"]
        {
            assert_eq!(FullName::try_new(name), Err(FullNameError::Form), "{name:?}");
        }
        assert_eq!(FullName::try_new(" "), Err(FullNameError::Length));
        assert_eq!(FullName::try_new(&"a".repeat(65)), Err(FullNameError::Length));
    }
}
