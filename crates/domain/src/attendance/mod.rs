//! Who came and went when: one row per person and local day.
//!
//! ```text
//! (no row of the day) ── check in ──> open ── check out ──> closed
//! ```
//!
//! A day is the one of the check-in, in the deployment's time zone. Who works past midnight checks out of the day they came
//! in on. Once closed, a row never changes.

mod date;
mod remarks;

pub use date::{LocalDate, LocalDateError};
pub use remarks::{Remarks, RemarksError};

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::Timestamp;
use crate::account::UserId;
use crate::token::DeviceInfo;

/// Identifier of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttendanceId(pub Uuid);

impl fmt::Display for AttendanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One end of a stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub device: DeviceInfo,
    /// In the person's words.
    pub remarks: Option<Remarks>,
}

/// A person's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// Identifier.
    pub id: AttendanceId,
    /// Whose.
    pub user_id: UserId,
    /// The day of the check-in, where the deployment is. One row per person and day.
    pub date: LocalDate,
    /// The check-in.
    pub entered: Presence,
    /// The check-out; `None` while the row is open.
    pub left: Option<Presence>,
    /// When the person was reminded to check out.
    pub reminded_at: Option<Timestamp>,
}

/// How long after a check-in a check-out still belongs to it. Whoever forgot to check out does not close last week's day
/// by checking out today.
pub const LONGEST_STAY: Duration = Duration::from_secs(24 * 3600);

/// Why a check-in or check-out was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AttendanceRefusal {
    /// There is a row of the day.
    #[error("checked in already today")]
    AlreadyIn,
    /// Checked out already today.
    #[error("checked out already today")]
    AlreadyOut,
    /// There is no open row.
    #[error("not checked in")]
    NotIn,
}

impl Attendance {
    /// Whether the person is in: checked in, not out, and not so long ago that they forgot.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.left.is_none() && now.since(self.entered.at) <= LONGEST_STAY
    }
}

/// Whether a check-in is possible, given the row of today and the last row before it.
pub fn check_in(today: Option<&Attendance>) -> Result<(), AttendanceRefusal> {
    match today {
        Some(_) => Err(AttendanceRefusal::AlreadyIn),
        None => Ok(()),
    }
}

/// The row that a check-out closes, given the person's latest row, whatever its day, and today.
pub fn check_out(
    latest: Option<Attendance>,
    today: LocalDate,
    now: Timestamp,
) -> Result<Attendance, AttendanceRefusal> {
    match latest {
        Some(row) if row.is_open(now) => Ok(row),
        Some(row) if row.date == today && row.left.is_some() => Err(AttendanceRefusal::AlreadyOut),
        _ => Err(AttendanceRefusal::NotIn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(entered: i64, left: Option<i64>) -> Attendance {
        let presence = |at| Presence { at: Timestamp::from_seconds(at), device: DeviceInfo::default(), remarks: None };
        Attendance {
            id: AttendanceId(Uuid::nil()),
            user_id: UserId::new(Uuid::nil()),
            date: LocalDate::try_new("2026-03-29").unwrap(),
            entered: presence(entered),
            left: left.map(presence),
            reminded_at: None,
        }
    }

    #[test]
    fn a_day_has_one_check_in_and_one_check_out() {
        let (today, tomorrow) = (LocalDate::try_new("2026-03-29").unwrap(), LocalDate::try_new("2026-03-30").unwrap());
        let now = Timestamp::from_seconds(10_000);
        assert_eq!(check_in(None), Ok(()));
        assert_eq!(check_in(Some(&row(0, None))), Err(AttendanceRefusal::AlreadyIn));
        assert_eq!(check_in(Some(&row(0, Some(5)))), Err(AttendanceRefusal::AlreadyIn));
        assert_eq!(check_out(None, today, now), Err(AttendanceRefusal::NotIn));
        assert_eq!(check_out(Some(row(0, Some(5))), today, now), Err(AttendanceRefusal::AlreadyOut));
        assert_eq!(check_out(Some(row(0, Some(5))), tomorrow, now), Err(AttendanceRefusal::NotIn));
        assert_eq!(check_out(Some(row(0, None)), today, now), Ok(row(0, None)));
    }

    #[test]
    fn after_midnight_the_open_day_is_closed_and_a_forgotten_one_is_not() {
        let tomorrow = LocalDate::try_new("2026-03-30").unwrap();
        let day = 24 * 3600;
        assert_eq!(check_out(Some(row(0, None)), tomorrow, Timestamp::from_seconds(day)), Ok(row(0, None)));
        let late = Timestamp::from_seconds(day + 1);
        assert_eq!(check_out(Some(row(0, None)), tomorrow, late), Err(AttendanceRefusal::NotIn));
    }
}
