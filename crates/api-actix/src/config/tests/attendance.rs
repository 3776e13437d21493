//! Coming and going.

use keystead_application::attendance::{Calendar, Schedule};

use super::*;

#[test]
fn attendance_is_there_in_utc_and_reminds_nobody_unless_told() {
    let config = Bench::good().load();
    assert!(config.attendance.enabled);
    assert_eq!((config.attendance.calendar, config.attendance.reminder), (Calendar::default(), None));
}

#[test]
fn what_is_set_is_read() {
    let bench = Bench::good()
        .flag("attendance.enabled", "false")
        .flag("attendance.time_zone", "Asia/Jakarta")
        .flag("attendance.reminder", "17:00");
    let config = bench.load().attendance;
    assert!(!config.enabled);
    assert_eq!(config.calendar, Calendar::try_new("Asia/Jakarta").unwrap());
    // The same time, written as a cron expression.
    assert_eq!(config.reminder, Schedule::try_new("0 17 * * *").ok());
}

#[test]
fn zones_and_times_that_do_not_exist_are_told_of() {
    for (key, value, word) in [
        ("attendance.enabled", "maybe", "true"),
        ("attendance.time_zone", "Europe/Atlantis", "IANA"),
        ("attendance.time_zone", "CET+1", "IANA"),
        ("attendance.reminder", "25:00", "17:00"),
        ("attendance.reminder", "0 0 31 4 *", "17:00"),
        ("attendance.reminder", "at five", "17:00"),
    ] {
        let problems = Bench::good().flag(key, value).problems();
        assert_eq!(only(&problems).key, key, "{value}");
        assert!(problems[0].fix.contains(word), "{problems:?}");
    }
}
