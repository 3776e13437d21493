//! R09: tokens nobody issued, tokens in a stolen store, and claims that were true once.

use std::time::Duration;

use keystead_api_actix::config::Config;
use keystead_domain::account::Role;
use keystead_domain::limits::REQUESTS;
use reqwest::Method;
use serde_json::json;

use crate::at_rest::{contains, forms, hex};
use crate::attacks::support::{Digest, assert_refused};
use crate::support::{Service, SignedIn};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Of 2 to the 256th.
const GUESSES: usize = 500;

/// splitmix64, so that every run tries the same.
fn scatter(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What whoever has one token would try.
fn guesses(good: &str, others: &str) -> Vec<String> {
    let parts: Vec<&str> = good.strip_prefix("ksr_").unwrap().split('.').collect();
    let [key, session, generation, mac] = parts[..] else { panic!("{} parts", parts.len()) };
    let other_session = others.split('.').nth(1).unwrap();
    let next = (generation.parse::<u64>().unwrap() + 1).to_string();
    let swapped: String = mac.chars().rev().collect();
    let mut tried = vec![
        String::new(),
        "ksr_".into(),
        "ksr_...".into(),
        good[4..].to_owned(),
        good.to_uppercase(),
        format!("{good}="),
        format!("{good} "),
        format!("{good}."),
        format!(" {good}"),
        good[..good.len() - 1].to_owned(),
        format!("ksr_{key}.{session}.{next}.{mac}"),
        format!("ksr_{key}.{session}.0.{mac}"),
        format!("ksr_{key}.{session}.-1.{mac}"),
        format!("ksr_{key}.{session}.+{generation}.{mac}"),
        format!("ksr_{key}.{session}.0{generation}.{mac}"),
        format!("ksr_{key}.{session}.99999999999999999999.{mac}"),
        format!("ksr_{key}.{session}.{generation}.{swapped}"),
        format!("ksr_{key}.{session}.{generation}."),
        format!("ksr_{session}.{key}.{generation}.{mac}"),
        format!("ksr_nokey.{session}.{generation}.{mac}"),
        // Of somebody else's session.
        format!("ksr_{key}.{other_session}.{generation}.{mac}"),
    ];
    let mut seed = 7;
    for _ in 0..GUESSES {
        let guess: String =
            (0..mac.len()).map(|_| char::from(ALPHABET[usize::try_from(scatter(&mut seed) % 64).unwrap()])).collect();
        tried.push(format!("ksr_{key}.{session}.{generation}.{guess}"));
    }
    tried
}

#[tokio::test]
async fn r09_guessed_tokens_change_nothing() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let bob = service.registered("bob@example.com").await;
    let before = Digest::of(&service).await;
    let tried = guesses(&ada.refresh, &bob.refresh);
    for token in &tried {
        let thief = SignedIn { refresh: token.clone(), ..ada.clone() };
        assert_refused(token, &thief.refresh_reply().await, 401, "REFRESH_INVALID");
    }
    // As a credential of logout they end nothing either.
    let plain = |token: &&String| token.trim() == **token && token.len() > 40;
    for token in tried.iter().filter(plain).take(40) {
        let reply = service.native().call(Method::POST, "/auth/logout?all=true").bearer(token).send().await;
        assert!(reply.status == 204 || reply.status == 401, "{token}: {}", reply.text);
    }
    before.is_still_that_of_but_for(&service, &[]).await;
    for person in [ada, bob] {
        person.refresh().await.unwrap().verify().await.unwrap();
    }
}

/// Whoever guesses is stopped at their address; the one whose tokens they guess is elsewhere, and goes on.
#[tokio::test]
async fn r09_guesses_are_counted_by_address() {
    const MOST: u16 = 30;
    let few = |config: &mut Config| {
        let own = config.limits.policies.iter_mut().find(|own| own.name == REQUESTS.name).unwrap();
        // None comes back while the test lasts.
        (own.limit, own.window) = (MOST.into(), Duration::from_hours(MOST.into()));
    };
    let service = Service::builder().default_limits().behind_a_proxy().configured(few).start().await;
    let ada = service.registered_at(&service.native().at("192.0.2.1"), "ada@example.com").await;
    let bob = service.registered_at(&service.native().at("192.0.2.2"), "bob@example.com").await;
    let before = Digest::of(&service).await;
    let thief = SignedIn { client: service.native().at("198.51.100.7"), ..ada.clone() };
    for (nth, token) in guesses(&ada.refresh, &bob.refresh).iter().take(2 * usize::from(MOST)).enumerate() {
        let reply = SignedIn { refresh: token.clone(), ..thief.clone() }.refresh_reply().await;
        if nth < usize::from(MOST) {
            assert_refused(token, &reply, 401, "REFRESH_INVALID");
        } else {
            assert_refused(token, &reply, 429, "RATE_LIMITED");
            assert!(reply.header("retry-after").is_some(), "{reply:?}");
        }
    }
    // Not even the right one is looked at there.
    assert_refused("the right one", &thief.refresh_reply().await, 429, "RATE_LIMITED");
    before.is_still_that_of_but_for(&service, &[]).await;
    for person in [ada, bob] {
        person.refresh().await.unwrap().verify().await.unwrap();
    }
}

#[tokio::test]
async fn r09_a_stolen_store_holds_no_token() {
    let service = Service::start().await;
    let mut ada = service.registered("ada@example.com").await;
    let mut tokens = vec![ada.refresh.clone()];
    for _ in 0..3 {
        ada = ada.refresh().await.unwrap();
        tokens.push(ada.refresh.clone());
    }
    service.mail_settled().await;
    let mut database = service.database();
    let (bytes, rows) = (database.bytes(), database.dump(&[]));
    assert!(contains(&bytes, ada.session_id().as_bytes()), "the session is there");
    for token in &tokens {
        let mac = token.rsplit_once('.').unwrap().1;
        for form in [token, mac].into_iter().flat_map(forms) {
            assert!(!contains(&bytes, &form), "a token in clear");
            let digits = hex(&form);
            assert!(!rows.values().flatten().any(|row| row.contains(&digits)), "a token in clear, in a row");
        }
    }
    // With everything that is stored of her session nobody makes a token: its parts are known, its mac is not.
    let parts: Vec<&str> = ada.refresh.split('.').collect();
    let row = rows["sessions"].iter().find(|row| row.contains(ada.session_id())).unwrap();
    let words = row.split(['=', ' ', '\'']).filter(|word| word.len() > 20).map(str::to_owned);
    let before = Digest::of(&service).await;
    for word in words {
        let forged = format!("{}.{}.{}.{word}", parts[0], parts[1], parts[2]);
        let reply = service.native().call(Method::POST, "/auth/refresh").header("keystead-client-id", &ada.client_id);
        let reply = reply.json(&json!({ "refreshToken": forged })).send().await;
        assert_refused(&forged, &reply, 401, "REFRESH_INVALID");
    }
    before.is_still_that_of_but_for(&service, &[]).await;
}

#[tokio::test]
async fn r09_a_refreshed_token_says_what_is_true_now() {
    let service = Service::start().await;
    let boss = service.administrator(Role::SuperAdmin).await;
    let mut ada = service.registered("ada@example.com").await;
    for role in [Role::Admin, Role::User] {
        boss.set_role(&ada.user_id(), role).await.unwrap();
        ada.refused_within_a_second().await;
        for replica in service.api().each() {
            ada = ada.through(&replica).refresh().await.unwrap();
            assert_eq!(ada.claims()["role"], role.as_str(), "the role of before is not kept");
            assert_eq!(ada.verify().await.unwrap()["role"], role.as_str());
        }
    }
}
