//! Ready-made values of SRP, social login and attendance.

use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence, Remarks};
use keystead_domain::social::{ProviderId, SocialIdentity, SocialSubject};
use keystead_domain::srp::{SrpCredential, SrpIdentity, SrpKdf, SrpSalt, SrpVerifier};
use uuid::Uuid;

use super::builders::{START, a_device, user_id};
use crate::ports::StoredSrp;

/// An SRP credential whose verifier fits no known password.
///
/// # Panics
/// Never: the verifier is in the group's range.
pub fn an_srp_credential() -> SrpCredential {
    SrpCredential {
        identity: SrpIdentity::from_bytes([0x1d; 16]),
        kdf: SrpKdf::DEFAULT,
        kdf_salt: SrpSalt::from_bytes([0x6b; 32]),
        salt: SrpSalt::from_bytes([0x5a; 32]),
        verifier: SrpVerifier::try_from_bytes(&[9; 512]).unwrap_or_else(|error| panic!("{error}")),
    }
}

/// The SRP credential of a person, sealed by nobody.
pub fn a_stored_srp(owner: UserId) -> StoredSrp {
    StoredSrp { user_id: owner, sealed: vec![1, 0, 0xff, 2], created_at: START }
}

/// A provider's name.
///
/// # Panics
/// When the text is none.
pub fn provider(text: &str) -> ProviderId {
    ProviderId::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// A subject identifier.
///
/// # Panics
/// When the text is none.
pub fn subject(text: &str) -> SocialSubject {
    SocialSubject::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Ada's link to her account at `idp`, never used.
pub fn a_social_identity() -> SocialIdentity {
    SocialIdentity {
        id: Uuid::from_bytes([0x51; 16]),
        user_id: user_id(1),
        provider: provider("idp"),
        subject: subject("248289761001"),
        label: Some("ada@idp.example".to_owned()),
        created_at: START,
        last_used_at: None,
    }
}

/// A day.
///
/// # Panics
/// When the text is none.
pub fn local_date(text: &str) -> LocalDate {
    LocalDate::try_new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Somebody comes or goes, and says why.
pub fn a_presence(at: Timestamp) -> Presence {
    Presence { at, device: a_device(), remarks: Remarks::try_new("dentist").ok().flatten() }
}

/// Ada's open row of the day of [`START`] in UTC.
pub fn an_attendance() -> Attendance {
    Attendance {
        id: AttendanceId(Uuid::from_bytes([0xa7; 16])),
        user_id: user_id(1),
        date: local_date("2027-01-15"),
        entered: a_presence(START),
        left: None,
        reminded_at: None,
    }
}
