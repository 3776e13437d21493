//! Redis slow, frozen, cut off, killed, emptied: errors come soon, and all is well again without a restart.

use std::sync::Arc;
use std::time::Duration;

use keystead_adapters_redis::RedisLink;
use keystead_application::ports::{
    CeremonyKey, CeremonyKind, CeremonyStore, EphemeralError, RateHit, RateLimiter, RevocationFeed, Rotation,
    SessionStore,
};
use keystead_application::testing::{START, a_presentation, a_revocation, a_session, after, session_number};
use keystead_domain::limits;
use keystead_domain::token::{EndReason, Presented};
use keystead_test_servers::{Proxy, Redis};
use keystead_testkit::race::race;

use crate::opening::exercise;
use crate::servers::{self, recovered, timed};

/// No request waits longer for Redis.
const LONGEST: Duration = Duration::from_secs(2);

fn code() -> CeremonyKey {
    CeremonyKey { kind: CeremonyKind::Code, id: "a".into() }
}

fn hit() -> RateHit {
    RateHit { key: "a".into(), policy: limits::LOGIN }
}

/// One call of every port at once: the error of each, and how long the slowest took.
async fn all_fail(link: &RedisLink) -> Duration {
    let (sessions, ceremonies, limiter) = (link.sessions(), link.ceremonies(), link.rate_limiter());
    let feed = link.revocation_feed("f".into());
    let user = a_session().user_id;
    let all = async {
        tokio::join!(
            async { sessions.find(&a_session().id, START).await.map(drop) },
            async { sessions.insert(&session_number(9)).await },
            async { sessions.list(user, START).await.map(drop) },
            async { sessions.end_all(user, None, EndReason::LoggedOut, START).await.map(drop) },
            async { ceremonies.take(&code(), START).await.map(drop) },
            async { limiter.hit(&[hit()], START).await.map(drop) },
            async { feed.publish(&[a_revocation()]).await },
            async { link.ping().await },
        )
    };
    let (answers, took) = timed(all).await;
    let answers: [Result<(), EphemeralError>; 8] = answers.into();
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    took
}

/// A frozen Redis accepts connections and answers nothing.
#[tokio::test]
async fn a_frozen_redis_fails_soon_and_recovers() {
    let server = Redis::start().unwrap();
    let link = servers::open(&servers::hurried(server.port()));
    exercise(&link).await;
    server.freeze();
    for _ in 0..4 {
        let took = all_fail(&link).await;
        assert!(took < LONGEST, "{took:?}");
    }
    server.thaw();
    recovered(async || link.rate_limiter().hit(&[hit()], START).await).await;
    assert!(link.sessions().find(&a_session().id, START).await.unwrap().is_some());
}

/// A Redis behind a network that drops everything, and then behind none at all.
#[tokio::test]
async fn a_black_hole_fails_soon_and_recovers() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let link = servers::open(&servers::hurried(proxy.port()));
    exercise(&link).await;
    proxy.black_hole().unwrap();
    for _ in 0..3 {
        let took = all_fail(&link).await;
        assert!(took < LONGEST, "{took:?}");
    }
    proxy.pass().unwrap();
    recovered(async || link.ping().await).await;
    proxy.refuse().unwrap();
    all_fail(&link).await;
    proxy.pass().unwrap();
    recovered(async || link.ping().await).await;
    assert!(link.sessions().find(&a_session().id, START).await.unwrap().is_some());
}

/// While Redis is away few of many calls try to reach it, and none waits for more than one try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_not_hammered() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let link = Arc::new(servers::open(&servers::hurried(proxy.port())));
    proxy.black_hole().unwrap();
    assert!(link.ping().await.is_err());
    for _ in 0..3 {
        let before = proxy.accepted();
        let failed = race(200, |_| {
            let link = Arc::clone(&link);
            async move { timed(link.ping()).await }
        })
        .await;
        assert!(failed.iter().all(|(answer, took)| answer.is_err() && *took < LONGEST));
        assert!(proxy.accepted() <= before + 1, "one attempt for all");
        // One of them after another: they end long before the next attempt is due.
        let before = proxy.accepted();
        for _ in 0..20 {
            assert!(link.ping().await.is_err());
        }
        assert!(proxy.accepted() <= before + 1, "no attempt right after one that failed");
    }
}

/// Killed and started again empty: what it held is gone, and nothing else is wrong.
#[tokio::test]
async fn a_restarted_redis_is_used_again() {
    let server = Redis::start().unwrap();
    let link = servers::open(&servers::on(server.port()));
    exercise(&link).await;
    let feed = link.revocation_feed("f".into());
    let before = feed.read(None, Duration::ZERO).await.unwrap();
    server.kill();
    assert!(link.ping().await.is_err());
    server.restart().unwrap();
    recovered(async || link.ping().await).await;
    assert_eq!(link.sessions().find(&a_session().id, START).await.unwrap(), None);
    let rotation = Rotation { session: a_session().id, shown: a_presentation(2, after(2)) };
    assert_eq!(link.sessions().rotate(&rotation).await.unwrap(), None);
    let after_it = feed.read(Some(before.cursor), Duration::ZERO).await.unwrap();
    assert_ne!(after_it.feed_id, before.feed_id);
    exercise(&servers::open(&servers::on(server.port()))).await;
}

/// A connection the server closed costs no error to what may run twice, noticed or not.
///
/// Known: now and then, on a loaded machine, one answer in some hundred does not come at all, and its command ends with the
/// response time-out. Why is not known yet. It may happen once here, and the next command must be served.
#[tokio::test]
async fn a_closed_connection_is_replaced_unseen() {
    let server = Redis::start().unwrap();
    let link = servers::open(&servers::on(server.port()));
    link.sessions().insert(&a_session()).await.unwrap();
    let mut late = 0;
    for _ in 0..50 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
        match link.sessions().find(&a_session().id, START).await {
            Ok(found) => assert!(found.is_some()),
            Err(error) => {
                assert_eq!(error.0, "timed out", "no other error");
                late += 1;
                assert!(link.sessions().find(&a_session().id, START).await.unwrap().is_some());
            }
        }
    }
    assert!(late <= 1, "{late} answers never came");
}

/// Scripts a server forgot are sent again.
#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = Redis::start().unwrap();
    for mode in ["SYNC", "ASYNC"] {
        let link = servers::open(&servers::on(server.port()));
        exercise(&link).await;
        server.command(&["SCRIPT", "FLUSH", mode]).unwrap();
        exercise(&servers::open(&servers::on(server.port()))).await;
        let decisions = link.rate_limiter().hit(&[hit(), hit()], START).await.unwrap();
        assert_eq!(decisions.iter().map(|decision| decision.count).collect::<Vec<_>>(), [1, 2]);
    }
}

/// When the answer is lost, what may not run twice is an error and ran once; what may is asked for again.
#[tokio::test]
async fn only_what_may_run_twice_is_sent_twice() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let link = servers::open(&servers::on(proxy.port()));
    exercise(&servers::open(&servers::on(server.port()))).await;
    let (sessions, ceremonies) = (link.sessions(), link.ceremonies());
    sessions.insert(&a_session()).await.unwrap();
    ceremonies.insert(&code(), b"state", START, after(300)).await.unwrap();

    proxy.cut_when_client_sends(b":r:{login:a}").unwrap();
    assert!(link.rate_limiter().hit(&[hit()], START).await.is_err());
    assert_eq!(link.rate_limiter().hit(&[hit()], START).await.unwrap()[0].count, 2, "it was counted once");

    let rotation = Rotation { session: a_session().id, shown: a_presentation(1, after(1)) };
    proxy.cut_when_client_sends(b"rotations_since").unwrap();
    assert!(sessions.rotate(&rotation).await.is_err());
    let (presented, session) = sessions.rotate(&rotation).await.unwrap().unwrap();
    assert_eq!((presented, session.head.number()), (Presented::Repeated, 2), "it rotated once");

    proxy.cut_when_client_sends(b":c:{code:a}").unwrap();
    assert!(ceremonies.take(&code(), after(1)).await.is_err());
    assert_eq!(ceremonies.take(&code(), after(1)).await.unwrap(), None, "it was taken");

    proxy.cut_when_client_sends(b"logged_out").unwrap();
    let ended = sessions.end(&a_session().id, EndReason::LoggedOut, after(2)).await.unwrap().unwrap();
    assert_eq!(ended.ended, Some(EndReason::LoggedOut));
    proxy.cut_when_client_sends(b"HGETALL").unwrap();
    assert_eq!(sessions.find(&a_session().id, after(2)).await.unwrap(), Some(ended));
    assert_eq!(proxy.cuts(), 5);
}

/// A Redis slower than the limit is an error; one that is merely slow works.
#[tokio::test]
async fn a_slow_redis_works_up_to_the_limit() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::in_front_of(server.port()).unwrap();
    let link = servers::open(&servers::hurried(proxy.port()));
    exercise(&link).await;
    proxy.latency(Duration::from_millis(300)).unwrap();
    assert!(link.rate_limiter().hit(&[hit()], START).await.unwrap()[0].allowed);
    proxy.latency(Duration::from_millis(1500)).unwrap();
    let took = all_fail(&link).await;
    assert!(took < LONGEST, "{took:?}");
    proxy.pass().unwrap();
    recovered(async || link.ping().await).await;
}

/// Callers live on runtimes that come and go; the connection does not.
#[test]
fn a_link_outlives_the_runtimes_of_its_callers() {
    let server = Redis::start().unwrap();
    let link = servers::open(&servers::on(server.port()));
    for count in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let decision = runtime.block_on(link.rate_limiter().hit(&[hit()], START)).unwrap()[0];
        assert_eq!(decision.count, count);
    }
    let connections = server.command(&["CLIENT", "LIST", "TYPE", "normal"]).unwrap().to_string();
    assert_eq!(connections.lines().count(), 2, "one of the link, one of the test: {connections}");
}
