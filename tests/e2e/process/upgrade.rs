//! G20: a schema changes under replicas that serve. On PostgreSQL, whatever the stores of this run are.
//!
//! The same binary serves on the older schema and on the newer: every change of the schema only adds. What a binary of the
//! version before does on the newer schema is shown by `cargo xtask prove --only upgrade --previous-revision`.

use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead_testkit::smtp_peer::SmtpPeer;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::api::{Api, PASSWORD, PATIENCE, Person, code_in, eventually};
use super::configured::Configured;
use super::keystead::{Finished, Keystead, finish};
use crate::support::Shared;

/// Counted, so that the limiter takes part, and never reached.
const LIMITS: [&str; 6] = [
    "store.migrate=false",
    "limits.register=100000/1h",
    "limits.register-verify=100000/1h",
    "limits.login=100000/1h",
    "limits.refresh=100000/1h",
    "limits.slow-down=100000/1h",
];

/// Clients of each kind.
const WIDTH: usize = 2;

/// A migration that builds an index while others write: a folder of `migrations/postgres`, `<version>_<name>`.
const INDEXING: &str = "2026-11-22-000001_outbox_due";

fn migrations() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres"))
}

/// The newest migration, and the one before it.
fn newest() -> [String; 2] {
    let folders = std::fs::read_dir(migrations()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = folders.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    [names.pop().unwrap(), names.pop().unwrap()]
}

async fn other_program(at: &Configured) -> Client {
    let (client, connection) = tokio_postgres::connect(at.shared().unwrap().postgres_url(), NoTls).await.unwrap();
    drop(tokio::spawn(connection));
    client
}

async fn until(client: &Client, question: &str) {
    let ask = async || client.query_one(question, &[]).await.unwrap().get::<_, bool>(0).then_some(());
    eventually(PATIENCE, question, ask).await;
}

/// Takes the migration back, as if it had never been.
async fn bring_back(client: &Client) {
    let down = migrations().join(INDEXING).join("down.sql");
    client.batch_execute(&std::fs::read_to_string(down).unwrap()).await.unwrap();
    let version: String = INDEXING.chars().take_while(|c| *c != '_').filter(|c| *c != '-').collect();
    let deleted =
        client.execute("DELETE FROM __diesel_schema_migrations WHERE version = $1", &[&version]).await.unwrap();
    assert_eq!(deleted, 1, "{version}");
}

/// People who use the service all the time. Nothing they ask may fail.
struct Load {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    async fn start(api: &Api) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (answered, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        for place in 0..WIDTH {
            let email = format!("user{place}@example.com");
            let person = api.sign_up(&email).await;
            tasks.spawn(refresh(api.clone(), person, stopped.clone(), Arc::clone(&answered)));
            tasks.spawn(log_in(api.clone(), email, stopped.clone(), Arc::clone(&answered)));
            tasks.spawn(sign_up(api.clone(), place, stopped.clone(), Arc::clone(&answered)));
        }
        Self { tasks, stop, answered }
    }

    /// Waits until some more requests were answered.
    async fn goes_on(&mut self) {
        let wanted = self.answered.load(Ordering::SeqCst) + 60;
        eventually(PATIENCE, "answers", async || {
            // A task that ended has failed.
            if let Some(ended) = self.tasks.try_join_next() {
                ended.unwrap();
            }
            (self.answered.load(Ordering::SeqCst) >= wanted).then_some(())
        })
        .await;
    }

    async fn stop(self) -> usize {
        self.stop.send(true).unwrap();
        drop(self.tasks.join_all().await);
        self.answered.load(Ordering::SeqCst)
    }
}

async fn refresh(api: Api, mut person: Person, stopped: watch::Receiver<bool>, answered: Arc<AtomicUsize>) {
    while !*stopped.borrow() {
        let tokens = api.refresh(&person, &person.refresh).await.expect(200);
        (person.refresh, person.access) = (tokens.attribute("refreshToken"), tokens.attribute("accessToken"));
        for _ in 0..5 {
            api.send_as(&person, "POST", "/api/v1/auth/token/verify", None).await.expect(200);
        }
        api.send_as(&person, "GET", "/api/v1/users/me", None).await.expect(200);
        answered.fetch_add(7, Ordering::SeqCst);
    }
}

async fn log_in(api: Api, email: String, stopped: watch::Receiver<bool>, answered: Arc<AtomicUsize>) {
    while !*stopped.borrow() {
        let person = api.signed_in(&email, PASSWORD).await;
        api.send_as(&person, "POST", "/api/v1/auth/logout", None).await.expect(204);
        answered.fetch_add(2, Ordering::SeqCst);
    }
}

async fn sign_up(api: Api, place: usize, stopped: watch::Receiver<bool>, answered: Arc<AtomicUsize>) {
    for number in 0.. {
        if *stopped.borrow() {
            return;
        }
        let email = format!("new{place}-{number}@example.com");
        let registered = api.register(&email).await.expect(201);
        // By hand, because the compiler does not see that `eventually` may be sent to another thread.
        let code = loop {
            match api.mails_to(&email).await.first() {
                Some(mail) => break code_in(mail),
                None => tokio::time::sleep(Duration::from_millis(15)).await,
            }
        };
        api.verify(&registered, &code).await.expect(200);
        answered.fetch_add(2, Ordering::SeqCst);
    }
}

fn migrate(at: &Configured) -> Child {
    let mut command = at.command(&["migrate"], &[]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
}

const MIGRATION_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                               AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'";
const IS_HALF_DONE: &str = "SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid";
const NOBODY_MIGRATES: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
                               AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND pid <> pg_backend_pid()";
const ALL_INDEXES_ARE_WHOLE: &str =
    "SELECT count(*) = 0 FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE NOT x.indisvalid";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_replicas_serve_while_a_migration_runs_is_killed_and_runs_again() {
    let peer = Arc::new(SmtpPeer::start().await.unwrap());
    let smtp = format!("smtp+plain://127.0.0.1:{}", peer.port());
    let at = Configured::on(Some(Shared::new()), &["--smtp", &smtp]);
    let replicas = [at.serve(&LIMITS), at.serve(&LIMITS)];
    let api = Api::of(replicas.iter().map(|replica| replica.url().to_owned()).collect(), Some(peer));
    let watch = other_program(&at).await;
    bring_back(&watch).await;
    let witness = api.sign_up("witness@example.com").await;
    let mut load = Load::start(&api).await;
    load.goes_on().await;

    // Somebody writes for so long that the migration has to wait in the middle.
    let mut writer = other_program(&at).await;
    let open = writer.transaction().await.unwrap();
    open.batch_execute("LOCK TABLE outbox IN ROW EXCLUSIVE MODE").await.unwrap();
    let mut first = migrate(&at);
    until(&watch, MIGRATION_WAITS).await;
    load.goes_on().await;
    first.kill().unwrap();
    first.wait().unwrap();
    until(&watch, NOBODY_MIGRATES).await;
    until(&watch, IS_HALF_DONE).await;
    load.goes_on().await;

    let again = [migrate(&at), migrate(&at)];
    load.goes_on().await;
    open.rollback().await.unwrap();
    let applied = tokio::task::spawn_blocking(|| again.map(|child| child.wait_with_output().unwrap()));
    let printed: Vec<String> = applied
        .await
        .unwrap()
        .into_iter()
        .map(|output| {
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    assert_eq!(printed.iter().filter(|text| text.contains(&format!("applied {INDEXING}"))).count(), 1, "{printed:?}");
    assert_eq!(printed.iter().filter(|text| text.contains("already")).count(), 1, "{printed:?}");
    until(&watch, ALL_INDEXES_ARE_WHOLE).await;
    load.goes_on().await;
    let answered = load.stop().await;
    println!("{answered} requests while the schema changed: 0 failures");
    api.refresh(&witness, &witness.refresh).await.expect(200);
    assert!(replicas.iter().all(|replica: &Keystead| !replica.log().contains("ERROR")));
}

#[test]
fn a_binary_that_may_not_migrate_refuses_an_older_schema_and_says_what_to_do() {
    let at = Configured::on(Some(Shared::empty()), &[]);
    let run = |words: &[&str], rest: &[&str]| finish(at.command(words, rest), "");
    let may_not = ["--set", "store.migrate=false"];
    let refused = |finished: Finished| finished.refused(1, &["1 migrations are missing", "keystead migrate"]);
    let [newest, before] = newest();
    assert!(run(&["migrate", "--to", &before], &[]).ok().trim().ends_with(&format!("applied {before}")));
    refused(Keystead::try_start(at.serve_command(&["store.migrate=false"])).err().unwrap());
    let found = run(&["doctor"], &may_not);
    let line = found.stdout.lines().find(|line| line.contains("migrations")).unwrap();
    assert!(found.code == Some(1) && line.starts_with("failed") && line.contains("keystead migrate"), "{found:?}");
    run(&["migrate", "--to", "initial"], &[]).refused(1, &["no migration initial", &before]);

    assert_eq!(run(&["migrate"], &[]).ok().trim(), format!("applied {newest}"));
    let found = run(&["doctor"], &[&may_not[..], &["--json"]].concat()).ok();
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for what in ["migrations", "clock", "redis", "database"] {
        assert!(found.iter().any(|one| one["check"] == what && one["state"] == "ok"), "{what}: {found:?}");
    }
    drop(at.serve(&["store.migrate=false"]));
}
