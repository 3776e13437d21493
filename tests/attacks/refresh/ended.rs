//! R07 and R08: sessions that are over are not refreshed, and none lives longer than it may.

use std::time::Duration;

use keystead_domain::account::Role;

use crate::attacks::ends::End;
use crate::attacks::support::Digest;
use crate::support::{Kind, PASSWORD, Service, refusal};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

#[tokio::test]
async fn r07_a_session_that_is_over_is_not_refreshed() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    for (nth, end) in End::ALL.into_iter().enumerate() {
        let email = format!("ada{nth}@example.com");
        let own = service.registered(&email).await;
        let kind = if nth % 2 == 0 { Kind::Browser } else { Kind::Native };
        let watched = service.client(kind).login(&email, PASSWORD).await.unwrap();
        let rotated = watched.refresh().await.unwrap();
        end.happen(&service, &service.replica(nth), &boss, &own, &rotated, &email).await;
        if !end.ends_sessions() {
            rotated.refresh().await.unwrap_or_else(|refused| panic!("{end:?} ends no session: {refused:?}"));
            continue;
        }
        assert_eq!(rotated.refused_within_a_second().await, refusal(401, "TOKEN_REVOKED"), "{end:?}");
        let before = Digest::of(&service).await;
        for token in [&rotated, &watched] {
            for replica in service.api().each() {
                let refused = token.through(&replica).refresh().await.unwrap_err();
                assert_eq!(refused.status, 401, "{end:?}");
                let told = ["SESSION_ENDED", "REFRESH_INVALID", "REFRESH_EXPIRED"].contains(&refused.code.as_str());
                assert!(told, "{end:?}: {refused:?}");
                if kind == Kind::Browser {
                    let page = token.through(&replica).exchange().await.unwrap_err();
                    assert_eq!(page.status, 401, "{end:?}");
                }
            }
        }
        before.is_still_that_of_but_for(&service, &[]).await;
    }
    boss.refresh().await.unwrap().verify().await.unwrap();
}

#[tokio::test]
async fn r08_a_session_that_is_refreshed_every_hour_ends_after_fifteen_days() {
    let service = Service::start().await;
    let began = service.now();
    let mut ada = service.registered_at(&service.browser(), "ada@example.com").await;
    for hour in 1..15 * 24 {
        service.advance(Duration::from_secs(HOUR)).await;
        ada = ada.refresh().await.unwrap_or_else(|refused| panic!("hour {hour}: {refused:?}"));
        let exp = ada.claims()["exp"].as_u64().unwrap();
        // The seconds the test takes.
        assert!(exp <= began + 15 * DAY + 120, "hour {hour}: a token lives longer than its session");
    }
    service.advance(Duration::from_secs(HOUR + 1)).await;
    let refused = ada.refresh().await.unwrap_err();
    assert_eq!(refused, refusal(401, "REFRESH_EXPIRED"));
    let before = Digest::of(&service).await;
    for replica in service.api().each() {
        assert_eq!(ada.through(&replica).refresh().await.unwrap_err().status, 401, "and it stays so");
        assert_eq!(ada.through(&replica).verify().await.unwrap_err(), refusal(401, "TOKEN_EXPIRED"));
    }
    before.is_still_that_of_but_for(&service, &[]).await;
}

#[tokio::test]
async fn r08_a_session_nobody_refreshes_ends_after_seven_days() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    service.advance(Duration::from_secs(7 * DAY - 60)).await;
    let ada = ada.refresh().await.expect("a minute before");
    service.advance(Duration::from_secs(7 * DAY + 1)).await;
    assert_eq!(ada.refresh().await.unwrap_err(), refusal(401, "REFRESH_EXPIRED"));
    let before = Digest::of(&service).await;
    assert_eq!(ada.refresh().await.unwrap_err().status, 401, "which is no use of it");
    before.is_still_that_of_but_for(&service, &[]).await;
}
