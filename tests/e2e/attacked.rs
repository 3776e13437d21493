//! Attacks that once succeeded.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::support::{PASSWORD, Service, refusal};

const ADA: &str = "ada@example.org";

/// `keystead user ban` runs in a process of its own, whose clock may be behind the service's: a machine's clock steps
/// back, and that of `keystead dev` is moved ahead by hand. The service must not have read past the ban.
#[tokio::test]
async fn g05_a_ban_counts_though_its_clock_is_behind_the_newest_revocation() {
    let service = Service::start().await;
    service.registered(ADA).await;
    service.advance(Duration::from_secs(100)).await;
    let banned = service.native().login(ADA, PASSWORD).await.unwrap();
    service.native().login(ADA, PASSWORD).await.unwrap().log_out().await.unwrap();
    // A step after which the log must be read anew: once the service is ready again it knows the row of the logout.
    service.advance(Duration::from_secs(2)).await;
    service.ready().await;
    service.other_process().await.operator.set_banned(ADA, true).await.unwrap();
    banned.refused_within_a_second().await;
}

/// Any identifier that begins with one's own session can be revoked, and every revocation costs a row and memory: without
/// a limit one account fills both.
#[tokio::test]
async fn one_account_cannot_fill_the_revocation_log() {
    let service = Service::builder().default_limits().start().await;
    let ada = service.registered(ADA).await;
    let made_up = |n: u32| format!("{}.made-up-{n}", ada.session_id());
    let limit = keystead_domain::limits::TOKEN_REVOKE.limit;
    for n in 0..limit {
        ada.revoke_token(&made_up(n)).await.unwrap();
    }
    assert_eq!(ada.revoke_token(&made_up(limit)).await, Err(refusal(429, "ACCOUNT_LIMITED")));
    assert_eq!(service.database().count("revocations"), i64::from(limit));
    ada.verify().await.unwrap();
}

/// The audit log is never cut, so one account must not be able to write to it without end.
#[tokio::test]
async fn one_account_cannot_fill_the_audit_log() {
    let service = Service::builder().default_limits().start().await;
    let ada = service.registered(ADA).await;
    let limit = keystead_domain::limits::PROFILE_CHANGE.limit;
    for n in 0..limit {
        ada.update_profile(&json!({ "fullName": format!("Ada {n}") })).await.unwrap();
    }
    let one_more = ada.update_profile(&json!({ "fullName": "Ada" })).await;
    assert_eq!(one_more, Err(refusal(429, "ACCOUNT_LIMITED")));
    assert_eq!(service.database().audited("user_updated"), i64::from(limit));
}

/// A pre-authorized token counts only with the client id it belongs to. The answer of a resend holds that client id, so
/// whoever has the token alone must not get the answer repeated.
#[tokio::test]
async fn a_repeated_answer_needs_the_client_id_too() {
    let service = Service::start().await;
    let half_way = service.browser().register(ADA, PASSWORD).await.unwrap();
    let (key, body) = (("idempotency-key", "key-1"), json!({ "method": "email" }));
    let resend = |client_id: Option<&str>| {
        let call = half_way.client.call(Method::POST, "/auth/login/otp").bearer(&half_way.token).header(key.0, key.1);
        let call = client_id.into_iter().fold(call, |call, id| call.cookie("keystead-client", id));
        call.json(&body).send()
    };
    let first = resend(Some(&half_way.client_id)).await.ok(202).unwrap();
    assert_eq!(resend(Some(&half_way.client_id)).await.ok(202).unwrap().text, first.text);
    for thief in [None, Some("guess")] {
        assert_eq!(resend(thief).await.refusal(), refusal(401, "FINGERPRINT_MISMATCH"));
    }
}
