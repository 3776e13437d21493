//! One struct per table, and its way from and to the domain. A column that holds what the domain refuses is a
//! [`RowError`] that names the column.

mod attendance;
mod audit;
mod contact;
mod failures;
mod key;
mod link_token;
mod login;
mod outbox;
mod passkey;
mod registration;
mod revocation;
mod social;
mod srp;
mod totp;
mod user;

pub use attendance::{AttendanceRow, remarks_of, times_of};
pub use audit::{AuditRow, CheckpointRow, NewAuditRow, link};
pub use contact::{PendingContactRow, UndoRow};
pub use failures::FailuresRow;
pub use key::KeyRow;
pub use link_token::LinkTokenRow;
pub use login::LoginRow;
pub use outbox::{ClaimedRow, EntryRow};
pub use passkey::PasskeyRow;
pub use registration::RegistrationRow;
pub use revocation::{NewRevocationRow, RevocationRow, kind};
pub use social::SocialRow;
pub use srp::SrpRow;
pub use totp::{RecoveryCodeRow, TotpRow};
pub use user::{UserRow, parse_status, status_name};

use keystead_domain::account::{Address, ContactKind};
use keystead_domain::token::DeviceInfo;

use crate::RowError;

/// The 32 bytes of a hash.
pub fn bytes32(bytes: &[u8], column: &'static str) -> Result<[u8; 32], RowError> {
    bytes.try_into().map_err(|_| RowError(column))
}

/// A [`DeviceInfo`] from its two columns.
pub fn device(ip: Option<&str>, user_agent: Option<&str>, column: &'static str) -> Result<DeviceInfo, RowError> {
    let ip = ip.map(str::parse).transpose().map_err(|_| RowError(column))?;
    Ok(DeviceInfo::new(ip, user_agent))
}

/// An [`Address`] from its two columns.
pub fn address(kind: &str, text: &str, column: &'static str) -> Result<Address, RowError> {
    ContactKind::parse(kind).and_then(|kind| Address::from_stored(kind, text)).ok_or(RowError(column))
}
