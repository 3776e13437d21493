//! F03-F05: Redis stopped, killed, frozen, behind a black hole, emptied, slow, full, demoted.

use std::time::Duration;

use keystead_test_servers::{Proxy, Value};
use tokio::time::Instant;

use super::bed::{Bed, in_time, is_unavailable, verify};
use super::journal::{Registrars, nothing_was_lost};
use super::revoked::{Revoked, ban_is_seen, session_requests};
use crate::process::api::{PASSWORD, PATIENCE, Person};

/// Probes in one outage; `cargo xtask prove` makes 10,000.
const PROBES: usize = 200;

/// What Redis can still do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Reading,
    /// Reading, until somebody notices that it is no master.
    Perhaps,
}

/// While Redis is away: tokens are checked as ever, revoked ones are refused, new bans count, and whatever needs
/// sessions or limits says so in time.
async fn nothing_is_assumed(bed: &Bed, revoked: &Revoked, redis: Left) {
    for api in bed.apis() {
        for (what, answer) in session_requests(&api, revoked).await {
            match (redis, what) {
                (Left::Reading, "sessions") => drop(answer.expect(200)),
                // Found out at the first write, which may come before or after.
                (Left::Perhaps, "sessions") if answer.status == 200 => {}
                _ => is_unavailable(&answer),
            }
        }
        verify(&api, &revoked.living).await.expect(200);
        api.send_as(&revoked.living, "GET", "/api/v1/users/me", None).await.expect(200);
        api.get("/health/live").await.expect(200);
        if redis == Left::Nothing {
            in_time("ready", api.get("/health/ready")).await.expect(503);
        }
    }
    let seen = revoked.probe(bed, PROBES).await;
    assert_eq!(seen.get(&401), Some(&PROBES), "nothing but Redis was away: {seen:?}");
}

async fn outage(bed: &Bed, name: &str, redis: Left, begin: impl FnOnce(&Bed), end: impl FnOnce(&Bed)) {
    println!("== {name}");
    let since = bed.log_marks();
    let revoked = Revoked::prepare(bed, name).await;
    let victim_email = format!("{name}-victim@example.com");
    let victim = bed.sign_up(&victim_email).await;
    tokio::task::block_in_place(|| begin(bed));
    nothing_is_assumed(bed, &revoked, redis).await;
    ban_is_seen(bed, &victim_email, &victim).await;
    tokio::task::block_in_place(|| end(bed));
    bed.works_again(&revoked.email).await;
    revoked.probe(bed, 16).await;
    for api in bed.apis() {
        verify(&api, &victim).await.expect(401);
    }
    bed.logs_are_bearable(&since);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_redis_stopped_killed_frozen_and_cut_off() {
    let bed = Bed::start().await;
    outage(&bed, "stopped", Left::Nothing, |bed| bed.redis.stop().unwrap(), |bed| bed.redis.restart().unwrap()).await;
    outage(&bed, "killed", Left::Nothing, |bed| bed.redis.kill(), |bed| bed.redis.restart().unwrap()).await;
    outage(&bed, "frozen", Left::Nothing, |bed| bed.redis.freeze(), |bed| bed.redis.thaw()).await;
    outage(&bed, "gone", Left::Nothing, |bed| bed.redis_lines(Proxy::black_hole), |bed| bed.redis_lines(Proxy::pass))
        .await;
}

/// Empties Redis under load. Everybody signs in again, and nothing that ended comes back.
async fn emptied(bed: &Bed, name: &str, empty: impl FnOnce(&Bed)) {
    println!("== {name}");
    let since = bed.log_marks();
    let [first, second] = bed.apis();
    let revoked = Revoked::prepare(bed, name).await;
    let guessed = format!("{name}-guessed@example.com");
    bed.sign_up(&guessed).await;
    for _ in 0..9 {
        first.login(&guessed, "a wrong password 17").await.expect(401);
    }
    let pending_email = format!("{name}-pending@example.com");
    let pending = first.register(&pending_email).await.expect(201);
    let code = bed.code_for(&pending_email).await;
    let registrars = Registrars::start(bed, name, 2);
    registrars.progress(4).await;

    tokio::task::block_in_place(|| empty(bed));
    registrars.progress(4).await;
    bed.works_again(&revoked.email).await;

    // Sessions are gone: a refresh says so, and the access token lives out its minutes.
    second.refresh(&revoked.living, &revoked.living.refresh).await.expect(401);
    verify(&first, &revoked.living).await.expect(200);
    let seen = revoked.probe(bed, PROBES).await;
    assert_eq!(seen.get(&401), Some(&PROBES), "{seen:?}");
    first.login(&revoked.banned_email, PASSWORD).await.expect(403);
    // The tenth wrong guess, and then no more.
    first.login(&guessed, "a wrong password 17").await.expect(401);
    let spent = second.login(&guessed, PASSWORD).await.expect(429);
    assert_eq!(spent.code(), "ACCOUNT_LIMITED");
    // The challenge of a code is gone with it; another registration works.
    assert_eq!(second.verify(&pending, &code).await.expect(401).code(), "CODE_INVALID");

    // A registration under way when its challenge vanished begins anew; those after it are whole.
    let journal = registrars.finish().await;
    let after = journal.len() - 4;
    nothing_was_lost(bed, &journal[after..], PATIENCE, 0).await;
    bed.logs_are_bearable(&since);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_redis_emptied_and_restarted_empty() {
    let bed = Bed::start().await;
    let flush = |bed: &Bed| assert_eq!(bed.redis.command(&["FLUSHALL"]).unwrap(), Value::Text("OK".into()));
    emptied(&bed, "flushed", flush).await;
    emptied(&bed, "restarted", |bed| bed.redis.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_redis_slow_full_and_demoted() {
    let bed = Bed::start().await;
    let revoked = Revoked::prepare(&bed, "slow").await;
    let since = bed.log_marks();
    // 200 ms a command: everything works, later.
    bed.redis_lines(|line| line.latency(Duration::from_millis(200)));
    for api in bed.apis() {
        let begun = Instant::now();
        let person = Person::new(&api.login(&revoked.email, PASSWORD).await.expect(200));
        api.refresh(&person, &person.refresh).await.expect(200);
        println!("login and refresh with 200 ms to Redis: {:?}", begun.elapsed());
        verify(&api, &revoked.living).await.expect(200);
    }
    revoked.probe(&bed, PROBES).await;
    // 1 s a command is as good as away.
    let slow = |bed: &Bed| bed.redis_lines(|line| line.latency(Duration::from_secs(1)));
    outage(&bed, "crawling", Left::Nothing, slow, |bed| bed.redis_lines(Proxy::pass)).await;
    bed.logs_are_bearable(&since);

    // Out of memory it keeps what it has and takes nothing new.
    let full = |bed: &Bed| drop(bed.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap());
    let roomy = |bed: &Bed| drop(bed.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap());
    outage(&bed, "full", Left::Reading, full, roomy).await;
    // A replica of nobody: it refuses writes.
    let demote = |bed: &Bed| drop(bed.redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap());
    let promote = |bed: &Bed| drop(bed.redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap());
    outage(&bed, "demoted", Left::Perhaps, demote, promote).await;
}
