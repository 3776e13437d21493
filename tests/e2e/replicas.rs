//! What one replica knows, the others know: nothing that holds in one process stops holding in two. On a SQLite file the
//! same tests run with one process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keystead_testkit::race::race;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::single_use::wrong;
use crate::support::{Api, PASSWORD, PROMISED, Refusal, Service, SignedIn, refusal, report, tally};

/// Requests at once, half of them at each replica.
const RACERS: usize = 64;
/// Races of a kind; `cargo xtask prove` runs a hundred.
const ROUNDS: usize = 3;
const NEW: &str = "copper-violin-meadow-17";

/// All but one were refused with this, and none failed for another reason.
#[track_caller]
fn assert_one_winner<T>(answers: Vec<Result<T, Refusal>>, code: &str) -> T {
    let (mut won, refused) = tally(answers);
    assert_eq!((won.len(), refused), (1, BTreeMap::from([(refusal(401, code), RACERS - 1)])));
    won.remove(0)
}

#[tokio::test]
async fn g03_one_refresh_token_raced_for_rotates_once() {
    let service = Service::start().await;
    let mut ada = service.registered("ada@example.com").await;
    for round in 1..=2 * ROUNDS {
        let answers = race(RACERS, |_| {
            let ada = ada.clone();
            async move { ada.refresh().await }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!((won.len(), refused), (RACERS, BTreeMap::new()));
        assert!(won.iter().all(|next| next.refresh == won[0].refresh && next.refresh != ada.refresh));
        assert_eq!(service.database().generation(ada.session_id()), i64::try_from(round + 1).unwrap());
        ada = won[round].clone();
        ada.verify().await.unwrap();
    }
}

#[tokio::test]
async fn g02_one_code_raced_for_verifies_once() {
    let service = Service::start().await;
    for round in 0..ROUNDS {
        let email = format!("ada{round}@example.com");
        let half_way = service.native().register(&email, PASSWORD).await.unwrap();
        let code = service.code(&email).await;
        let answers = race(RACERS, |_| {
            let (half_way, code) = (half_way.clone(), code.clone());
            async move { half_way.verify(&code).await }
        });
        assert_one_winner(answers.await, "CODE_INVALID").verify().await.unwrap();
    }
    let mut database = service.database();
    assert_eq!((database.sessions(), database.audited("user_created")), (ROUNDS, i64::try_from(ROUNDS).unwrap()));
}

#[tokio::test]
async fn g02_one_link_raced_for_begins_one_reset() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    for round in 1..=ROUNDS {
        ada.client.forgot("ada@example.com").await.unwrap();
        let link = service.link_tokens("ada@example.com", round).await.remove(round - 1);
        let answers = race(RACERS, |_| {
            let (client, link) = (service.native(), link.clone());
            async move { client.begin_reset(&link).await }
        });
        assert_one_winner(answers.await, "LINK_INVALID");
    }
}

#[tokio::test]
async fn g02_one_address_raced_for_becomes_one_account() {
    let service = Service::start().await;
    for round in 0..ROUNDS {
        let email = format!("ada{round}@example.com");
        let wish = |racer: usize| json!({ "email": email, "fullName": format!("Racer {racer}"), "password": PASSWORD });
        let answers = race(RACERS, |racer| {
            let (client, wish) = (service.native(), wish(racer));
            async move { client.register_with(&wish).await }
        });
        let (claims, refused) = tally(answers.await);
        assert_eq!((claims.len(), refused), (RACERS, BTreeMap::new()));
        let mails = service.mails_about(&email, "Confirm", RACERS).await;
        let code_of = |racer: usize| {
            let mail = mails.iter().find(|mail| mail.text.contains(&format!("Hello Racer {racer},")));
            mail.unwrap().code().unwrap()
        };
        let answers = race(RACERS, |racer| {
            let (claim, code) = (claims[racer].clone(), code_of(racer));
            async move { claim.verify(&code).await }
        });
        assert_one_winner(answers.await, "CODE_INVALID").profile().await.unwrap();
        assert_eq!(service.database().count("users"), i64::try_from(round + 1).unwrap());
    }
    assert_eq!(service.database().count("pending_registrations"), 0);
}

/// Everything somebody can do at once to one account, in every order: each waits for the others' rows, and none in a
/// circle (the harness looks for deadlocks in PostgreSQL's log).
#[tokio::test]
async fn g02_changes_of_one_account_at_once_fail_for_no_reason_but_each_other() {
    let service = Service::start().await;
    for round in 0..ROUNDS {
        let email = format!("ada{round}@example.com");
        let ada = service.registered(&email).await;
        let browser = service.browser().login(&email, PASSWORD).await.unwrap();
        ada.client.forgot(&email).await.unwrap();
        let link = service.link_tokens(&email, 1).await.remove(0);
        let answers = race(RACERS / 2, |racer| {
            let (ada, browser, link, email) = (ada.clone(), browser.clone(), link.clone(), email.clone());
            async move {
                match racer % 8 {
                    0 => ada.change_password(PASSWORD, NEW).await.map(drop),
                    1 => ada.refresh().await.map(drop),
                    2 => browser.refresh().await.map(drop),
                    3 => ada.client.login(&email, PASSWORD).await.map(drop),
                    4 => ada.client.begin_reset(&link).await.map(drop),
                    5 => ada.client.forgot(&email).await,
                    6 => browser.log_out().await,
                    _ => ada.update_profile(&json!({ "fullName": format!("Racer {racer}") })).await.map(drop),
                }
            }
        });
        let (_, refused) = tally(answers.await);
        assert!(refused.keys().all(|refusal| matches!(refusal.status, 401 | 403)), "{refused:?}");
    }
}

/// Asks `there` every 10 ms with somebody's token while something happens that ends it. How long after that was done
/// the last request began that was still accepted.
async fn lag(watched: &SignedIn, there: &Api, change: impl Future<Output = ()>) -> Duration {
    let watched = watched.through(there);
    let (tell, told) = watch::channel(None::<Instant>);
    let (accepted_once, accepts) = oneshot::channel();
    let probing = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let (mut accepted_once, mut last, mut refused) = (Some(accepted_once), Duration::ZERO, 0);
        // Twenty refusals in a row: it is over, and stays so.
        while refused < 20 {
            ticks.tick().await;
            let began = Instant::now();
            let accepted = watched.verify().await.is_ok();
            let since = told.borrow().map(|at| began.saturating_duration_since(at));
            match (accepted, since) {
                (true, None) => drop(accepted_once.take().map(|first| first.send(()))),
                (true, Some(since)) => {
                    assert!(since < PROMISED, "accepted {since:?} after it was revoked");
                    (last, refused) = (since, 0);
                }
                (false, _) => refused += 1,
            }
        }
        last
    });
    accepts.await.expect("it is accepted before it ends");
    change.await;
    tell.send(Some(Instant::now())).unwrap();
    probing.await.unwrap()
}

/// What ends an access token.
const ENDS: [&str; 8] =
    ["logout", "logout everywhere", "end session", "revoke token", "password", "reset", "ban", "closing"];

/// Makes a change at a replica that ends the token of `watched`.
async fn end(service: &Service, at: &Api, what: &str, email: &str, own: &SignedIn, watched: &SignedIn) {
    let (own, watched) = (own.through(at), watched.through(at));
    match what {
        "logout" => watched.log_out().await.unwrap(),
        "logout everywhere" => own.log_out_everywhere().await.unwrap(),
        "end session" => own.end_session(watched.session_id()).await.unwrap(),
        "revoke token" => own.revoke_token(&watched.token_id).await.unwrap(),
        "password" => drop(own.change_password(PASSWORD, NEW).await.unwrap()),
        "reset" => {
            own.client.forgot(email).await.unwrap();
            let link = service.link_tokens(email, 1).await.remove(0);
            own.client.begin_reset(&link).await.unwrap().reset(NEW).await.unwrap();
        }
        "ban" => drop(service.other_process().await.operator.set_banned(email, true).await.unwrap()),
        "closing" => own.close_account().await.unwrap(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g04_g05_what_one_replica_ends_every_other_refuses_within_a_second() {
    let service = Service::start().await;
    let replicas = service.api().each();
    let mut lags = BTreeMap::new();
    for (nth, at) in replicas.iter().enumerate() {
        let there = &replicas[(nth + 1) % replicas.len()];
        for what in ENDS {
            let email = format!("{}{nth}@example.com", what.replace(' ', "-"));
            let own = service.registered(&email).await;
            let watched = service.native().login(&email, PASSWORD).await.unwrap();
            let lag = lag(&watched, there, end(&service, at, what, &email, &own, &watched)).await;
            let longest: &mut Duration = lags.entry(what).or_default();
            *longest = lag.max(*longest);
        }
    }
    let (what, largest) = lags.iter().max_by_key(|(_, lag)| **lag).unwrap();
    report(&format!("g05: largest lag {largest:?} ({what}) of {lags:?}"));
}

#[tokio::test]
async fn g15_two_workers_send_every_mail_once() {
    const MAILS: usize = 100;
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    let answers = race(MAILS, |_| {
        let client = ada.client.clone();
        async move { client.forgot("ada@example.com").await }
    });
    let (promised, refused) = tally(answers.await);
    assert_eq!((promised.len(), refused), (MAILS, BTreeMap::new()));
    service.mail_settled().await;
    let mut links = Vec::new();
    let mut shares = Vec::new();
    for replica in service.api().each() {
        let page = replica.get("/dev/mail?filter[to]=ada%40example.com").await.ok(200).unwrap().json();
        let texts = page["data"].as_array().unwrap().iter().filter_map(|mail| mail["attributes"]["text"].as_str());
        let mine: Vec<String> = texts
            .filter_map(|text| Some(text.split_once("#token=")?.1.split_whitespace().next()?.to_owned()))
            .collect();
        shares.push(mine.len());
        links.extend(mine);
    }
    let distinct: BTreeSet<&String> = links.iter().collect();
    assert_eq!((links.len(), distinct.len()), (MAILS, MAILS), "sent by each: {shares:?}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_from_any_replica() {
    let service = Service::start().await;
    let (a, b) = (service.replica(0), service.replica(1));
    let first = service.registered("ada@example.com").await.through(&a);
    let second = service.browser().through(&b).login("ada@example.com", PASSWORD).await.unwrap();
    for at in [&a, &b] {
        let listed = first.through(at).sessions().await.unwrap();
        let ids: BTreeSet<&str> = listed.iter().map(|session| session["id"].as_str().unwrap()).collect();
        assert_eq!(ids, BTreeSet::from([first.session_id(), second.session_id()]));
    }
    first.end_session(second.session_id()).await.unwrap();
    assert_eq!(second.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
    assert_eq!(second.through(service.api()).refused().await, refusal(401, "TOKEN_REVOKED"));
    assert_eq!(first.through(&b).sessions().await.unwrap().len(), 1);
    first.through(&b).end_all_sessions().await.unwrap();
    assert_eq!(first.refresh().await.unwrap_err(), refusal(401, "SESSION_ENDED"));
}

#[tokio::test]
async fn g02_a_request_is_repeated_at_another_replica() {
    let service = Service::start().await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let register = |at: &Api, body: &Value| {
        let call = service.native().through(at).call(Method::POST, "/auth/register");
        call.header("idempotency-key", "key-1").json(body).send()
    };
    let first = register(&service.replica(0), &body).await.ok(201).unwrap();
    let again = register(&service.replica(1), &body).await.ok(201).unwrap();
    assert_eq!(again.text, first.text);
    let other = json!({ "email": "bob@example.com", "password": PASSWORD });
    let reused = register(&service.replica(1), &other).await;
    assert_eq!(reused.refusal(), refusal(422, "IDEMPOTENCY_KEY_REUSED"));
    service.mail_settled().await;
    assert_eq!(service.codes("ada@example.com", 1).await.len(), 1);
    assert_eq!(service.database().count("pending_registrations"), 1);
}

#[tokio::test]
async fn limits_are_counted_over_all_replicas() {
    let service = Service::builder().default_limits().behind_a_proxy().start().await;
    let limit = usize::try_from(keystead_domain::limits::REGISTER.limit).unwrap();
    let register = |nth: usize| {
        let client = service.native().at("192.0.2.1").through(&service.replica(nth));
        async move { client.register(&format!("ada{nth}@example.com"), PASSWORD).await }
    };
    let (won, refused) = tally(race(4 * limit, register).await);
    assert_eq!((won.len(), refused), (limit, BTreeMap::from([(refusal(429, "RATE_LIMITED"), 3 * limit)])));
}

#[tokio::test]
async fn g09_tries_of_a_code_are_counted_over_all_replicas() {
    let service = Service::start().await;
    for (tries, dies) in [(4, false), (5, true)] {
        let email = format!("ada{tries}@example.com");
        let half_way = service.native().register(&email, PASSWORD).await.unwrap();
        let code = service.code(&email).await;
        for nth in 0..tries {
            let refused = half_way.through(&service.replica(nth)).verify(&wrong(&code)).await.unwrap_err();
            assert_eq!(refused, refusal(401, "CODE_INVALID"));
        }
        let right = half_way.through(&service.replica(tries)).verify(&code).await;
        assert_eq!(right.is_err(), dies, "after {tries}");
    }
}
