//! The drill of `docs/operations.md`: an older dump of PostgreSQL is put back.

use keystead_test_servers::Redis;

use super::read;
use super::replicas::Replicas;
use crate::process::api::{Api, PASSWORD, PATIENCE, Person, eventually};

/// What the guide says to do in the database, so that no access token of before counts.
const FORGET_ACCESS_KEYS: &str = "DELETE FROM keys WHERE key_use = 'sign_access'";

fn run(program: &str, arguments: &[&str]) {
    let output = super::run(program, "postgresql", arguments);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn verify(api: &Api, person: &Person) -> u16 {
    api.send_as(person, "POST", "/api/v1/auth/token/verify", None).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_older_dump_nothing_that_was_ended_counts_again() {
    let redis = tokio::task::spawn_blocking(Redis::start).await.unwrap().unwrap();
    let at_redis = format!("store.redis_url={}", redis.url());
    let mut replicas = Replicas::start(&[&at_redis, "limits.mode=off", "unsafe_allow=limits-off"]).await;
    let api = replicas.api(0);
    let ada = replicas.sign_up(&api, "ada@example.com").await;
    let bob = replicas.sign_up(&api, "bob@example.com").await;

    let dump = tempfile::tempdir().unwrap();
    let file = dump.path().join("keystead.dump").to_str().unwrap().to_owned();
    run("pg_dump", &["--format=custom", "--no-owner", "--file", &file, replicas.database()]);

    // What happens after the dump, and is forgotten with it.
    api.send_as(&ada, "POST", "/api/v1/auth/logout", None).await.expect(204);
    replicas.command(&["user", "ban", "bob@example.com"]);
    replicas.sign_up(&api, "carol@example.com").await;
    let later = api.signed_in("ada@example.com", PASSWORD).await;
    eventually(PATIENCE, "the end of the token", async || (verify(&api, &ada).await == 401).then_some(())).await;

    replicas.end(0);
    replicas.end(1);
    run(
        "pg_restore",
        &["--clean", "--if-exists", "--no-owner", "--single-transaction", "--dbname", replicas.database(), &file],
    );

    // This is why the guide goes on: with the sessions gone, tokens that were revoked count again.
    redis.command(&["FLUSHDB"]).unwrap();
    replicas.restart(0);
    let api = replicas.api(0);
    assert_eq!(verify(&api, &ada).await, 200);
    assert_eq!(verify(&api, &bob).await, 200);
    replicas.end(0);

    let guide = read("docs/operations.md");
    assert!(guide.contains(FORGET_ACCESS_KEYS) && guide.contains("redis-cli FLUSHDB"));
    run("psql", &["--no-psqlrc", "--quiet", "--command", FORGET_ACCESS_KEYS, replicas.database()]);
    replicas.restart(0);
    replicas.restart(1);
    for n in [0, 1] {
        let api = replicas.api(n);
        for person in [&ada, &bob, &later] {
            assert_eq!(verify(&api, person).await, 401);
            api.refresh(person, &person.refresh).await.expect(401);
        }
    }
    // People sign in again; who registered after the dump does not exist; who was banned has to be banned again.
    let api = replicas.api(0);
    let ada = api.signed_in("ada@example.com", PASSWORD).await;
    assert_eq!(verify(&api, &ada).await, 200);
    api.login("carol@example.com", PASSWORD).await.expect(401);
    api.login("bob@example.com", PASSWORD).await.expect(200);
    replicas.command(&["user", "ban", "bob@example.com"]);
    let refused = api.login("bob@example.com", PASSWORD).await;
    assert!([401, 403].contains(&refused.status), "{refused:?}");
}
