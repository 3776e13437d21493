use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::SecretString;

/// Passwords of any attacker's size end here, before normalisation and hashing: 128 code points of at most 4 bytes,
/// and room for what NFC composes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

const MAX_CHARS: usize = 128;

/// Common and breached passwords of 8 or more characters, lower case, sorted by bytes.
static COMMON: &str = include_str!("../common_passwords.txt");

/// A password as it is hashed: NFC (NIST SP 800-63B-4 section 3.1.1.2), otherwise exactly as typed. Redacted, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(SecretString);

/// An encoded password hash in the PHC string format (`$argon2id$v=19$m=19456,t=2,p=1$…`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordRefusal {
    /// Fewer code points than the policy asks for.
    #[error("a password has at least {min} characters")]
    TooShort {
        /// The policy's minimum, in code points.
        min: usize,
    },
    /// More than 128 code points.
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
    /// Among the common and breached ones.
    #[error("this password is among the commonly used ones; choose another")]
    Common,
    /// The person's own name or address, or the product's, alone or with digits.
    #[error("a password must not be your own name or address")]
    OwnWords,
}

impl Password {
    /// Takes a password as typed, for checking against a stored hash. `None` when no account could have it.
    pub fn for_verification(text: &str) -> Option<Self> {
        if text.len() > MAX_PASSWORD_BYTES {
            return None;
        }
        let normal: String = text.nfc().collect();
        (normal.chars().count() <= MAX_CHARS).then(|| Self(SecretString::new(normal)))
    }

    /// What is hashed.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl PasswordHash {
    /// Wraps an encoded hash.
    pub fn new(encoded: String) -> Self {
        Self(encoded)
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a new password must be. No composition rules, no forced change (NIST SP 800-63B-4 section 3.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest code points; 8 by default, 15 for deployments without a second factor.
    pub min_length: usize,
    /// Words everybody would try first at this service: its name.
    pub context_words: Vec<String>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 8, context_words: vec!["keystead".to_owned()] }
    }
}

impl PasswordPolicy {
    /// Accepts a new password. `own_words` are the person's address, username and name: none of them may be the password,
    /// nor any of [`Self::context_words`] (OWASP ASVS 6.2.11).
    pub fn accept(&self, text: &str, own_words: &[&str]) -> Result<Password, PasswordRefusal> {
        let password = Password::for_verification(text).ok_or(PasswordRefusal::TooLong)?;
        if password.expose().chars().count() < self.min_length {
            return Err(PasswordRefusal::TooShort { min: self.min_length });
        }
        let folded = password.expose().to_lowercase();
        if is_common(&folded) {
            return Err(PasswordRefusal::Common);
        }
        if is_own_word(&folded, own_words.iter().copied().chain(self.context_words.iter().map(String::as_str))) {
            return Err(PasswordRefusal::OwnWords);
        }
        Ok(password)
    }
}

fn is_common(folded: &str) -> bool {
    let mut rest = COMMON;
    // Binary search over the sorted lines without building an index: cut the text in half at a line end.
    while !rest.is_empty() {
        let middle = floor_boundary(rest, rest.len() / 2);
        let start = rest.get(..middle).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
        let end = rest.get(start..).and_then(|tail| tail.find('\n')).map_or(rest.len(), |at| start + at);
        let line = rest.get(start..end).unwrap_or("");
        match folded.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = rest.get(..start).unwrap_or(""),
            std::cmp::Ordering::Greater => rest = rest.get(end + 1..).unwrap_or(""),
        }
    }
    false
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A password is an own word when nothing is left of it but that word and digits or punctuation around it.
fn is_own_word<'w>(folded: &str, mut words: impl Iterator<Item = &'w str>) -> bool {
    let core = folded.trim_matches(|c: char| !c.is_alphabetic());
    let core = if core.is_empty() { folded } else { core };
    let (squeezed, bare) = (squeeze(core), alphanumeric(folded));
    // What has no letters is compared as a whole: nothing would be left of it.
    let same = |own: &str| match squeeze(own) {
        letters if letters.is_empty() => bare == alphanumeric(own),
        letters => squeezed == letters,
    };
    words.any(|word| {
        let word = word.to_lowercase();
        let local = word.rsplit_once('@').map_or(word.as_str(), |(local, _)| local);
        let matches = |own: &str| folded == own || !alphanumeric(own).is_empty() && same(own);
        matches(&word)
            || matches(local)
            || local.split_whitespace().any(|part| part.chars().count() >= 4 && matches(part))
    })
}

/// The letters and digits of a text, without digits around them.
fn squeeze(text: &str) -> String {
    alphanumeric(text).trim_matches(|c: char| c.is_numeric()).to_owned()
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &str) -> Result<Password, PasswordRefusal> {
        PasswordPolicy::default().accept(text, &["ada.lovelace@example.com", "adal", "Ada Lovelace"])
    }

    #[test]
    fn an_own_word_without_letters_stands_for_itself_only() {
        let words = ["+442079460958", "360", "12345@example.com", "&"];
        let accept = |text| PasswordPolicy::default().accept(text, &words);
        assert!(accept("8306129475520164").is_ok());
        for own in ["+442079460958", "442079460958", "44-2079-460958!"] {
            assert_eq!(accept(own), Err(PasswordRefusal::OwnWords), "{own}");
        }
    }

    #[test]
    fn every_listed_password_is_refused() {
        for line in COMMON.lines() {
            assert_eq!(accept(line), Err(PasswordRefusal::Common), "{line:?}");
        }
        assert!(COMMON.lines().zip(COMMON.lines().skip(1)).all(|(a, b)| a < b), "the list is sorted by bytes");
        assert_eq!(accept("PassWord123"), Err(PasswordRefusal::Common));
    }

    #[test]
    fn any_composition_is_fine() {
        for text in ["               ", "🦀🦀🦀🦀🦀🦀🦀🦀", "8315907264", "correct horse battery staple"]
        {
            assert!(accept(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn length_counts_code_points_and_is_bounded_before_hashing() {
        assert_eq!(accept("kürzer7"), Err(PasswordRefusal::TooShort { min: 8 }));
        assert!(accept(&"ü".repeat(128)).is_ok());
        assert_eq!(accept(&"ü".repeat(129)), Err(PasswordRefusal::TooLong));
        assert_eq!(accept(&"x".repeat(1 << 20)), Err(PasswordRefusal::TooLong));
        assert!(Password::for_verification(&"x".repeat(1025)).is_none());
    }

    #[test]
    fn own_words_are_refused_with_digits_around_them_too() {
        for text in [
            "ada.lovelace",
            "Ada.Lovelace99",
            "lovelace2024!",
            "AdaLovelace1",
            "keystead2026",
            "ada.lovelace@example.com",
        ] {
            assert_eq!(accept(text), Err(PasswordRefusal::OwnWords), "{text:?}");
        }
        assert!(accept("lovelace wrote the first program").is_ok());
    }

    #[test]
    fn the_name_of_the_service_is_refused_as_own_words_are() {
        let context_words = vec!["Example Identity".to_owned()];
        let policy = PasswordPolicy { context_words, ..PasswordPolicy::default() };
        for text in ["Example Identity", "exampleidentity2026", "identity!!"] {
            assert_eq!(policy.accept(text, &[]), Err(PasswordRefusal::OwnWords), "{text:?}");
            assert!(accept(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn composed_and_decomposed_forms_are_one_password() {
        assert_eq!(accept("zürich-see-bad").unwrap(), accept("zu\u{308}rich-see-bad").unwrap());
        assert_eq!(format!("{:?}", accept("zürich-see-bad").unwrap()), "Password(…)");
    }
}
