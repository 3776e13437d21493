use jiff::civil::{self, DateTime};
use jiff::tz::AmbiguousOffset;
use proptest::prelude::*;

use super::*;

fn berlin() -> Calendar {
    Calendar::try_new("Europe/Berlin").unwrap()
}

/// A moment written as RFC 3339.
fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn daily_at(text: &str) -> Schedule {
    Schedule::try_new(text).unwrap()
}

#[test]
fn a_day_is_the_one_of_the_zone() {
    let date = |zone: &str, moment| Calendar::try_new(zone).unwrap().date(at(moment)).to_string();
    assert_eq!(date("UTC", "2026-03-28T23:30:00Z"), "2026-03-28");
    assert_eq!(date("Europe/Berlin", "2026-03-28T23:30:00Z"), "2026-03-29");
    assert_eq!(date("Pacific/Kiritimati", "2026-03-28T10:00:00Z"), "2026-03-29");
    assert_eq!(date("America/Los_Angeles", "2026-03-29T06:59:59Z"), "2026-03-28");
    assert_eq!(berlin().wall_clock(at("2026-03-29T00:59:59Z")), "01:59");
    assert_eq!(berlin().wall_clock(at("2026-03-29T01:00:00Z")), "03:00");
    assert_eq!(berlin().local(at("2026-10-25T00:30:00Z")), "2026-10-25T02:30:00+02:00");
    assert_eq!(berlin().local(at("2026-10-25T01:30:00Z")), "2026-10-25T02:30:00+01:00");
    assert_eq!(berlin().date(Timestamp::from_micros(i64::MAX)).to_string(), "1970-01-01");
}

#[test]
fn zones_are_those_of_the_database_and_nothing_of_the_system() {
    assert_eq!(Calendar::default(), Calendar::try_new("UTC").unwrap());
    assert_eq!(Calendar::default().name(), "UTC");
    assert_eq!(Calendar::try_new("europe/berlin").unwrap().name(), "Europe/Berlin");
    for wrong in ["", "Europe", "Europe/Atlantis", "CET+1", "/etc/localtime", "../UTC", "local"] {
        assert_eq!(Calendar::try_new(wrong), Err(UnknownTimeZone), "{wrong}");
    }
}

#[test]
fn a_time_that_is_skipped_comes_when_the_skipped_hour_ends_and_one_that_comes_twice_counts_once() {
    let half_past_two = daily_at("02:30");
    let mut moments = Vec::new();
    let mut now = at("2026-03-28T00:00:00Z");
    while let Some(next) = berlin().next(&half_past_two, now).filter(|next| *next < at("2026-03-31T00:00:00Z")) {
        moments.push(berlin().local(next));
        now = next;
    }
    assert_eq!(moments, ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    let october = berlin().next(&half_past_two, at("2026-10-24T12:00:00Z")).unwrap();
    assert_eq!(berlin().local(october), "2026-10-25T02:30:00+02:00");
    let after = berlin().next(&half_past_two, october).unwrap();
    assert_eq!(berlin().local(after), "2026-10-26T02:30:00+01:00");
    // While the repeated hour passes, the last time is still the first of the two.
    for moment in ["2026-10-25T00:30:00Z", "2026-10-25T01:29:59Z", "2026-10-25T01:30:00Z", "2026-10-25T12:00:00Z"] {
        assert_eq!(berlin().last(&half_past_two, at(moment)), Some(october), "{moment}");
    }
    assert_eq!(berlin().last(&half_past_two, at("2026-03-29T01:00:00Z")), Some(at("2026-03-29T01:00:00Z")));
}

#[test]
fn a_schedule_is_a_time_of_day_or_a_cron_expression() {
    let next = |text| berlin().local(berlin().next(&daily_at(text), at("2026-11-20T20:00:00Z")).unwrap());
    assert_eq!(next("17:00"), "2026-11-21T17:00:00+01:00");
    assert_eq!(next("00:00"), "2026-11-21T00:00:00+01:00");
    assert_eq!(next("0 17 * * MON-FRI"), "2026-11-23T17:00:00+01:00");
    assert_eq!(next("*/15 16,17 * * *"), "2026-11-21T16:00:00+01:00");
    assert_eq!(next("0 12 29 2 *"), "2028-02-29T12:00:00+01:00");
    let wrong =
        ["", "17", "24:00", "17:60", "7:00", "17:00:00", "-1:00", "0 17 * *", "0 0 17 * * *", "0 0 30 2 *", "soon"];
    for text in wrong {
        assert_eq!(Schedule::try_new(text), Err(ScheduleError), "{text}");
    }
}

/// The moment of a time of day on a day, told by the rules of the zone alone.
fn expected(zone: &TimeZone, on: civil::Date, time: civil::Time) -> Option<jiff::Timestamp> {
    let wanted = DateTime::from_parts(on, time);
    let ambiguous = zone.to_ambiguous_zoned(wanted);
    match ambiguous.offset() {
        // As if clocks had not gone forward: what that is, is when the gap ends or later. The gap ends at the transition.
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?.timestamp();
            let transition = zone.following(before.checked_sub(jiff::SignedDuration::from_hours(48)).ok()?);
            transition
                .map(|transition| transition.timestamp())
                .take_while(|at| *at <= before + jiff::SignedDuration::from_hours(48))
                .find(|at| {
                    let wall = zone.to_datetime(*at);
                    let previous = zone.to_datetime(*at - jiff::SignedDuration::from_nanos(1));
                    previous < wanted && wanted < wall
                })
        }
        _ => Some(ambiguous.earlier().ok()?.timestamp()),
    }
}

/// Every zone with a transition in these years, and each of those.
fn transitions() -> Vec<(String, jiff::Timestamp)> {
    let from: jiff::Timestamp = "2015-01-01T00:00:00Z".parse().unwrap();
    let until: jiff::Timestamp = "2035-01-01T00:00:00Z".parse().unwrap();
    let mut all = Vec::new();
    for name in TimeZoneDatabase::bundled().available() {
        let zone = TimeZoneDatabase::bundled().get(name.as_str()).unwrap();
        let moments = zone.following(from).map(|transition| transition.timestamp()).take_while(|at| *at < until);
        all.extend(moments.map(|at| (name.to_string(), at)));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Around any change of any zone's clocks a time of day comes once a day, and when the zone's rules say.
    #[test]
    fn around_every_change_of_clocks_a_time_of_day_comes_once_a_day(
        (name, change) in proptest::sample::select(transitions()),
        hour in 0i8..24,
        minute in 0i8..60,
        near in any::<bool>(),
        offset in -90i64..90,
    ) {
        let calendar = Calendar::try_new(&name).unwrap();
        let zone = TimeZoneDatabase::bundled().get(&name).unwrap();
        // Half of the times of day are close to the change.
        let wall = zone.to_datetime(change);
        let time = if near {
            (wall + jiff::SignedDuration::from_mins(offset)).time()
        } else {
            civil::time(hour, minute, 0, 0)
        };
        let time = civil::time(time.hour(), time.minute(), 0, 0);
        let schedule = daily_at(&format!("{:02}:{:02}", time.hour(), time.minute()));
        let first = wall.date() - jiff::Span::new().days(2);
        let days = (0..5).map(|day| first + jiff::Span::new().days(day));
        let mut wanted: Vec<jiff::Timestamp> = days.filter_map(|day| expected(&zone, day, time)).collect();
        wanted.dedup();
        let begin = wanted[0] - jiff::SignedDuration::from_secs(1);
        let mut now = Timestamp::from_micros(begin.as_microsecond());
        for wanted in wanted {
            let wanted = Timestamp::from_micros(wanted.as_microsecond());
            let next = calendar.next(&schedule, now);
            prop_assert_eq!(next, Some(wanted), "{} {} after {}", name, time, calendar.local(now));
            prop_assert_eq!(calendar.last(&schedule, wanted), Some(wanted), "{} {}", name, time);
            // Nothing lies between two times.
            let later = Timestamp::from_micros(wanted.as_micros() + 1_000_000 * (1 + i64::from(minute)));
            prop_assert_eq!(calendar.last(&schedule, later), Some(wanted), "{} {}", name, time);
            now = wanted;
        }
    }
}
