//! Attendance inside a transaction, and the right to be the one replica that does something.

use async_trait::async_trait;
use keystead_domain::Timestamp;
use keystead_domain::account::UserId;
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence};

use super::StoreError;

/// Which rows a list shows. What is `None` leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttendanceFilter {
    /// Whose.
    pub user: Option<UserId>,
    /// The first day.
    pub from: Option<LocalDate>,
    /// The last day.
    pub to: Option<LocalDate>,
    /// Only rows that are open, or only those that are closed.
    pub open: Option<bool>,
}

/// One page of a list, newest check-in first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttendancePage {
    /// Which rows.
    pub filter: AttendanceFilter,
    /// Check-in and identifier of the last row seen.
    pub after: Option<(Timestamp, AttendanceId)>,
    /// How many at most.
    pub size: u32,
}

/// Attendance.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait AttendanceRepository: Send {
    /// The row of a person and a day.
    async fn find(&mut self, user: UserId, date: LocalDate) -> Result<Option<Attendance>, StoreError>;

    /// The person's row with the newest check-in, whatever its day.
    async fn latest(&mut self, user: UserId) -> Result<Option<Attendance>, StoreError>;

    /// Adds an open row. A second row of a person and day is `Conflict(AttendanceDay)`.
    async fn insert(&mut self, attendance: &Attendance) -> Result<(), StoreError>;

    /// Closes an open row. MUST be `true` for exactly one caller; a closed row never changes.
    async fn close(&mut self, id: AttendanceId, left: &Presence) -> Result<bool, StoreError>;

    /// A page of rows, newest check-in first, then by identifier.
    async fn list(&mut self, page: &AttendancePage) -> Result<Vec<Attendance>, StoreError>;

    /// Open rows of a day whose owners may use their accounts and were not reminded, by identifier, after `after`, at most
    /// `size` of them.
    async fn to_remind(
        &mut self,
        date: LocalDate,
        after: Option<AttendanceId>,
        size: u32,
    ) -> Result<Vec<Attendance>, StoreError>;

    /// Notes a reminder on a row that is open and has none. MUST be `true` for exactly one caller.
    async fn mark_reminded(&mut self, id: AttendanceId, now: Timestamp) -> Result<bool, StoreError>;
}

/// Rights that one process at a time has, for a while.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LeaseRepository: Send {
    /// Takes or prolongs the lease `name` for `holder` until `until`. MUST be `true` for one holder at a time: for who holds
    /// it already, or when nobody does or the one who did let it lapse before `now`.
    async fn acquire(&mut self, name: &str, holder: &str, now: Timestamp, until: Timestamp)
    -> Result<bool, StoreError>;

    /// Gives a lease back, if `holder` has it.
    async fn release(&mut self, name: &str, holder: &str) -> Result<(), StoreError>;
}
