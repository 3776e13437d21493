//! F07: the primary dies, its synchronous standby takes over, and the line leads to that one from now on.

use std::time::Duration;

use keystead_test_servers::Proxy;

use super::bed::{Bed, is_unavailable, verify};
use super::journal::{Registrars, nothing_was_lost, until};
use super::revoked::Revoked;
use crate::process::api::{PASSWORD, PATIENCE, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_standby_takes_over_and_nothing_acknowledged_is_lost() {
    let mut bed = Bed::start().await;
    let standby = tokio::task::block_in_place(|| bed.postgres.standby().unwrap());
    bed.postgres.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
    bed.postgres.execute("SELECT pg_reload_conf()").unwrap();
    let streaming = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    until(PATIENCE, "a synchronous standby", || (bed.count(streaming) == 1).then_some(())).await;

    let revoked = Revoked::prepare(&bed, "failover").await;
    let registrars = Registrars::start(&bed, "failover", 4);
    registrars.progress(12).await;
    tokio::task::block_in_place(|| bed.postgres.kill());
    for api in bed.apis() {
        let refused = eventually(PATIENCE, "tokens are no longer vouched for", async || {
            let answer = verify(&api, &revoked.living).await;
            (answer.status != 200).then_some(answer)
        });
        is_unavailable(&refused.await);
    }
    // Before it is promoted it shows what is there, and takes nothing.
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], standby.port()));
    bed.to_postgres.iter().for_each(|line| line.upstream(address));
    bed.to_postgres.iter().for_each(Proxy::reset);
    for api in bed.apis() {
        is_unavailable(&api.login(&revoked.email, PASSWORD).await);
    }
    revoked.probe(&bed, 100).await;
    standby.execute("SELECT pg_promote()").unwrap();
    bed.postgres = standby;

    bed.works_again(&revoked.email).await;
    let seen = revoked.probe(&bed, 100).await;
    assert_eq!(seen.get(&401), Some(&100), "{seen:?}");
    registrars.progress(4).await;
    let journal = registrars.finish().await;
    nothing_was_lost(&bed, &journal, PATIENCE + Duration::from_secs(30), 8).await;
}
