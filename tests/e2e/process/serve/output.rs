//! Where a running service writes to: what docs/logs.md says, and nowhere else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::api::{Api, PASSWORD, PATIENCE, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::{Keystead, finish};
use crate::support::embedded_in_every_run;

/// What every file descriptor of a process leads to.
fn open_files(service: &Keystead) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", service.id())).unwrap();
    // One that was closed meanwhile leads nowhere.
    entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()).collect()
}

/// The ports of both ends of every TCP connection of a process, its own first; 0: it listens.
fn connections(service: &Keystead) -> BTreeSet<(u16, u16)> {
    let inodes: BTreeSet<String> = open_files(service)
        .iter()
        .filter_map(|file| Some(file.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let port = |end: &str| u16::from_str_radix(end.rsplit(':').next().unwrap(), 16).unwrap();
    let mut found = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let lines = std::fs::read_to_string(format!("/proc/{}/net/{table}", service.id())).unwrap();
        for line in lines.lines().skip(1) {
            let cells: Vec<&str> = line.split_whitespace().collect();
            if inodes.contains(cells[9]) {
                found.insert((port(cells[1]), port(cells[2])));
            }
        }
    }
    found
}

/// Names of the files of a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A time of RFC 3339 in UTC: `2026-11-22T08:09:05.123456Z`.
fn is_utc(text: &str) -> bool {
    let digits: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (date, fraction) = digits.split_at(digits.len().min("0000-00-00T00:00:00".len()));
    let fraction = fraction.strip_suffix('Z').map(|rest| rest.trim_end_matches('0'));
    date == "0000-00-00T00:00:00" && matches!(fraction, Some("" | "."))
}

#[tokio::test]
async fn logs_go_to_the_outputs_and_the_database_only_and_their_times_are_utc() {
    embedded_in_every_run();
    let configured = Configured::on(None, &[]);
    let service = configured.serve(&[]);
    finish(configured.command(&["user", "add"], &["--email", "ada@example.com"]), "").ok();
    let api = Api::new(service.url());
    api.login("ada@example.com", PASSWORD).await.expect(401);
    api.login("nobody@example.com", PASSWORD).await.expect(401);
    let shown = eventually(PATIENCE, "events are shown", async || {
        let stdout = service.stdout();
        (stdout.lines().filter(|line| line.contains("authn_login_fail")).count() >= 2).then_some(stdout)
    })
    .await;

    let database = configured.path().join("keystead.db");
    for file in open_files(&service) {
        let name = file.to_str().unwrap();
        let is_database = name.starts_with(database.to_str().unwrap());
        let is_no_file = ["pipe:[", "socket:[", "anon_inode:"].iter().any(|kind| name.starts_with(kind));
        assert!(is_database || is_no_file || name == "/dev/null", "{name} is open");
    }
    let expected = ["keystead.toml", "keystead.db", "keystead.db-shm", "keystead.db-wal"].map(str::to_owned);
    assert_eq!(files(configured.path()), BTreeSet::from(expected));
    let own: u16 = service.address().rsplit(':').next().unwrap().parse().unwrap();
    let connections = connections(&service);
    assert!(connections.contains(&(own, 0)), "{connections:?}");
    assert!(connections.iter().all(|(local, _)| *local == own), "it connected to somebody: {connections:?}");

    let (_, events) = shown.split_once('\n').unwrap();
    let mut seen = 0;
    for line in events.lines().chain(service.log().lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        for time in [&line["timestamp"], &line["at"]].into_iter().filter(|time| !time.is_null()) {
            assert!(is_utc(time.as_str().unwrap()), "{line}");
            seen += 1;
        }
        assert!(line["timestamp"].is_string(), "{line}");
    }
    assert!(seen > 6, "{seen}");
    assert!(service.log().contains("/auth/login"), "{}", service.log());
    assert!(!is_utc("2026-11-22T08:09:05+01:00") && !is_utc("2026-11-22 08:09:05Z") && is_utc("2026-11-22T08:09:05Z"));
}

/// Passwords, keys and tokens are in its memory (L06).
#[test]
fn l06_a_crash_leaves_no_core_file() {
    embedded_in_every_run();
    let service = Configured::on(None, &[]).serve(&[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}
