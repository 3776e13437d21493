//! What a day is: midnight, the days on which clocks change, a deployment that moves.

use std::time::Duration;

use keystead_application::attendance::{Calendar, Schedule};
use keystead_domain::Timestamp;
use keystead_domain::attendance::LocalDate;
use serde_json::Value;

use super::{ZONE, berlin};
use crate::support::{Service, refusal};

const HOUR: Duration = Duration::from_secs(3600);

/// The next day of so many hours, by its first and last moment.
fn day_of(hours: u32, after: Timestamp) -> (Timestamp, Timestamp) {
    let midnight = Schedule::try_new("00:00").unwrap();
    let mut first = berlin().next(&midnight, after).unwrap();
    loop {
        let next = berlin().next(&midnight, first).unwrap();
        if next.since(first) == HOUR * hours {
            return (first, next);
        }
        first = next;
    }
}

async fn start() -> Service {
    Service::builder().configured(|config| config.attendance.calendar = berlin()).start().await
}

fn date(row: &Value) -> LocalDate {
    LocalDate::try_new(row["attributes"]["date"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_days_on_which_clocks_change_are_one_day_each() {
    let service = start().await;
    let (_, program) = service.enrolled("ada@example.com").await;
    // The shorter one of spring and the longer one of autumn, whichever comes first.
    let now = service.moment();
    let mut days = [23, 25].map(|hours| day_of(hours, now));
    days.sort();
    for (first, next) in days {
        service.advance_to(first.plus(HOUR / 6)).await;
        let ada = service.back("ada@example.com", &program).await;
        let row = ada.check_in().await.unwrap();
        assert_eq!(date(&row), berlin().date(first));
        // Around the change, and in the last minutes of the day, however long it was.
        for moment in
            [first.plus(HOUR * 3 / 2), first.plus(HOUR * 5 / 2), first.plus(HOUR * 7 / 2), next.minus(HOUR / 6)]
        {
            service.advance_to(moment).await;
            let ada = service.back("ada@example.com", &program).await;
            assert_eq!(ada.attendance_status().await["date"], date(&row).to_string(), "{}", berlin().local(moment));
            assert_eq!(ada.came_and_left().await, (true, false));
            assert_eq!(ada.check_in().await.unwrap_err(), refusal(409, "ALREADY_CHECKED_IN"));
        }
        service.advance_to(next).await;
        let ada = service.back("ada@example.com", &program).await;
        assert_eq!(ada.came_and_left().await, (false, false));
        let tomorrow = ada.check_in().await.unwrap();
        assert_eq!(date(&tomorrow), berlin().date(next));
        ada.check_out().await.unwrap();
    }
    assert_eq!(service.database().count("attendances"), 4);
}

#[tokio::test]
async fn who_works_past_midnight_leaves_the_day_they_came_on() {
    let service = start().await;
    let (_, program) = service.enrolled("ada@example.com").await;
    service.advance_to_time(&berlin(), "23:50").await;
    let ada = service.back("ada@example.com", &program).await;
    let row = ada.check_in().await.unwrap();
    let tonight = date(&row);
    service.advance_to_time(&berlin(), "00:10").await;
    let ada = service.back("ada@example.com", &program).await;
    let status = ada.attendance_status().await;
    assert_ne!(status["date"], tonight.to_string());
    assert_eq!(ada.came_and_left().await, (false, false));
    assert_eq!((&status["attendance"]["id"], &status["attendance"]["checkedOut"]), (&row["id"], &Value::Null));
    let left = ada.check_out().await.unwrap();
    assert_eq!((&left["id"], date(&left)), (&row["id"], tonight));
    assert_eq!(ada.check_out().await.unwrap_err(), refusal(409, "NOT_CHECKED_IN"));
    assert_ne!(date(&ada.check_in().await.unwrap()), tonight);

    // What was forgotten for longer than a day stays open.
    service.advance(HOUR * 25).await;
    service.ready().await;
    let ada = service.back("ada@example.com", &program).await;
    assert_eq!(ada.check_out().await.unwrap_err(), refusal(409, "NOT_CHECKED_IN"));
    assert_eq!(service.database().count("attendances WHERE left_at IS NULL"), 1);
}

#[tokio::test]
async fn a_deployment_that_moves_keeps_open_rows_and_makes_no_second_of_a_day() {
    // Noon in UTC is two in the morning of the next day there, and early in the same one further west.
    let zones = ["Pacific/Kiritimati", "America/Los_Angeles"];
    let moved = |zone: &str| Calendar::try_new(zone).unwrap();
    let service = Service::builder().configured(|config| config.attendance.calendar = moved(zones[0])).start().await;
    let (_, program) = service.enrolled("ada@example.com").await;
    service.advance_to_time(&Calendar::default(), "12:00").await;
    let noon = service.moment();
    let row = service.back("ada@example.com", &program).await.check_in().await.unwrap();
    assert_eq!(date(&row), moved(zones[0]).date(noon));

    let service = service.restart_configured(|config| config.attendance.calendar = moved(zones[1])).await;
    service.advance_to(noon.plus(HOUR)).await;
    let ada = service.back("ada@example.com", &program).await;
    let status = ada.attendance_status().await;
    assert_eq!(status["timeZone"], zones[1]);
    assert_eq!(status["date"], moved(zones[1]).date(noon).to_string());
    assert!(date(&row) > moved(zones[1]).date(noon), "the new zone's day is before the row's");
    assert_eq!((&status["attendance"]["id"], ada.came_and_left().await), (&row["id"], (true, false)));
    assert_eq!(ada.check_in().await.unwrap_err(), refusal(409, "ALREADY_CHECKED_IN"));
    let left = ada.check_out().await.unwrap();
    assert_eq!((&left["id"], date(&left)), (&row["id"], date(&row)), "a row keeps its day");

    // The day of the row comes there, too; it has been worked.
    service.advance(HOUR * 24).await;
    service.ready().await;
    let ada = service.back("ada@example.com", &program).await;
    assert_eq!(ada.attendance_status().await["date"], date(&row).to_string());
    assert_eq!(ada.check_in().await.unwrap_err(), refusal(409, "ALREADY_CHECKED_IN"));
    service.advance(HOUR * 24).await;
    service.ready().await;
    service.back("ada@example.com", &program).await.check_in().await.unwrap();
    assert_eq!(service.database().count("attendances"), 2);
}

#[tokio::test]
async fn a_day_is_one_of_utc_unless_a_zone_is_configured() {
    let service = Service::start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    assert_eq!(ada.attendance_status().await["timeZone"], "UTC");
    assert_ne!(ZONE, "UTC");
}
