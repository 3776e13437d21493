//! G02: of any number of check-ins at once, at any replica, one makes the row of the day.

use std::collections::BTreeMap;

use keystead_testkit::race::race;
use reqwest::Method;

use super::berlin;
use crate::support::{Service, refusal, tally};

/// Requests at once, half of them at each replica.
const RACERS: usize = 64;

async fn start() -> Service {
    let service = Service::builder().configured(|config| config.attendance.calendar = berlin()).start().await;
    // Far from midnight.
    service.advance_to_time(&berlin(), "09:00").await;
    service
}

#[tokio::test]
async fn g02_one_day_raced_for_is_entered_and_left_once() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    let answers = race(RACERS, |_| {
        let ada = ada.clone();
        async move { ada.check_in().await }
    });
    let (won, refused) = tally(answers.await);
    assert_eq!((won.len(), refused), (1, BTreeMap::from([(refusal(409, "ALREADY_CHECKED_IN"), RACERS - 1)])));
    assert_eq!(won[0]["attributes"]["date"], berlin().date(service.moment()).to_string());
    let answers = race(RACERS, |_| {
        let ada = ada.clone();
        async move { ada.check_out().await }
    });
    let (left, refused) = tally(answers.await);
    assert_eq!((left.len(), refused), (1, BTreeMap::from([(refusal(409, "ALREADY_CHECKED_OUT"), RACERS - 1)])));
    assert_eq!(left[0]["id"], won[0]["id"]);
    let mut database = service.database();
    assert_eq!(database.count("attendances"), 1);
    let events = ["attendance_checked_in", "attendance_checked_out"].map(|name| database.audited(name));
    assert_eq!(events, [1, 1]);
}

#[tokio::test]
async fn g02_one_check_in_sent_again_and_again_is_answered_alike() {
    let service = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    for (route, status) in [("/attendance/in", 201), ("/attendance/out", 200)] {
        let ask = || {
            let call = ada.call(Method::POST, route).header("idempotency-key", "today");
            async move { call.send().await.ok(status) }
        };
        let (won, refused) = tally(race(RACERS, |_| ask()).await);
        assert!(!won.is_empty() && won.iter().all(|reply| reply.text == won[0].text));
        let under_way = BTreeMap::from([(refusal(409, "IDEMPOTENCY_IN_PROGRESS"), RACERS - won.len())]);
        assert_eq!(refused, under_way.into_iter().filter(|(_, times)| *times > 0).collect());
        assert_eq!(ask().await.unwrap().text, won[0].text);
        // Not without the proof that it took.
        let unproved = ada.without_proof().call(Method::POST, route).header("idempotency-key", "today").send().await;
        assert_eq!(unproved.refusal(), refusal(403, "MFA_REQUIRED"));
    }
    assert_eq!(service.database().count("attendances"), 1);
}
