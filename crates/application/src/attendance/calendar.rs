//! Days and wall-clock times of one time zone. The only place that knows of time zones.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use keystead_domain::Timestamp;
use keystead_domain::attendance::LocalDate;
use thiserror::Error;

/// The calendar of a time zone. The rules of all zones are compiled in: every replica has the same, whatever its system has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
}

/// No time zone has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no time zone of this name")]
pub struct UnknownTimeZone;

impl Default for Calendar {
    /// That of UTC.
    fn default() -> Self {
        Self { zone: TimeZone::UTC }
    }
}

impl Calendar {
    /// The calendar of a zone of the IANA time zone database (RFC 6557), such as `Europe/Berlin` or `UTC`.
    pub fn try_new(name: &str) -> Result<Self, UnknownTimeZone> {
        TimeZoneDatabase::bundled().get(name).map(|zone| Self { zone }).map_err(|_| UnknownTimeZone)
    }

    /// The name of the zone.
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The local day of a moment. Moments outside the years 1 to 9999 have that of the epoch.
    pub fn date(&self, at: Timestamp) -> LocalDate {
        let date = self.zoned(at).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        // The epoch is a day of every zone.
        LocalDate::from_parts(date.year(), month, day).unwrap_or_else(|_| self.date(Timestamp::default()))
    }

    /// The local time of a moment, `HH:MM`.
    pub fn wall_clock(&self, at: Timestamp) -> String {
        let time = self.zoned(at).time();
        format!("{:02}:{:02}", time.hour(), time.minute())
    }

    /// A moment as local time with its distance from UTC (RFC 3339): `2026-03-29T08:02:11+02:00`.
    pub fn local(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// The first time of a schedule after a moment. `None` when it never comes.
    ///
    /// A time that a day skips, because clocks go forward over it, comes when the skipped time ends. One that a day has twice,
    /// because clocks go back, comes at the first of the two.
    pub fn next(&self, schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
        let found = schedule.cron.find_next_occurrence(&self.zoned(after), false).ok()?;
        Some(Timestamp::from_micros(found.timestamp().as_microsecond()))
    }

    /// The last time of a schedule up to a moment, that moment included. `None` when there was none.
    pub fn last(&self, schedule: &Schedule, until: Timestamp) -> Option<Timestamp> {
        let found = schedule.cron.find_previous_occurrence(&self.zoned(until), true).ok()?;
        Some(Timestamp::from_micros(found.timestamp().as_microsecond()))
    }

    fn zoned(&self, at: Timestamp) -> Zoned {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
        at.to_zoned(self.zone.clone())
    }
}

/// Times of day at which something is done: once a day, or as a cron expression says.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    cron: Cron,
}

/// The text is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a schedule is a time of day, HH:MM, or a cron expression of five fields that comes true at some time")]
pub struct ScheduleError;

impl Schedule {
    /// Reads `17:00`, or a cron expression: minute, hour, day of month, month, day of week (`0 17 * * MON-FRI`).
    pub fn try_new(text: &str) -> Result<Self, ScheduleError> {
        let expression = match daily(text) {
            Some((hour, minute)) => format!("{minute} {hour} * * *"),
            None => text.trim().to_owned(),
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let schedule = Self { cron: parser.parse(&expression).map_err(|_| ScheduleError)? };
        // 30 February never comes.
        match Calendar::default().next(&schedule, Timestamp::default()) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({})", self.cron.as_str())
    }
}

/// Hour and minute of `HH:MM`.
fn daily(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let figure = |part: &str, below: u8| {
        let is_written_out = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u8>().ok().filter(|figure| is_written_out && *figure < below)
    };
    Some((figure(hour, 24)?, figure(minute, 60)?))
}

#[cfg(test)]
mod tests;
