//! F03-F05: Redis stopped, killed, frozen, behind a black hole, emptied, slow, full, demoted.

use super::bed::{Bed, in_time, is_unavailable, verify};
use super::revoked::{Revoked, ban_is_seen, session_requests};

/// Probes in one outage; `cargo xtask prove` makes 10,000.
const PROBES: usize = 200;

/// While Redis is away: tokens are checked as ever, revoked ones are refused, new bans count, and whatever needs
/// sessions or limits says so in time.
async fn nothing_is_assumed(bed: &Bed, revoked: &Revoked) {
    for api in bed.apis() {
        for (what, answer) in session_requests(&api, revoked).await {
            assert_eq!(answer.status, 503, "{what}: {answer:?}");
            is_unavailable(&answer);
        }
        verify(&api, &revoked.living).await.expect(200);
        api.send_as(&revoked.living, "GET", "/api/v1/users/me", None).await.expect(200);
        api.get("/health/live").await.expect(200);
        in_time("ready", api.get("/health/ready")).await.expect(503);
    }
    let seen = revoked.probe(bed, PROBES).await;
    assert_eq!(seen.get(&401), Some(&PROBES), "nothing but Redis was away: {seen:?}");
}

async fn outage(bed: &Bed, name: &str, begin: impl FnOnce(&Bed), end: impl FnOnce(&Bed)) {
    println!("== {name}");
    let revoked = Revoked::prepare(bed, name).await;
    let victim_email = format!("{name}-victim@example.com");
    let victim = bed.sign_up(&victim_email).await;
    tokio::task::block_in_place(|| begin(bed));
    nothing_is_assumed(bed, &revoked).await;
    ban_is_seen(bed, &victim_email, &victim).await;
    tokio::task::block_in_place(|| end(bed));
    bed.works_again(&revoked.email).await;
    revoked.probe(bed, 16).await;
    for api in bed.apis() {
        verify(&api, &victim).await.expect(401);
    }
    bed.logs_are_bearable();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_redis_stopped() {
    let bed = Bed::start().await;
    outage(&bed, "stopped", |bed| bed.redis.stop().unwrap(), |bed| bed.redis.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_redis_killed() {
    let bed = Bed::start().await;
    outage(&bed, "killed", |bed| bed.redis.kill(), |bed| bed.redis.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_redis_frozen() {
    let bed = Bed::start().await;
    outage(&bed, "frozen", |bed| bed.redis.freeze(), |bed| bed.redis.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_redis_behind_a_black_hole() {
    let bed = Bed::start().await;
    outage(&bed, "gone", |bed| bed.to_redis.black_hole().unwrap(), |bed| bed.to_redis.pass().unwrap()).await;
}
