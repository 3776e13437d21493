//! Reminders: at the time, to everybody who is in and may be, each once, whoever sends.

use std::time::Duration;

use keystead_application::attendance::Schedule;
use keystead_domain::account::Role;
use keystead_domain::limits::REMINDER_LEASE;
use serde_json::json;

use super::berlin;
use crate::process::configured::Configured;
use crate::support::{Service, eventually};

const SUBJECT: &str = "Remember to check out";

async fn start(reminder: &str) -> Service {
    let change = |config: &mut keystead_api_actix::config::Config| {
        config.attendance.calendar = berlin();
        config.attendance.reminder = Some(Schedule::try_new(reminder).unwrap());
    };
    Service::builder().configured(change).start().await
}

impl Service {
    /// Waits until so many rows have their reminder, and every mail is out.
    async fn reminded(&self, count: i64) {
        let of = "attendances WHERE reminded_at IS NOT NULL";
        let ask = || async move { (self.database().count(of) >= count).then_some(()) };
        eventually(&format!("{count} reminders"), ask).await;
        self.mail_settled().await;
        assert_eq!(self.database().count(of), count);
    }

    async fn reminders_to(&self, email: &str) -> usize {
        self.mails(email).await.iter().filter(|mail| mail.subject.starts_with(SUBJECT)).count()
    }
}

#[tokio::test]
async fn whoever_is_in_at_the_time_is_reminded_once_and_nobody_else() {
    let service = start("17:00").await;
    service.advance_to_time(&berlin(), "16:45").await;
    let boss = service.administrator(Role::Admin).await;
    let names = ["in-1", "in-2", "in-3", "in-4", "left", "banned", "away"];
    let mut people = Vec::new();
    for name in names {
        let (person, program) = service.enrolled(&format!("{name}@example.com")).await;
        if name != "away" {
            person.check_in().await.unwrap();
        }
        people.push((person, program));
    }
    people[4].0.check_out().await.unwrap();
    boss.ban(&people[5].0.user_id()).await.unwrap();

    service.advance_to_time(&berlin(), "17:00").await;
    service.reminded(4).await;
    // Whoever comes later is not late.
    service.back("away@example.com", &people[6].1).await.check_in().await.unwrap();
    // Every replica has looked again, and so has somebody with a command, whose day is that of the system's clock.
    service.advance(Duration::from_secs(3600)).await;
    service.ready().await;
    service.command(&["reminders", "run"], &[]).ok();
    let (ada, _) = service.enrolled("looks@example.com").await;
    ada.verify().await.unwrap();
    service.reminded(4).await;
    for name in names {
        let expected = usize::from(name.starts_with("in-"));
        assert_eq!(service.reminders_to(&format!("{name}@example.com")).await, expected, "{name}");
    }
    let mail = service.mails_about("in-1@example.com", SUBJECT, 1).await.remove(0);
    let (year, _, day) = berlin().date(service.moment()).parts();
    for told in [format!(" {day} "), format!(" {year} "), " 16:4".to_owned()] {
        assert!(mail.text.contains(&told), "{told:?} is not in {}", mail.text);
    }

    // Tomorrow is another day.
    let next_day = berlin().next(&Schedule::try_new("09:00").unwrap(), service.moment()).unwrap();
    service.advance_to(next_day).await;
    let (person, program) = (&people[0].0, &people[0].1);
    assert!(person.verify().await.is_err());
    service.back("in-1@example.com", program).await.check_in().await.unwrap();
    service.advance_to_time(&berlin(), "17:00").await;
    service.reminded(5).await;
    assert_eq!(service.reminders_to("in-1@example.com").await, 2);
    assert_eq!(service.reminders_to("in-2@example.com").await, 1);
}

#[tokio::test]
async fn a_time_that_the_day_skips_or_has_twice_reminds_once() {
    let service = start("02:30").await;
    let (_, program) = service.enrolled("ada@example.com").await;
    let (mut days, mut midnight) = (Vec::new(), service.moment());
    let at_midnight = Schedule::try_new("00:00").unwrap();
    while days.len() < 2 {
        let first = berlin().next(&at_midnight, midnight).unwrap();
        let next = berlin().next(&at_midnight, first).unwrap();
        if next.since(first) != Duration::from_hours(24) {
            days.push(first);
        }
        midnight = first;
    }
    for (nth, first) in days.into_iter().enumerate() {
        service.advance_to(first.plus(Duration::from_secs(600))).await;
        service.back("ada@example.com", &program).await.check_in().await.unwrap();
        let due = berlin().next(&Schedule::try_new("02:30").unwrap(), service.moment()).unwrap();
        service.advance_to(due).await;
        service.reminded(i64::try_from(nth).unwrap() + 1).await;
        // The hour that comes twice.
        service.advance(Duration::from_secs(3600)).await;
        service.ready().await;
        let ada = service.back("ada@example.com", &program).await;
        ada.check_out().await.unwrap();
        service.reminded(i64::try_from(nth).unwrap() + 1).await;
    }
    assert_eq!(service.reminders_to("ada@example.com").await, 2);
}

#[tokio::test]
async fn what_a_process_that_died_held_is_taken_over_when_its_lease_lapsed() {
    let service = start("17:00").await;
    service.advance_to_time(&berlin(), "16:50").await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    ada.check_in().await.unwrap();
    let other = service.other_process().await;
    let due = berlin().next(&Schedule::try_new("17:00").unwrap(), service.moment()).unwrap();
    let mut tx = other.store.begin().await.unwrap();
    let until = due.plus(REMINDER_LEASE);
    assert!(tx.leases().acquire("reminders", "who died", service.moment(), until).await.unwrap());
    tx.commit().await.unwrap();
    service.advance_to(until).await;
    service.reminded(1).await;
    assert_eq!(service.reminders_to("ada@example.com").await, 1);
}

#[tokio::test]
async fn a_command_reminds_too_and_what_it_reminded_of_stays_so() {
    let service = Service::start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    ada.check_in().await.unwrap();
    for reminded in [1, 0] {
        let finished = service.command(&["reminders", "run"], &["--json"]).ok();
        let told: serde_json::Value = serde_json::from_str(&finished).unwrap();
        assert_eq!(told, json!({ "reminded": reminded, "unreachable": 0 }));
    }
    service.reminded(1).await;
    assert_eq!(service.reminders_to("ada@example.com").await, 1);
}

#[test]
fn a_command_says_that_there_is_nothing_to_remind_of() {
    let configured = Configured::new(&[]);
    let mut command = configured.command(&["reminders", "run"], &["--set", "attendance.enabled=false"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("attendance.enabled"), "{output:?}");
}
