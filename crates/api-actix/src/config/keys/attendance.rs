//! What the keys of attendance are.

use super::Kind;
use super::table::{Row, described, value};

pub(super) fn attendance() -> Vec<Row> {
    vec![
        (
            "attendance.enabled",
            Kind::Bool,
            value("true"),
            "Whether people check in and out here. Without it its routes are not there; rows that exist are kept.",
        ),
        (
            "attendance.time_zone",
            Kind::Text,
            value("UTC"),
            "The time zone whose days and times count, by its IANA name: `Europe/Berlin`. Rows keep the day they were made on.",
        ),
        (
            "attendance.reminder",
            Kind::Text,
            described("nobody is reminded", "17:00"),
            "When whoever is in is reminded to check out, once a day each: a time of day, `17:00`, or a cron expression of \
             five fields, `0 17 * * MON-FRI`, in `attendance.time_zone`.",
        ),
    ]
}
