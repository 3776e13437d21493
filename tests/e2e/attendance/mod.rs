//! Coming and going: once a day of the deployment's zone, whatever happens at the same time, to clocks or to replicas; lists,
//! files, reminders.

mod days;
mod killed;
mod lists;
mod races;
mod reminders;

use std::time::Duration;

use keystead_application::attendance::{Calendar, Schedule};
use keystead_domain::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Authenticator, PASSWORD, Reply, Service, SignedIn};

/// The zone of these tests, whose clocks change.
const ZONE: &str = "Europe/Berlin";

fn berlin() -> Calendar {
    Calendar::try_new(ZONE).unwrap()
}

impl Service {
    /// What its clocks show.
    fn moment(&self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(self.now()).unwrap())
    }

    /// Moves its clocks to a moment that has not come yet, or just past it.
    async fn advance_to(&self, moment: Timestamp) {
        let span = moment.since(self.moment());
        assert!(span > Duration::ZERO, "{moment:?} has passed");
        self.advance(Duration::from_secs(span.as_secs() + 1)).await;
        self.ready().await;
    }

    /// Moves its clocks to the next time that is written so (`09:00`), in that zone.
    async fn advance_to_time(&self, calendar: &Calendar, time: &str) {
        let next = calendar.next(&Schedule::try_new(time).unwrap(), self.moment()).unwrap();
        self.advance_to(next).await;
    }

    /// Somebody with a second factor, signed in anew with a proof of it.
    async fn back(&self, email: &str, program: &Authenticator) -> SignedIn {
        let code = self.fresh_code(program).await;
        let asked = self.native().login_asked(email, PASSWORD).await.unwrap();
        asked.answer("totp", &code).await.unwrap()
    }
}

impl SignedIn {
    async fn attendance_reply(&self, route: &str, remarks: Option<&str>) -> Reply {
        let call = self.call(Method::POST, &format!("/attendance/{route}"));
        match remarks {
            Some(remarks) => call.json(&json!({ "remarks": remarks })).send().await,
            None => call.send().await,
        }
    }

    /// The row's document member `data`.
    async fn check_in(&self) -> Answer<Value> {
        Ok(self.attendance_reply("in", None).await.ok(201)?.json()["data"].take())
    }

    async fn check_out(&self) -> Answer<Value> {
        Ok(self.attendance_reply("out", None).await.ok(200)?.json()["data"].take())
    }

    /// The attributes of the status.
    async fn attendance_status(&self) -> Value {
        self.get("/attendance/status").await.unwrap()["data"]["attributes"].take()
    }

    /// Whether the status says that they came, and left, today.
    async fn came_and_left(&self) -> (bool, bool) {
        let status = self.attendance_status().await;
        let fact = |name: &str| status[name].as_bool().unwrap();
        (fact("hasCheckedIn"), fact("hasCheckedOut"))
    }

    /// All rows of a list, page by page: `data` of each page, and how many pages there were.
    async fn all_rows(&self, route: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, Some(route.to_owned()));
        while let Some(route) = next {
            let page = self.get(&route).await.unwrap();
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["links"]["next"].as_str().map(|link| link.trim_start_matches("/api/v1").to_owned());
            pages += 1;
        }
        (rows, pages)
    }
}
