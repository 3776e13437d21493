//! `keystead migrate-store`: an embedded service becomes replicas, whatever the stores of this run are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keystead_testkit::smtp_peer::{Behaviour, SmtpPeer};
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::process::api::{Answer, Api, PASSWORD, PATIENCE, Person, code_in, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::{Finished, Keystead, command, finish, run};
use crate::support::Shared;

/// Address limits are out of the way; budgets of accounts are as everywhere.
const LIMITS: [&str; 4] =
    ["limits.register=1000/1h", "limits.register-verify=1000/1h", "limits.login=1000/1h", "limits.slow-down=1000/1h"];

/// The embedded service, and the replicas it is to become.
struct Move {
    peer: Arc<SmtpPeer>,
    old: Configured,
    new: Configured,
}

impl Move {
    async fn prepare() -> Self {
        let peer = Arc::new(SmtpPeer::start().await.unwrap());
        let smtp = format!("smtp+plain://127.0.0.1:{}", peer.port());
        let old = Configured::on(None, &["--smtp", &smtp]);
        let new = Configured::on(Some(Shared::empty()), &["--smtp", &smtp]);
        old.replace("# acquire_timeout", "acquire_timeout = \"1s\"");
        Self { peer, old, new }
    }

    fn share_the_master_key(&self) {
        let text = std::fs::read_to_string(self.old.file()).unwrap();
        let line = text.lines().find(|line| line.starts_with("master_key = ")).unwrap();
        self.new.replace("master_key", line);
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = command(self.old.path(), &["migrate-store"]);
        command.arg("--from").arg(self.old.file()).arg("--to").arg(self.new.file()).args(more);
        command
    }

    fn run(&self, more: &[&str]) -> Finished {
        finish(self.command(more), "")
    }

    /// A client of the old service.
    fn old_api(&self, service: &Keystead) -> Api {
        Api::of(vec![service.url().to_owned()], Some(Arc::clone(&self.peer)))
    }

    async fn other_program(&self) -> tokio_postgres::Client {
        let url = self.new.shared().unwrap().postgres_url();
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        drop(tokio::spawn(connection));
        client
    }
}

fn end(service: Keystead) {
    service.ask_to_end();
    assert!(service.wait().0.success());
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The file and those beside it, byte for byte.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.to_str().unwrap().contains("keystead.db"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

async fn kids(api: &Api) -> BTreeSet<String> {
    let keys = api.get("/.well-known/jwks.json").await.expect(200).json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn verify(api: &Api, who: &Person) -> Answer {
    api.send_as(who, "POST", "/api/v1/auth/token/verify", None).await
}

/// People in every state there is.
struct People {
    ada: Person,
    banned: Person,
    left: Person,
    robbed: Person,
    /// Registered, code in hand.
    waiting: (Answer, String),
    /// Registered, mail not sent yet.
    unsent: Answer,
}

async fn people(at: &Move, service: &Keystead) -> People {
    let api = at.old_api(service);
    let ada = api.sign_up("ada@example.com").await;
    let ada = Person { refresh: api.refresh(&ada, &ada.refresh).await.expect(200).attribute("refreshToken"), ..ada };
    let banned = api.sign_up("banned@example.com").await;
    finish(at.old.command(&["user", "ban", "banned@example.com"], &[]), "").ok();
    let left = api.sign_up("left@example.com").await;
    api.send_as(&left, "POST", "/api/v1/auth/logout", None).await.expect(204);
    let robbed = api.sign_up("robbed@example.com").await;
    let mut newest = robbed.refresh.clone();
    for _ in 0..2 {
        newest = api.refresh(&robbed, &newest).await.expect(200).attribute("refreshToken");
    }
    api.refresh(&robbed, &robbed.refresh).await.expect(401);
    let robbed = Person { refresh: newest, ..robbed };
    api.sign_up("spent@example.com").await;
    for _ in 0..10 {
        api.login("spent@example.com", "wrong").await.expect(401);
    }
    api.login("spent@example.com", PASSWORD).await.expect(429);
    let waiting = api.register("waiting@example.com").await.expect(201);
    let code = code_in(&api.mail_to("waiting@example.com").await);
    at.peer.set_behaviour(Behaviour::RejectRecipient(451));
    let before = at.peer.commands().iter().filter(|line| line.starts_with("RCPT")).count();
    let unsent = api.register("unsent@example.com").await.expect(201);
    at.peer.wait_for_commands("RCPT", before + 1, PATIENCE).await.unwrap();
    People { ada, banned, left, robbed, waiting: (waiting, code), unsent }
}

/// Everybody finds what was theirs, and nobody more.
async fn everything_is_as_it_was(at: &Move, people: &People) {
    let replicas = [at.new.serve(&LIMITS), at.new.serve(&LIMITS)];
    let urls = replicas.iter().map(|replica| replica.url().to_owned()).collect();
    let api = Api::of(urls, Some(Arc::clone(&at.peer)));
    for replica in api.each() {
        verify(&replica, &people.ada).await.expect(200);
        for gone in [&people.banned, &people.left, &people.robbed] {
            assert_eq!(verify(&replica, gone).await.expect(401).code(), "TOKEN_REVOKED");
        }
    }
    for gone in [&people.banned, &people.left, &people.robbed] {
        api.refresh(gone, &gone.refresh).await.expect(401);
    }
    let rotated = api.refresh(&people.ada, &people.ada.refresh).await.expect(200).attribute("refreshToken");
    assert_eq!(api.refresh(&people.ada, &people.ada.refresh).await.expect(200).attribute("refreshToken"), rotated);
    let sessions = api.send_as(&people.ada, "GET", "/api/v1/sessions", None).await.expect(200).json();
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
    let again = api.signed_in("ada@example.com", PASSWORD).await;
    // Numbers of revocations and events go on behind those that came along.
    api.send_as(&again, "POST", "/api/v1/auth/logout", None).await.expect(204);
    api.refused_within_a_second(&again).await;
    assert_ne!(api.login("banned@example.com", PASSWORD).await.status, 200);
    api.login("spent@example.com", PASSWORD).await.expect(429);
    api.verify(&people.waiting.0, &people.waiting.1).await.expect(200);
    api.signed_in("waiting@example.com", PASSWORD).await;

    // The wait after its failures came along too; how many there were depends on how long the move took.
    let due = "UPDATE outbox SET due_at = now() - interval '1 second'";
    at.other_program().await.execute(due, &[]).await.unwrap();
    let code = code_in(&api.mail_to("unsent@example.com").await);
    api.verify(&people.unsent, &code).await.expect(200);
    api.sign_up("new@example.com").await;
    for email in ["ada@example.com", "unsent@example.com", "new@example.com"] {
        let mails = api.mails_to(email).await;
        assert_eq!(mails.iter().filter(|mail| mail.contains("code")).count(), 1, "{email}: {mails:?}");
    }
}

#[tokio::test]
async fn an_embedded_service_becomes_replicas_and_nobody_is_signed_out() {
    let at = Move::prepare().await;
    let service = at.old.serve(&LIMITS);
    let people = people(&at, &service).await;
    let before = kids(&at.old_api(&service)).await;

    at.run(&[]).refused(1, &["different master keys", "secrets.master_key"]);
    at.share_the_master_key();
    at.run(&[]).refused(1, &["keystead.db", "in use", "stop the service"]);
    verify(&at.old_api(&service), &people.ada).await.expect(200);
    end(service);
    // However the service ended, what it wrote ahead is in the file once somebody else closed it.
    finish(at.old.command(&["key", "list"], &[]), "").ok();
    let file = contents(at.old.path());

    let tried = at.run(&["--dry-run"]).ok();
    assert!(tried.contains("users") && tried.contains("nothing was written"), "{tried}");
    assert!(finish(at.new.command(&["check"], &[]), "").ok().contains("migrations will be applied"));
    let moved = lines(&at.run(&["--json"]).ok());
    let of = |what: &str| moved.iter().find(|line| line["what"] == what).unwrap_or_else(|| panic!("{what}: {moved:?}"));
    assert!(moved.iter().all(|line| line["read"] == line["written"]), "{moved:?}");
    for (what, count) in [("users", 5), ("passwords", 5), ("pending_registrations", 2), ("outbox", 1), ("sessions", 5)]
    {
        assert_eq!(of(what)["read"], count, "{moved:?}");
    }
    assert_eq!(contents(at.old.path()), file, "the file is as it was");
    at.run(&[]).refused(1, &["not empty", "5 rows in users"]);

    at.peer.set_behaviour(Behaviour::Accept);
    everything_is_as_it_was(&at, &people).await;
    let replica = at.new.serve(&[]);
    assert_eq!(kids(&Api::new(replica.url())).await, before);
}

#[test]
fn what_cannot_be_moved_is_refused_before_anything_is_done() {
    let (old, new) = (Configured::on(None, &[]), Configured::on(Some(Shared::empty()), &[]));
    let [old_file, new_file] = [old.file(), new.file()].map(|path| path.to_str().unwrap().to_owned());
    let move_store = |from: &str, to: &str| run(old.path(), &["migrate-store", "--from", from, "--to", to]);
    move_store(&old_file, &old_file).refused(1, &["--to", "postgres://"]);
    move_store(&new_file, &new_file).refused(1, &["--from", "sqlite://"]);
    move_store("nowhere.toml", &new_file).refused(78, &["nowhere.toml"]);
    let key = std::fs::read_to_string(&old_file).unwrap();
    new.replace("master_key", key.lines().find(|line| line.starts_with("master_key = ")).unwrap());
    move_store(&old_file, &new_file).refused(1, &["keystead.db", "not found"]);
    assert!(!old.path().join("keystead.db").exists(), "nothing is made");
    // Both files say the same wrong key.
    finish(old.command(&["key", "list"], &[]), "").ok();
    for file in [&old, &new] {
        file.replace("master_key", "master_key = \"0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco\"");
    }
    move_store(&old_file, &new_file).refused(1, &["master key", "was made with"]);
}

const IMPORT_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                            AND application_name = 'keystead' AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO keys%'";
const NOBODY_IS_LEFT: &str =
    "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keystead'";

async fn until(client: &tokio_postgres::Client, question: &str) {
    let ask = async || client.query_one(question, &[]).await.unwrap().get::<_, bool>(0).then_some(());
    eventually(PATIENCE, question, ask).await;
}

#[tokio::test]
async fn a_move_that_is_killed_half_way_leaves_nothing_and_can_be_done_again() {
    let at = Move::prepare().await;
    at.share_the_master_key();
    let add = |email: &str| {
        let add = at.old.command(&["user", "add", "--email", email], &["--password-stdin"]);
        finish(add, &format!("{PASSWORD}\n")).ok()
    };
    add("ada@example.com");
    add("bob@example.com");
    let service = at.old.serve(&LIMITS);
    let ada = at.old_api(&service).signed_in("ada@example.com", PASSWORD).await;
    end(service);
    finish(at.new.command(&["migrate"], &[]), "").ok();

    // Keys are carried among the last. Somebody who is about to write one of the same name makes it wait there.
    let listed = lines(&finish(at.old.command(&["key", "list"], &["--json"]), "").ok());
    let mac = listed.iter().find(|key| key["use"] == "mac").expect("the others have a table of their own");
    let kid = mac["id"].as_str().unwrap();
    let (mut obstacle, watch) = (at.other_program().await, at.other_program().await);
    let open = obstacle.transaction().await.unwrap();
    open.execute("INSERT INTO keys VALUES ($1, 'mac', '', '', now(), now(), NULL)", &[&kid]).await.unwrap();
    let mut child = at.command(&[]).spawn().unwrap();
    until(&watch, IMPORT_WAITS).await;
    child.kill().unwrap();
    child.wait().unwrap();
    until(&watch, NOBODY_IS_LEFT).await;
    let users: i64 = watch.query_one("SELECT count(*) FROM users", &[]).await.unwrap().get(0);
    assert_eq!(users, 0);
    open.rollback().await.unwrap();

    let moved = at.run(&[]).ok();
    assert!(moved.contains("everything was carried over"), "{moved}");
    let replica = at.new.serve(&LIMITS);
    let api = Api::new(replica.url());
    verify(&api, &ada).await.expect(200);
    api.refresh(&ada, &ada.refresh).await.expect(200);
    api.signed_in("bob@example.com", PASSWORD).await;
}
