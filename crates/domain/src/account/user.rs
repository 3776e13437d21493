use super::{Address, Contact, ContactKind, EmailAddress, FullName, Locale, PhoneNumber, Role, UserId, Username};
use crate::Timestamp;

/// The version of a person's credentials. Every artefact carries the epoch it was made under; changing a password,
/// a factor, an address, the role or a ban raises it, and artefacts of earlier epochs end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(i64);

impl Epoch {
    /// An epoch read from a store or a token.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The epoch after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountStatus {
    /// It can.
    #[default]
    Active,
    /// An administrator closed it (`isActive: false`).
    Banned,
    /// Its owner closed it; it is purged after the configured time.
    Deactivated,
}

/// A person with an account. Their contacts are verified: an account exists only once its claim was proved, and has at
/// least one contact from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// Verified address.
    pub email: Option<Contact<EmailAddress>>,
    /// Verified number.
    pub phone: Option<Contact<PhoneNumber>>,
    /// Public name; unique.
    pub username: Option<Username>,
    /// What they want to be called.
    pub full_name: Option<FullName>,
    /// Language of their mails.
    pub locale: Option<Locale>,
    /// What they may do.
    pub role: Role,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// Version of their credentials; access tokens of an earlier epoch are refused.
    pub epoch: Epoch,
    /// Sessions made, and not re-confirmed, before this epoch are over.
    pub sessions_epoch: Epoch,
    /// When the account came to be.
    pub created_at: Timestamp,
    /// When anything here last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// The contact of a kind.
    pub fn contact(&self, kind: ContactKind) -> Option<Contact<Address>> {
        fn general<A: Clone>(contact: Option<&Contact<A>>, address: impl Fn(A) -> Address) -> Option<Contact<Address>> {
            contact.map(|contact| Contact {
                id: contact.id,
                address: address(contact.address.clone()),
                otp_enabled: contact.otp_enabled,
            })
        }
        match kind {
            ContactKind::Email => general(self.email.as_ref(), Address::Email),
            ContactKind::Phone => general(self.phone.as_ref(), Address::Phone),
        }
    }

    /// The contacts, preferred first.
    pub fn contacts(&self) -> impl Iterator<Item = Contact<Address>> {
        ContactKind::ALL.into_iter().filter_map(|kind| self.contact(kind))
    }

    /// Where the person is told things: the e-mail address, else the number.
    pub fn address(&self) -> Option<Address> {
        self.contacts().next().map(|contact| contact.address)
    }

    /// What the account is called where its owner picks among several: address, else username, else identifier.
    pub fn label(&self) -> String {
        match (self.address(), &self.username) {
            (Some(address), _) => address.to_string(),
            (None, Some(username)) => username.as_str().to_owned(),
            (None, None) => self.id.to_string(),
        }
    }

    /// The e-mail address.
    pub fn email_address(&self) -> Option<&EmailAddress> {
        self.email.as_ref().map(|contact| &contact.address)
    }

    /// Puts a contact in the place of the one of its kind. Returns what was there.
    pub fn set_contact(&mut self, contact: Contact<Address>) -> Option<Contact<Address>> {
        let before = self.contact(contact.address.kind());
        let Contact { id, address, otp_enabled } = contact;
        match address {
            Address::Email(address) => self.email = Some(Contact { id, address, otp_enabled }),
            Address::Phone(address) => self.phone = Some(Contact { id, address, otp_enabled }),
        }
        before
    }

    /// Takes the contact of a kind away. Returns it.
    pub fn remove_contact(&mut self, kind: ContactKind) -> Option<Contact<Address>> {
        let before = self.contact(kind);
        match kind {
            ContactKind::Email => self.email = None,
            ContactKind::Phone => self.phone = None,
        }
        before
    }

    /// Whether the account can be used.
    pub fn is_active(&self) -> bool {
        self.status == AccountStatus::Active
    }
}
