use diesel::prelude::*;
use keystead_domain::Timestamp;
use keystead_domain::attendance::{Attendance, AttendanceId, LocalDate, Presence, Remarks};

use super::device;
use crate::RowError;
use crate::schema::attendances;
use crate::types::{At, Uid};

/// A row of `attendances`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = attendances, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are the fields of the domain's Attendance")]
pub struct AttendanceRow {
    pub id: Uid,
    pub user_id: Uid,
    pub date: String,
    pub entered_at: At,
    pub entered_ip: Option<String>,
    pub entered_user_agent: Option<String>,
    pub entered_remarks: Option<String>,
    /// Absent while the row is open, and with it the next three.
    pub left_at: Option<At>,
    pub left_ip: Option<String>,
    pub left_user_agent: Option<String>,
    pub left_remarks: Option<String>,
    pub reminded_at: Option<At>,
}

/// Remarks of one end, as they are kept.
pub fn remarks_of(presence: &Presence) -> Option<String> {
    presence.remarks.as_ref().map(|remarks| remarks.as_str().to_owned())
}

fn remarks(text: Option<&str>, column: &'static str) -> Result<Option<Remarks>, RowError> {
    text.map_or(Ok(None), Remarks::try_new).map_err(|_| RowError(column))
}

impl From<&Attendance> for AttendanceRow {
    fn from(attendance: &Attendance) -> Self {
        let (entered, left) = (&attendance.entered, attendance.left.as_ref());
        Self {
            id: Uid::of(attendance.id.0),
            user_id: Uid(attendance.user_id),
            date: attendance.date.to_string(),
            entered_at: At(entered.at),
            entered_ip: entered.device.ip.map(|ip| ip.to_string()),
            entered_user_agent: entered.device.user_agent.clone(),
            entered_remarks: remarks_of(entered),
            left_at: left.map(|left| At(left.at)),
            left_ip: left.and_then(|left| left.device.ip).map(|ip| ip.to_string()),
            left_user_agent: left.and_then(|left| left.device.user_agent.clone()),
            left_remarks: left.and_then(remarks_of),
            reminded_at: attendance.reminded_at.map(At),
        }
    }
}

impl TryFrom<AttendanceRow> for Attendance {
    type Error = RowError;

    fn try_from(row: AttendanceRow) -> Result<Self, RowError> {
        let entered = Presence {
            at: row.entered_at.0,
            device: device(row.entered_ip.as_deref(), row.entered_user_agent.as_deref(), "attendances.entered_ip")?,
            remarks: remarks(row.entered_remarks.as_deref(), "attendances.entered_remarks")?,
        };
        let left = match row.left_at {
            None => None,
            Some(at) => Some(Presence {
                at: at.0,
                device: device(row.left_ip.as_deref(), row.left_user_agent.as_deref(), "attendances.left_ip")?,
                remarks: remarks(row.left_remarks.as_deref(), "attendances.left_remarks")?,
            }),
        };
        Ok(Self {
            id: AttendanceId(row.id.uuid()),
            user_id: row.user_id.0,
            date: LocalDate::try_new(&row.date).map_err(|_| RowError("attendances.date"))?,
            entered,
            left,
            reminded_at: row.reminded_at.map(|at| at.0),
        })
    }
}

/// Between which times a day is, wherever: local time is at most a day off UTC. Lists are in the order of times and are
/// asked for by days; with these bounds they are not read beyond them.
pub fn times_of(date: LocalDate) -> (Timestamp, Timestamp) {
    const DAY: i64 = 86_400;
    let begin = days_since_1970(date) * DAY;
    (Timestamp::from_seconds(begin - DAY), Timestamp::from_seconds(begin + 2 * DAY))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March on, so that the day a leap year
/// has more is the last one.
fn days_since_1970(date: LocalDate) -> i64 {
    let (year, month, day) = date.parts();
    let (months, years) = match month {
        3.. => (i64::from(month) - 3, i64::from(year)),
        _ => (i64::from(month) + 9, i64::from(year) - 1),
    };
    let leap_days = years / 4 - years / 100 + years / 400;
    // Of every five months from March on three have 31 days. The sum is that of 1970-01-01.
    years * 365 + leap_days + (months * 153 + 2) / 5 + i64::from(day) - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Ok(date) = LocalDate::from_parts(year, month, day) {
                        assert_eq!(days_since_1970(date), expected, "{date}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(days_since_1970(LocalDate::try_new("1970-01-01").unwrap()), 0);
        assert_eq!(days_since_1970(LocalDate::try_new("2027-01-15").unwrap()), 1_800_000_000 / 86_400);
    }

    #[test]
    fn a_day_is_within_its_times_in_every_time_zone() {
        let (from, until) = times_of(LocalDate::try_new("2027-01-15").unwrap());
        let midnight = 1_800_000_000 - 1_800_000_000 % 86_400;
        for offset in [-12 * 3600, 0, 14 * 3600] {
            assert!(from <= Timestamp::from_seconds(midnight - offset));
            assert!(Timestamp::from_seconds(midnight + 86_400 - offset) < until);
        }
    }
}
