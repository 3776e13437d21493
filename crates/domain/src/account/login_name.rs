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
        if let Ok(address) = EmailAddress::try_new(text) {
            Self::Email(address)
        } else if let Ok(number) = PhoneNumber::try_new(text) {
            Self::Phone(number)
        } else if let Ok(username) = Username::try_new(text) {
            Self::Username(username)
        } else {
            Self::Unknown(text.trim().to_lowercase())
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
}
