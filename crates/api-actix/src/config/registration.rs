use keystead_domain::account::ContactKind;

use super::reader::{Reader, Reading};
use super::values::{boolean, choice};

/// `[registration]`: who may open an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// Whether strangers may.
    pub open: bool,
    /// What they register with.
    pub contact: RegistrationContact,
}

/// What people register with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationContact {
    /// An e-mail address.
    #[default]
    Email,
    /// A phone number.
    Phone,
    /// Either.
    Both,
}

impl RegistrationContact {
    const NAMES: [(&'static str, Self); 3] = [("email", Self::Email), ("phone", Self::Phone), ("both", Self::Both)];

    /// The kinds of contact that are accepted.
    pub fn kinds(self) -> Vec<ContactKind> {
        match self {
            Self::Email => vec![ContactKind::Email],
            Self::Phone => vec![ContactKind::Phone],
            Self::Both => ContactKind::ALL.to_vec(),
        }
    }
}

impl RegistrationConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let open = r.value("registration.open", boolean);
        let contact = r.value("registration.contact", |text| choice(text, &RegistrationContact::NAMES));
        Ok(Self { open: open?, contact: contact? })
    }
}
