use keystead_application::attendance::{Calendar, Schedule};

use super::problem::Invalid;
use super::reader::{Reader, Reading};
use super::values::boolean;

/// `[attendance]`: who comes and goes when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttendanceConfig {
    /// Whether there is such a thing at all.
    pub enabled: bool,
    /// What a day is.
    pub calendar: Calendar,
    /// When people are reminded to check out; `None`: never.
    pub reminder: Option<Schedule>,
}

impl AttendanceConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let enabled = r.value("attendance.enabled", boolean);
        let calendar = r.value("attendance.time_zone", |text| {
            let fix = "write a name of the IANA time zone database: \"Europe/Berlin\", \"Asia/Jakarta\", \"UTC\"";
            Calendar::try_new(text).map_err(|_| Invalid::new(format!("{text:?} is not a time zone"), fix))
        });
        let reminder = r.optional("attendance.reminder", |text| {
            let fix = "write a time of day, \"17:00\", or a cron expression of five fields, \"0 17 * * MON-FRI\"; or leave the key out";
            Schedule::try_new(text).map_err(|_| Invalid::new(format!("{text:?} is no time that ever comes"), fix))
        });
        Ok(Self { enabled: enabled?, calendar: calendar?, reminder: reminder? })
    }
}
