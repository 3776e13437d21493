//! Linking in a session, and unlinking.

use std::time::Duration;

use super::provider::Account;
use super::{come, start};
use crate::support::refusal;

#[tokio::test]
async fn an_account_elsewhere_is_linked_and_unlinked_in_a_session() {
    let (service, provider) = start().await;
    let ada = service.registered("ada@example.com").await;
    let account = Account::new("ada", "another@example.com");
    let back = provider.visit(&ada.begin_link("idp").await.unwrap(), &account).await;
    let ada = ada.complete_link("idp", &back).await.unwrap();
    assert_eq!(ada.linked().await.unwrap(), ["idp"]);
    let elsewhere = come(&service.browser(), provider, &account).await.unwrap().signed_in();
    assert_eq!(elsewhere.user_id(), ada.user_id());
    let ada = ada.unlink("idp").await.unwrap();
    assert_eq!(ada.linked().await.unwrap(), Vec::<String>::new());
    elsewhere.refused().await;
    assert_eq!(ada.unlink("idp").await.unwrap_err(), refusal(404, "NOT_FOUND"));
    // Somebody new: the address is nobody's.
    let stranger = come(&service.native(), provider, &account).await.unwrap().signed_in();
    assert_ne!(stranger.user_id(), ada.user_id());
}

#[tokio::test]
async fn a_link_takes_a_fresh_sign_in_or_the_factor_and_its_own_session() {
    let (service, provider) = start().await;
    let (ada, _) = service.enrolled("ada@example.com").await;
    assert_eq!(ada.without_proof().begin_link("idp").await.unwrap_err(), refusal(403, "MFA_REQUIRED"));
    let grace = service.registered("grace@example.com").await;
    let back = provider.visit(&grace.begin_link("idp").await.unwrap(), &Account::new("g", "g@example.com")).await;
    assert_eq!(ada.complete_link("idp", &back).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
    assert_eq!(grace.complete_link("idp", &back).await.unwrap_err(), refusal(401, "SOCIAL_INVALID"));
    service.advance(Duration::from_secs(301)).await;
    assert_eq!(grace.begin_link("idp").await.unwrap_err(), refusal(403, "REAUTH_REQUIRED"));
    assert_eq!(grace.unlink("idp").await.unwrap_err(), refusal(403, "REAUTH_REQUIRED"));
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let (service, provider) = start().await;
    let account = Account::new("ada", "ada@example.com");
    let ada = come(&service.native(), provider, &account).await.unwrap().signed_in();
    assert_eq!(ada.unlink("idp").await.unwrap_err(), refusal(409, "LAST_WAY_IN"));
    // Another one opens the account, too.
    let back = provider.visit(&ada.begin_link("other").await.unwrap(), &account).await;
    let ada = ada.complete_link("other", &back).await.unwrap();
    let ada = ada.unlink("idp").await.unwrap();
    assert_eq!(ada.linked().await.unwrap(), ["other"]);
    assert_eq!(ada.unlink("other").await.unwrap_err(), refusal(409, "LAST_WAY_IN"));
}
