use std::fmt;

use crate::SecretString;
use crate::account::PasswordHash;

/// How many recovery codes a person gets at once.
pub const RECOVERY_CODES: usize = 10;

/// Crockford's base 32, lower case: no letter that is read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 16;
const SELECTOR: usize = 4;

/// A recovery code: sixteen characters of Crockford's base 32, shown as four groups of four. The first group finds the
/// row (20 bits, kept as it is), the other three are the secret (60 bits, kept hashed), so that a try costs one hash.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(SecretString);

/// What is kept of a recovery code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCodeHash {
    /// The first group. Unique among the codes of one person.
    pub selector: String,
    /// The password hash of the rest.
    pub hash: PasswordHash,
}

impl RecoveryCode {
    /// The code of sixteen random bytes.
    pub fn from_random(bytes: [u8; LENGTH]) -> Self {
        let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        Self(SecretString::new(characters.map(|byte| char::from(*byte)).collect()))
    }

    /// Reads a code as a person typed it: upper or lower case, hyphens and spaces anywhere, O for 0, I and L for 1.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let mut code = String::with_capacity(LENGTH);
        for c in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let c = match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                c => c,
            };
            if !c.is_ascii() || !ALPHABET.contains(&u8::try_from(c).ok()?) {
                return None;
            }
            code.push(c);
        }
        (code.len() == LENGTH).then(|| Self(SecretString::new(code)))
    }

    /// What finds the row.
    pub fn selector(&self) -> &str {
        self.0.expose().get(..SELECTOR).unwrap_or_default()
    }

    /// What is hashed.
    pub fn secret(&self) -> &str {
        self.0.expose().get(SELECTOR..).unwrap_or_default()
    }

    /// The code as it is shown: `xxxx-xxxx-xxxx-xxxx`.
    pub fn shown(&self) -> SecretString {
        let text = self.0.expose();
        let groups: Vec<_> = (0..LENGTH).step_by(4).filter_map(|at| text.get(at..at + 4)).collect();
        SecretString::new(groups.join("-"))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_copied() {
        let code = RecoveryCode::from_random([0, 1, 10, 31, 32, 33, 2, 3, 4, 5, 6, 7, 8, 9, 255, 254]);
        assert_eq!(code.shown().expose(), "01az-0123-4567-89zy");
        assert_eq!((code.selector(), code.secret()), ("01az", "0123456789zy"));
        for text in ["01az-0123-4567-89zy", "01AZ0123456789ZY", " O1az o123 4567 89zy ", "0laz-0i23-4567-89zy"] {
            assert_eq!(RecoveryCode::parse(text), Some(code.clone()), "{text:?}");
        }
        for text in ["", "01az-0123-4567-89z", "01az-0123-4567-89zyx", "01uz-0123-4567-89zy", "０1az-0123-4567-89zy"] {
            assert_eq!(RecoveryCode::parse(text), None, "{text:?}");
        }
        assert!(!format!("{code:?}").contains("01az"));
    }
}
