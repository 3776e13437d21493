//! What must have one winner, over and over.

use std::sync::Arc;

use keystead_adapters_redis::RedisConfig;
use keystead_application::ports::{Rotation, SessionStore};
use keystead_application::testing::{a_presentation, after, session_number};
use keystead_domain::token::Presented;
use keystead_testkit::race::race;

use crate::servers;

const WIDE: usize = 64;
const ROUNDS: u16 = 20;

/// Of 64 refreshes with one token, half of them by another replica, one rotates, round after round.
async fn one_rotates(config: RedisConfig) {
    let replicas = [servers::open(&config).sessions(), servers::open(&config).sessions()].map(Arc::new);
    for round in 0..ROUNDS {
        let session = session_number(round);
        replicas[0].insert(&session).await.unwrap();
        let outcomes = race(WIDE, |number| {
            let (sessions, id) = (Arc::clone(&replicas[number % 2]), session.id.clone());
            let rotation = Rotation { session: id, shown: a_presentation(1, after(1)) };
            async move { sessions.rotate(&rotation).await.unwrap().unwrap().0 }
        })
        .await;
        let count = |presented| outcomes.iter().filter(|outcome| **outcome == presented).count();
        assert_eq!((count(Presented::Rotated), count(Presented::Repeated)), (1, WIDE - 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g02_of_64_parallel_rotations_one_wins() {
    one_rotates(servers::single()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g02_of_64_parallel_rotations_one_wins_on_a_cluster() {
    one_rotates(servers::cluster()).await;
}
