//! Who a person is: addresses, names, passwords, roles, and the claims that lead to an account.

mod contact;
mod email;
mod full_name;
mod id;
mod link_token;
mod locale;
mod login_name;
mod password;
mod phone;
mod reason;
mod registration;
mod role;
mod user;
mod username;

pub use contact::{Address, Contact, ContactId, ContactKind, ContactUndo, PendingContact, UndoTokenHash};
pub use email::{EmailAddress, EmailAddressError};
pub use full_name::{FullName, FullNameError};
pub use id::UserId;
pub use link_token::{LinkPurpose, LinkToken, LinkTokenHash};
pub use locale::{Locale, LocaleError};
pub use login_name::LoginName;
pub use password::{MAX_PASSWORD_BYTES, Password, PasswordHash, PasswordPolicy, PasswordRefusal};
pub use phone::{PhoneNumber, PhoneNumberError};
pub use reason::{Reason, ReasonError};
pub use registration::{ClaimedIdentity, PendingRegistration};
pub use role::{Role, UnknownRole};
pub use user::{AccountStatus, Epoch, User};
pub use username::{Username, UsernameError};
