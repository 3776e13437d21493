//! Ready-made values of second factors and contacts.

use keystead_domain::account::{
    Address, Contact, ContactId, ContactUndo, Epoch, PendingContact, PhoneNumber, UndoTokenHash, UserId,
};
use keystead_domain::factor::{CredentialId, Passkey, PasskeyId, PasskeyName, RecoveryCodeHash, Totp};
use keystead_domain::limits;
use uuid::Uuid;

use super::builders::{START, email, fake_hash, user_id};

/// A phone number.
///
/// # Panics
/// When the text is none.
pub fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A contact as it comes with the account: it has its owner's identifier, and codes are not sent there.
pub fn contact<A>(owner: UserId, address: A) -> Contact<A> {
    Contact { id: owner.into(), address, otp_enabled: false }
}

/// A contact's identifier, different for every number.
pub fn contact_id(number: u8) -> ContactId {
    ContactId::from_random([number; 16])
}

/// An address Ada wants to have instead of hers.
pub fn a_pending_contact() -> PendingContact {
    PendingContact {
        id: contact_id(1),
        user_id: user_id(1),
        address: Address::Email(email("ada@example.org")),
        epoch: Epoch::new(1),
        created_at: START,
        expires_at: START.plus(limits::PENDING_CONTACT_LIFE),
    }
}

/// The link with which Ada gets her first address back.
pub fn a_contact_undo() -> ContactUndo {
    ContactUndo {
        hash: UndoTokenHash([6; 32]),
        user_id: user_id(1),
        contact: contact(user_id(1), Address::Email(email("ada@example.com"))),
        other: None,
        created_at: START,
        expires_at: START.plus(limits::CONTACT_UNDO_LIFE),
    }
}

/// Ada's confirmed TOTP credential, its secret sealed by nobody.
pub fn a_totp() -> Totp {
    Totp { sealed: Some(vec![2, 0, 1, 0xff]), confirmed_at: Some(START), ..Totp::new(user_id(1)) }
}

/// What is kept of the recovery code that begins with this group; the rest of it is `123456789abc` under
/// [`super::FakeHasher`].
pub fn a_recovery_code(selector: &str) -> RecoveryCodeHash {
    RecoveryCodeHash { selector: selector.to_owned(), hash: fake_hash("123456789abc") }
}

/// A passkey of Ada's.
pub fn a_passkey() -> Passkey {
    passkey_number(1)
}

/// A passkey of Ada's with identifiers unlike every other number's.
///
/// # Panics
/// Never: the name and the credential's length are permitted ones.
pub fn passkey_number(number: u8) -> Passkey {
    Passkey {
        id: PasskeyId::from_random([number; 16]),
        user_id: user_id(1),
        credential_id: CredentialId::new(vec![number; 32]).unwrap_or_else(|| panic!("32 bytes are permitted")),
        name: PasskeyName::try_new(&format!("Passkey {number}")).unwrap_or_else(|error| panic!("{error}")),
        credential: vec![number, 0, 0xff],
        counter: 0,
        aaguid: Uuid::from_bytes([0xaa; 16]),
        backup_eligible: false,
        backed_up: false,
        user_verified: true,
        created_at: START,
        last_used_at: None,
    }
}
