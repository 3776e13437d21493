//! A person's second factors and contacts: adding, changing, removing. Every use-case here begins and ends at the
//! [`FactorDesk`]: who asks is checked in one place, and so is what a change ends.

mod contacts;
mod desk;
mod passkeys;
mod recovery_codes;
mod reseal;
mod social_links;
mod totp;
mod undo;

pub use contacts::{ContactView, Contacts};
pub use desk::{FactorDesk, FactorError};
pub use passkeys::{Passkeys, RegisteredPasskey};
pub use recovery_codes::MakeRecoveryCodes;
pub use reseal::ResealFactors;
pub use social_links::{LinkedIdentity, SocialLinkError, SocialLinks};
pub use totp::{TotpEnrolment, TotpFactor};
pub use undo::{UndoContactChange, UndoContactChangeError};

#[cfg(test)]
mod tests;
