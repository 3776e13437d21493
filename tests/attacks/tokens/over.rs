//! J13: what ends a token ends it on every replica within a second.

use std::time::Duration;

use keystead_domain::account::Role;
use serde_json::json;

use crate::attacks::ends::End;
use crate::attacks::support::Digest;
use crate::support::{Kind, PASSWORD, Service, refusal};

#[tokio::test]
async fn j13_whatever_ends_a_token_ends_it_everywhere() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    for (nth, end) in End::ALL.into_iter().enumerate() {
        let email = format!("ada{nth}@example.com");
        let own = service.registered(&email).await;
        let kind = if nth % 2 == 0 { Kind::Native } else { Kind::Browser };
        let watched = service.client(kind).login(&email, PASSWORD).await.unwrap();
        for replica in service.api().each() {
            watched.through(&replica).verify().await.expect("it counts, and is remembered as one that does");
        }
        end.happen(&service, &service.replica(nth), &boss, &own, &watched, &email).await;
        assert_eq!(watched.refused_within_a_second().await, refusal(401, "TOKEN_REVOKED"), "{end:?}");
        let before = Digest::of(&service).await;
        for replica in service.api().each() {
            let there = watched.through(&replica);
            let wish = json!({ "fullName": "Mallory" });
            assert_eq!(there.update_profile(&wish).await, Err(refusal(401, "TOKEN_REVOKED")), "{end:?}");
            assert_eq!(there.profile().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"), "{end:?}, and it stays so");
        }
        before.is_still_that_of(&service).await;
    }
    boss.verify().await.unwrap();
}

/// It stays so when the service forgets what it remembered, and as long as the token would have lived.
#[tokio::test]
async fn j13_a_revocation_outlives_a_restart_and_the_token() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let watched = service.native().login("ada@example.com", PASSWORD).await.unwrap();
    ada.revoke_token(&watched.token_id).await.unwrap();
    let service = service.restart().await;
    service.ready().await;
    let watched = watched.through(service.api());
    assert_eq!(watched.verify().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
    service.advance(Duration::from_secs(19 * 60)).await;
    service.ready().await;
    for replica in service.api().each() {
        assert_eq!(watched.through(&replica).verify().await.unwrap_err(), refusal(401, "TOKEN_REVOKED"));
    }
}
