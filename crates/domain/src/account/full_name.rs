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

    /// The name a store kept, as it is. What looks like a link has been told in more ways from version to version: nobody
    /// loses their account for a name that was accepted once.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name as mails may greet with it: nothing when mail readers would turn it into a link.
    pub fn in_mails(&self) -> Option<&str> {
        Self::try_new(&self.0).is_ok().then_some(self.as_str())
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

/// `://`, `www.`, or a dot inside a word, which mail readers underline ("evil.example", "(evil.example/win)").
fn looks_like_link(name: &str) -> bool {
    let lower = name.to_lowercase();
    if lower.contains("://") || lower.contains("www.") || lower.contains('@') {
        return true;
    }
    // Whatever stands around it, and with the dots of other scripts, which names of hosts may be written with (RFC 3490
    // section 3.1).
    let is_dot = |c: char| matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || is_dot(c))).any(|word| {
        let labels: Vec<&str> = word.split(is_dot).collect();
        let is_top = |label: &str| label.chars().count() >= 2 && label.chars().all(char::is_alphabetic);
        labels.windows(2).any(|pair| matches!(pair, [host, top] if !host.is_empty() && is_top(top)))
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
    fn a_name_that_was_accepted_once_is_kept_and_left_out_of_mails() {
        for name in ["Dr.med. Anna Schmidt", "Prof.Dr. Meier", "Max B.Sc.", "Dr.Smith, Ada"] {
            let kept = FullName::from_stored(name.to_owned());
            assert_eq!((kept.as_str(), kept.in_mails()), (name, None));
        }
        assert_eq!(FullName::try_new("Ada Lovelace").unwrap().in_mails(), Some("Ada Lovelace"));
    }

    #[test]
    fn a_name_carries_no_line_and_no_link() {
        for name in [
            "Ada\r\nBcc: v@x.y",
            "Visit evil.example",
            "http://x",
            "www.evil",
            "a\u{202e}b",
            "x\u{2028}y",
            "me@x.y",
            "Eve (evil.example/win)",
            "<evil.example>",
            "evil.example.",
            "evil.example?x",
            "evil\u{3002}example",
            "Eve,evil.example",
        ] {
            assert_eq!(FullName::try_new(name), Err(FullNameError::Form), "{name:?}");
        }
        assert_eq!(FullName::try_new(" "), Err(FullNameError::Length));
        assert_eq!(FullName::try_new(&"a".repeat(65)), Err(FullNameError::Length));
    }
}
