use std::fmt;

use thiserror::Error;

/// A phone number in E.164 form: `+`, country code, subscriber number; at most 15 digits. One number has one spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// Why a text is no phone number Keystead will use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PhoneNumberError {
    /// No `+` and country code: which country is meant cannot be guessed.
    #[error("a phone number begins with + and the country code, as in +442079460958")]
    CountryCode,
    /// No E.164 number (ITU-T E.164): 7 to 15 digits after the `+`, beginning with a country code there is.
    #[error("not a phone number: 7 to 15 digits after the +, beginning with a country code")]
    Form,
}

impl PhoneNumber {
    /// Reads a number as a person typed it: spaces, dots, hyphens and brackets are dropped, and what some
    /// countries write before the area code.
    pub fn try_new(text: &str) -> Result<Self, PhoneNumberError> {
        let text = text.trim_matches([' ', '\t']);
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let rest = digits.strip_prefix('+').ok_or(PhoneNumberError::CountryCode)?;
        if !(7..=15).contains(&rest.len()) || !rest.bytes().all(|b| b.is_ascii_digit()) || rest.starts_with('0') {
            return Err(PhoneNumberError::Form);
        }
        // Behind some country codes the library drops what it takes for a prefix, from what is left once more: a number that is
        // another one when it is typed as it is kept would have two accounts.
        let number = Self::canonical(&digits)?;
        if Self::canonical(&number.0)? == number { Ok(number) } else { Err(PhoneNumberError::Form) }
    }

    /// The number in E.164 form. Whether it is assigned is the network's to say: numbering plans change faster than tables of
    /// them.
    fn canonical(digits: &str) -> Result<Self, PhoneNumberError> {
        let number = phonenumber::parse(None, digits).map_err(|_| PhoneNumberError::Form)?;
        Self::from_stored(&number.format().mode(phonenumber::Mode::E164).to_string()).ok_or(PhoneNumberError::Form)
    }

    /// A number read from a store, which was checked when it was written: plans change, accounts stay.
    pub fn from_stored(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('+')?;
        ((7..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    /// The canonical number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for text in ["+442079460958", " +44 20 7946 0958", "+44 (20) 7946-0958", "+44.20.7946.0958", "+4402079460958"] {
            assert_eq!(PhoneNumber::try_new(text).map(|number| number.0), Ok("+442079460958".to_owned()), "{text:?}");
        }
        assert_eq!(PhoneNumber::from_stored("+442079460958").unwrap().as_str(), "+442079460958");
    }

    /// In Belarus 80 stands before the area code, and numbers have six to eleven digits.
    #[test]
    fn a_number_that_is_another_one_when_it_is_typed_again_is_refused() {
        assert_eq!(PhoneNumber::try_new("+375 80 29 1234567").unwrap().as_str(), "+375291234567");
        for text in ["+3758808496377", "+37508496377"] {
            let read = PhoneNumber::try_new(text);
            let again = read.clone().and_then(|number| PhoneNumber::try_new(number.as_str()));
            assert_eq!(read, again, "{text:?}");
        }
        assert_eq!(PhoneNumber::try_new("+3758808496377"), Err(PhoneNumberError::Form));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "+0",
            "+44",
            "+4420",
            "+44207946095812345",
            "+44 2079460958 ext 5",
            "+44\n2079460958",
            "+٤٤٢٠٧٩٤٦٠٩٥٨",
            "+1 555",
        ] {
            assert!(PhoneNumber::try_new(text).is_err(), "{text:?}");
        }
        assert_eq!(PhoneNumber::try_new("02079460958"), Err(PhoneNumberError::CountryCode));
        assert_eq!(PhoneNumber::from_stored("02079460958"), None);
    }
}
