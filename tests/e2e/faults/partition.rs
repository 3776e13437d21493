//! A replica that reaches less than the other: what is revoked on one is refused by the other within a second, by whatever
//! way it hears of it, or because it no longer vouches for anybody (G05; docs/adr/0015).

use std::time::Duration;

use keystead_test_servers::Proxy;
use tokio::time::Instant;

use super::bed::{Bed, WORKS_WITHIN, verify};
use crate::process::api::{Api, PASSWORD, PATIENCE, Person, eventually};

/// How soon a revocation counts everywhere.
const PROMISED: Duration = Duration::from_secs(1);

/// What is cut off while a session is ended on the first replica and its token shown to the second.
struct Partition {
    name: &'static str,
    first_from_redis: bool,
    second_from_redis: bool,
    second_from_postgres: bool,
}

const PARTITIONS: [Partition; 5] = [
    Partition { name: "nothing", first_from_redis: false, second_from_redis: false, second_from_postgres: false },
    Partition {
        name: "the reader's feed",
        first_from_redis: false,
        second_from_redis: true,
        second_from_postgres: false,
    },
    Partition {
        name: "the reader's log",
        first_from_redis: false,
        second_from_redis: false,
        second_from_postgres: true,
    },
    Partition {
        name: "both of the reader",
        first_from_redis: false,
        second_from_redis: true,
        second_from_postgres: true,
    },
    // The writer cannot publish, the reader cannot read the log: each alone sees a world that looks whole.
    Partition {
        name: "the writer's feed and the reader's log",
        first_from_redis: true,
        second_from_redis: false,
        second_from_postgres: true,
    },
];

/// When the token was accepted for the last time, from showing it for three times as long as is promised.
async fn last_accepted(api: &Api, victim: &Person, banned: Instant) -> Duration {
    let mut last = Duration::ZERO;
    while banned.elapsed() < 3 * PROMISED {
        let answer = verify(api, victim).await;
        assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
        if answer.status == 200 {
            last = banned.elapsed();
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g05_a_ban_reaches_a_replica_that_is_cut_off_or_silences_it() {
    let bed = Bed::start().await;
    let [first, second] = bed.apis();
    for (number, partition) in PARTITIONS.iter().enumerate() {
        let email = format!("victim{number}@example.com");
        bed.sign_up(&email).await;
        let victim = second.signed_in(&email, PASSWORD).await;
        verify(&second, &victim).await.expect(200);
        let cut = |is_cut: bool, line: &Proxy| {
            if is_cut {
                line.black_hole().unwrap();
            }
        };
        // The writer first: its last word on the feed must not be after the reader's cut.
        cut(partition.first_from_redis, &bed.to_redis[0]);
        cut(partition.second_from_redis, &bed.to_redis[1]);
        cut(partition.second_from_postgres, &bed.to_postgres[1]);
        tokio::task::block_in_place(|| bed.ban(&email));
        let banned = Instant::now();
        let accepted = last_accepted(&second, &victim, banned).await;
        println!("cut off: {}: last accepted {accepted:?} after the ban", partition.name);
        assert!(accepted < PROMISED, "{}: {accepted:?}", partition.name);
        verify(&first, &victim).await.expect(401);
        for line in bed.to_redis.iter().chain(&bed.to_postgres) {
            line.pass().unwrap();
        }
        eventually(WORKS_WITHIN, "the ban is known", async || {
            (verify(&second, &victim).await.status == 401).then_some(())
        })
        .await;
        eventually(PATIENCE, "both are ready", async || {
            let ready = [first.get("/health/ready").await, second.get("/health/ready").await];
            ready.iter().all(|answer| answer.status == 200).then_some(())
        })
        .await;
    }
}
