//! A process that is killed leaves no server, no file and no memory behind.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keystead_test_servers::{Postgres, shared};

/// Long enough for servers that have to end first.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program that holds servers, and what it printed about them.
struct Holder {
    child: Child,
    lines: Vec<String>,
}

impl Holder {
    fn start(temporary: &Path) -> Self {
        // Servers run as another user when this is root.
        std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead-test-servers"));
        for name in [shared::POSTGRES_URL, shared::REDIS_URL, shared::REDIS_CLUSTER_URL] {
            command.env_remove(name);
        }
        command.env("TMPDIR", temporary).env("KEYSTEAD_TEST_POSTGRES_TEMPLATE", "");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(shared::REDIS_CLUSTER_URL)) {
            lines.push(printed.next().unwrap().unwrap());
        }
        Self { child, lines }
    }

    /// The addresses of the servers, `127.0.0.1:port`.
    fn addresses(&self) -> Vec<String> {
        let words = self.lines.iter().flat_map(|line| line.split(['/', '@', ',', '\'']));
        words.filter(|word| word.starts_with("127.0.0.1:")).map(str::to_owned).collect()
    }

    /// The lines of PostgreSQL's lock file.
    fn postmaster(&self) -> Vec<String> {
        let log = self.lines.iter().find(|line| line.contains(shared::POSTGRES_LOG)).unwrap();
        let home = Path::new(log.split('\'').nth(1).unwrap()).parent().unwrap();
        let lock = std::fs::read_to_string(home.join("data/postmaster.pid")).unwrap();
        lock.lines().map(str::to_owned).collect()
    }
}

#[test]
fn servers_end_with_a_process_that_is_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut holder = Holder::start(temporary.path());
    let addresses = holder.addresses();
    assert_eq!(addresses.len(), 5);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_ok()));
    // Five servers and the directory `initdb` filled.
    assert_eq!(entries(temporary.path()), 6);
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    wait_until(|| entries(temporary.path()) == 0);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
}

#[test]
fn a_frozen_and_a_killed_postgres_end_too() {
    for signal in ["STOP", "KILL"] {
        let temporary = tempfile::tempdir().unwrap();
        let mut holder = Holder::start(temporary.path());
        let postmaster = holder.postmaster();
        let memory = postmaster[6].split_whitespace().nth(1).unwrap().to_owned();
        assert!(memory_exists(&memory));
        let script = format!("kill -s {signal} {}", postmaster[0]);
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        holder.child.kill().unwrap();
        holder.child.wait().unwrap();
        wait_until(|| entries(temporary.path()) == 0);
        assert!(!memory_exists(&memory), "{signal}");
    }
}

#[test]
fn no_database_stays_on_a_server_that_was_there_before() {
    let postgres = Postgres::start().unwrap();
    let databases = || postgres.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'keystead%'").unwrap();
    for killed in [false, true] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead-test-servers"));
        command.arg("database").env(shared::POSTGRES_URL, postgres.url()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.contains(&format!(":{}/keystead", postgres.port())), "{url}");
        assert_eq!(databases(), "1");
        if killed {
            child.kill().unwrap();
        }
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().success(), !killed);
        wait_until(|| databases() == "0");
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Whether a System V segment has this number, the second column.
fn memory_exists(id: &str) -> bool {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().any(|line| line.split_whitespace().nth(1) == Some(id))
}

fn wait_until(condition: impl Fn() -> bool) {
    let end = now() + PATIENCE;
    while !condition() {
        assert!(now() < end, "not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time to end")]
fn now() -> Instant {
    Instant::now()
}
