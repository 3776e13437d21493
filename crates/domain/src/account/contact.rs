use std::fmt;

use uuid::Uuid;

use super::{EmailAddress, Epoch, PhoneNumber, UserId};
use crate::Timestamp;
use crate::token::Factor;

/// How a person is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactKind {
    /// By e-mail.
    Email,
    /// By SMS.
    Phone,
}

impl ContactKind {
    /// Both kinds, in the order contacts are preferred.
    pub const ALL: [Self; 2] = [Self::Email, Self::Phone];

    /// The name in the API and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// Reads the name in the API and in stores.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The second factor a contact of this kind can be.
    pub const fn factor(self) -> Factor {
        match self {
            Self::Email => Factor::Email,
            Self::Phone => Factor::Phone,
        }
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An e-mail address.
    Email(EmailAddress),
    /// A phone number.
    Phone(PhoneNumber),
}

impl Address {
    /// What kind of contact it belongs to.
    pub const fn kind(&self) -> ContactKind {
        match self {
            Self::Email(_) => ContactKind::Email,
            Self::Phone(_) => ContactKind::Phone,
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Phone(number) => number.as_str(),
        }
    }

    /// Reads an address from a store.
    pub fn from_stored(kind: ContactKind, text: &str) -> Option<Self> {
        match kind {
            ContactKind::Email => EmailAddress::try_new(text).ok().map(Self::Email),
            ContactKind::Phone => PhoneNumber::from_stored(text).map(Self::Phone),
        }
    }

    /// As somebody is shown it who may not know it: the first character and what stands behind the `@`, or the last two
    /// digits.
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => {
                let (local, domain) = address.as_str().rsplit_once('@').unwrap_or_default();
                format!("{}•••@{domain}", local.chars().next().unwrap_or_default())
            }
            Self::Phone(number) => {
                let text = number.as_str();
                format!("+•••{}", text.get(text.len().saturating_sub(2)..).unwrap_or_default())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A contact's identifier: a random UUID (version 4). The contact a person registered with has the person's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(Uuid);

impl ContactId {
    /// Wraps a UUID read from a store.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Makes the version-4 UUID of 16 random bytes (RFC 9562 section 5.4).
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Reads the hyphenated form, lower case.
    pub fn parse(text: &str) -> Option<Self> {
        UserId::parse(text).map(|id| Self(id.as_uuid()))
    }

    /// The UUID itself.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<UserId> for ContactId {
    fn from(id: UserId) -> Self {
        Self(id.as_uuid())
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A contact its owner proved to hold. A person has at most one of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact<A> {
    /// Identifier.
    pub id: ContactId,
    /// The address; unique among all accounts.
    pub address: A,
    /// Whether codes sent there are a second factor. Its owner decides; off at first.
    pub otp_enabled: bool,
}

/// An address somebody wants to add, or to have instead of the one they have.
///
/// ```text
/// added ── right code ──> the user's contact of its kind
///   └── 30 min, newer one of its kind, epoch bump ──> gone
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingContact {
    /// The identifier the contact will have.
    pub id: ContactId,
    /// Whose it will be.
    pub user_id: UserId,
    /// The address, not proved yet.
    pub address: Address,
    /// The owner's epoch when it was added: a later epoch ends it.
    pub epoch: Epoch,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// SHA-256 of a token mailed to an address that was replaced or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UndoTokenHash(pub [u8; 32]);

/// What a person was told of the loss of an address can do about it, without signing in: the link outlives every other
/// change, because whoever took the account over makes some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactUndo {
    /// What the store finds it by.
    pub hash: UndoTokenHash,
    /// Whose contact it was.
    pub user_id: UserId,
    /// The contact as it was.
    pub contact: Contact<Address>,
    /// The contact of the other kind at that time. Another one goes with the undoing.
    pub other: Option<ContactId>,
    /// When it was changed. Factors enrolled since go with the undoing.
    pub created_at: Timestamp,
    /// When the link lapses.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_tells_its_owner_which_and_nobody_else() {
        let email = Address::Email(EmailAddress::try_new("ada.lovelace@example.com").unwrap());
        assert_eq!(email.masked(), "a•••@example.com");
        let phone = Address::Phone(PhoneNumber::from_stored("+442079460958").unwrap());
        assert_eq!(phone.masked(), "+•••58");
    }

    #[test]
    fn stored_addresses_are_read_back_as_their_kind_only() {
        for (kind, text) in [(ContactKind::Email, "ada@example.com"), (ContactKind::Phone, "+442079460958")] {
            let address = Address::from_stored(kind, text).unwrap();
            assert_eq!((address.kind(), address.as_str()), (kind, text));
            assert_eq!(ContactKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Address::from_stored(ContactKind::Phone, "ada@example.com"), None);
        assert_eq!(Address::from_stored(ContactKind::Email, "+442079460958"), None);
    }
}
