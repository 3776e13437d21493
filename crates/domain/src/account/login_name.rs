use super::{Address, EmailAddress, PhoneNumber, Username};

/// What a person types to say who they are. The forms exclude each other, so one text names at most one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginName {
    /// A verified e-mail address.
    Email(EmailAddress),
    /// A verified phone number.
    Phone(PhoneNumber),
    /// A username.
    Username(Username),
    /// No possible name. It is looked up nowhere, and is otherwise treated as a name nobody has.
    Unknown(String),
}

impl LoginName {
    /// Reads a login name. Never fails: what cannot be a name is a name nobody has.
    pub fn parse(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| {
            let folded = text.trim().to_lowercase();
            // What folds to a name is that name. Were it unknown, with the same canonical text, the decoy of the one beside
            // the answer for the other would tell who has an account.
            Self::known(&folded).unwrap_or(Self::Unknown(folded))
        })
    }

    fn known(text: &str) -> Option<Self> {
        if let Ok(address) = EmailAddress::try_new(text) {
            Some(Self::Email(address))
        } else if let Ok(number) = PhoneNumber::try_new(text) {
            Some(Self::Phone(number))
        } else {
            Username::try_new(text).ok().map(Self::Username)
        }
    }

    /// The canonical text, the same for every way of typing one name.
    pub fn canonical(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Phone(number) => number.as_str(),
            Self::Username(username) => username.as_str(),
            Self::Unknown(text) => text,
        }
    }
}

impl From<Address> for LoginName {
    fn from(address: Address) -> Self {
        match address {
            Address::Email(address) => Self::Email(address),
            Address::Phone(number) => Self::Phone(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_exactly_one_kind_of_name() {
        assert!(matches!(LoginName::parse("Ada@Example.com"), LoginName::Email(_)));
        assert!(matches!(LoginName::parse("+44 20 7946 0958"), LoginName::Phone(_)));
        assert!(matches!(LoginName::parse("ada"), LoginName::Username(_)));
        assert_eq!(LoginName::parse(" NO body "), LoginName::Unknown("no body".into()));
        assert_eq!(LoginName::parse("ADA").canonical(), "ada");
    }

    /// A no-break space and the Kelvin sign are no part of any name, but are gone once a text is trimmed and in lower case.
    #[test]
    fn g01_no_unknown_name_has_the_canonical_text_of_a_known_one() {
        for (text, expected) in [
            ("\u{a0}ada", "ada"),
            ("ada@example.com\u{3000}", "ada@example.com"),
            ("\u{212a}athrin", "kathrin"),
            ("\u{2028}+44 20 7946 0958", "+442079460958"),
        ] {
            let name = LoginName::parse(text);
            assert_eq!(name, LoginName::parse(expected), "{text:?}");
            assert!(!matches!(name, LoginName::Unknown(_)), "{text:?}");
        }
        let unknown = LoginName::parse("\u{a0}No such name! ");
        assert_eq!(LoginName::parse(unknown.canonical()), unknown);
    }
}
