//! `keystead audit …`: who lays a hand on the log is found, and everything in it comes out once.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use keystead_api_actix::config::DEV_DATABASE;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::api::{Api, PASSWORD, PATIENCE, eventually};
use crate::process::configured::Configured;
use crate::process::keystead::{Finished, Keystead, command, finish};
use crate::process::site::Site;
use crate::support::Database;

/// What a problem that was found ends with.
const FOUND: i32 = 3;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Logins, wrong passwords, a ban, a new role: events of every kind of author.
async fn live(api: &Api, mut user: impl FnMut(&[&str]) -> Command) {
    api.sign_up("ada@example.com").await;
    api.signed_in("ada@example.com", PASSWORD).await;
    api.login("ada@example.com", "a wrong password 1").await.expect(401);
    api.login("nobody@example.com", PASSWORD).await.expect(401);
    finish(user(&["role", "ada@example.com", "admin"]), "").ok();
    finish(user(&["ban", "ada@example.com"]), "").ok();
    api.login("ada@example.com", PASSWORD).await.expect(403);
    finish(user(&["unban", "ada@example.com"]), "").ok();
    api.signed_in("ada@example.com", PASSWORD).await;
}

/// The directory of a `keystead dev` that ended after it was used.
struct Log {
    home: TempDir,
}

impl Log {
    async fn lived_in() -> Self {
        let home = tempfile::tempdir().unwrap();
        let service = Keystead::dev(home.path(), &["--limits", "off"]);
        let on_data = |words: &[&str]| {
            let mut command = command(home.path(), &["user", words[0], "--data-dir", "keystead-dev"]);
            command.args(&words[1..]);
            command
        };
        live(&Api::new(service.url()), on_data).await;
        service.ask_to_end();
        let (status, log) = service.wait();
        assert!(status.success(), "{log}");
        Self { home }
    }

    /// A copy of it on which an attacker who holds the file ran this SQL.
    fn attacked(&self, sql: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (self.home.path().join("keystead-dev"), home.path().join("keystead-dev"));
        std::fs::create_dir(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        let file = to.join(DEV_DATABASE);
        let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        let triggers =
            "DROP TRIGGER audit_events_update; DROP TRIGGER audit_events_insert; DROP TRIGGER audit_events_delete;";
        connection.batch_execute(&format!("BEGIN; {triggers} {sql}; COMMIT;")).unwrap();
        Self { home }
    }

    fn audit(&self, verb: &str, rest: &[&str]) -> Finished {
        let mut command = command(self.home.path(), &["audit", verb, "--data-dir", "keystead-dev"]);
        command.args(rest);
        finish(command, "")
    }

    /// The report of a log in which nothing is wrong.
    fn clean(&self) -> Value {
        lines(&self.audit("verify", &["--json"]).ok()).remove(0)
    }

    fn database(&self) -> Database<'static> {
        Database::in_directory(&self.home.path().join("keystead-dev"))
    }

    /// The numbers of the rows, by position; there is none at 0.
    fn rows(&self) -> Vec<i64> {
        let events = lines(&self.audit("export", &[]).ok());
        std::iter::once(0).chain(events.iter().map(|event| event["id"].as_i64().unwrap())).collect()
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_clean_beside_the_service_too() {
    let site = Site::without_limits().await;
    live(site.api(), |words| site.command(&["user", words[0]], &words[1..])).await;
    finish(site.command(&["key", "rotate"], &["--use", "all"]), "").ok();
    site.api().signed_in("ada@example.com", PASSWORD).await;
    let verify = || lines(&finish(site.command(&["audit", "verify"], &["--json"]), "").ok()).remove(0);
    let report = eventually(PATIENCE, "every event has its place in the chain", async || {
        let report = verify();
        (report["unlinked"] == json!(0)).then_some(report)
    })
    .await;
    assert_eq!(report["problems"], json!([]));
    assert!(report["rows"].as_u64().unwrap() >= 10 && report["checkpoints"].as_u64().unwrap() >= 1, "{report}");

    // What was kept is still in a log that went on.
    let kept = report["head"].as_str().unwrap().to_owned();
    site.api().signed_in("ada@example.com", PASSWORD).await;
    let later = finish(site.command(&["audit", "verify"], &["--kept", &kept]), "").ok();
    assert!(later.starts_with("rows         "), "{later}");
    let other = format!("{}:{}", kept.split(':').next().unwrap(), "00".repeat(32));
    let refused = finish(site.command(&["audit", "verify"], &["--kept", &other]), "");
    assert!(refused.stdout.contains("the chain is not what was signed at position"), "{refused:?}");
    refused.refused(FOUND, &["1 problem"]);
}

#[tokio::test]
async fn a_row_that_was_changed_is_named() {
    let log = Log::lived_in().await;
    let row = log.rows()[3];
    for change in [
        "name = CASE name WHEN 'user_updated' THEN 'user_created' ELSE 'user_updated' END",
        "at = at + 1",
        "actor_id = x'1b4e28ba2fa14ad2883fb2e3d8f2a1c7'",
        "impersonator_id = x'1b4e28ba2fa14ad2883fb2e3d8f2a1c7'",
        "subject_id = x'1b4e28ba2fa14ad2883fb2e3d8f2a1c7'",
        "session_id = 'another'",
        "ip = '203.0.113.9'",
        "user_agent = 'another'",
        "detail = 'another'",
        "seal = randomblob(32)",
    ] {
        let found = log.attacked(&format!("UPDATE audit_events SET {change} WHERE position = 3")).audit("verify", &[]);
        let expected = format!("row {row} (position 3) was changed");
        assert_eq!(found.stdout.lines().next(), Some(expected.as_str()), "{change}: {found:?}");
        found.refused(FOUND, &["found in the audit log"]);
    }
    // What no event has is a change like any other.
    let found = log.attacked("UPDATE audit_events SET name = 'nothing' WHERE position = 3").audit("verify", &[]);
    assert!(found.stdout.starts_with(&format!("row {row} (position 3) was changed\nrows  ")), "{found:?}");
    found.refused(FOUND, &["1 problem"]);
}

#[tokio::test]
async fn rows_that_are_gone_added_or_moved_are_named() {
    let log = Log::lived_in().await;
    let rows = log.rows();
    let next = rows.iter().max().unwrap() + 1;
    let unsealed = format!("row {next} was not written by this service");
    let moved = |row: i64, position: i64| format!("row {row} (position {position}) does not follow the one before it");
    for (sql, expected) in [
        ("DELETE FROM audit_events WHERE position = 5", vec!["the row at position 5 is gone".to_owned()]),
        ("DELETE FROM audit_events WHERE position BETWEEN 5 AND 7", vec!["rows 5 to 7 are gone".to_owned()]),
        ("INSERT INTO audit_events (name, at) VALUES ('user_banned', 1)", vec![unsealed.clone()]),
        (
            "CREATE TEMP TABLE copy AS SELECT * FROM audit_events WHERE position = 3;
             UPDATE copy SET id = (SELECT max(id) + 1 FROM audit_events), position = NULL, hash = NULL;
             INSERT INTO audit_events SELECT * FROM copy",
            vec![format!("row {next} is a copy of another")],
        ),
        (
            "UPDATE audit_events SET position = -position - 1 WHERE position >= 5;
             UPDATE audit_events SET position = -position WHERE position < 0;
             INSERT INTO audit_events (name, at, position, hash) VALUES ('user_banned', 1, 5, randomblob(32))",
            vec![unsealed, moved(rows[5], 6)],
        ),
        (
            "UPDATE audit_events SET position = -position WHERE position IN (4, 5);
             UPDATE audit_events SET position = 9 + position WHERE position < 0",
            vec![moved(rows[5], 4), moved(rows[4], 5)],
        ),
        (
            "UPDATE audit_events SET hash = randomblob(32) WHERE position = 4",
            vec![moved(rows[4], 4), moved(rows[5], 5)],
        ),
    ] {
        let found = log.attacked(sql).audit("verify", &[]);
        for line in &expected {
            assert!(found.stdout.lines().any(|found| found == line), "{sql}: {line:?} is not in {}", found.stdout);
        }
        found.refused(FOUND, &["found in the audit log"]);
    }
    assert_eq!(log.clean()["problems"], json!([]), "the copies were attacked");
}

#[tokio::test]
async fn checkpoints_cannot_be_made_and_an_end_that_is_gone_is_missed_by_who_kept_it() {
    let log = Log::lived_in().await;
    let report = log.clean();
    let (rows, head) = (report["rows"].as_i64().unwrap(), report["head"].as_str().unwrap().to_owned());
    for (sql, position) in [
        // Rows before it would not be looked at.
        (
            "INSERT INTO audit_checkpoints SELECT 'floor', 5, hash, at, (SELECT max(seal_key) FROM audit_checkpoints), randomblob(32)
             FROM audit_events WHERE position = 5",
            5,
        ),
        ("UPDATE audit_checkpoints SET hash = randomblob(32)", rows),
        ("UPDATE audit_checkpoints SET kind = 'floor'", rows),
    ] {
        let found = log.attacked(sql).audit("verify", &[]);
        let expected = format!("the checkpoint at position {position} was not signed by this service");
        assert!(found.stdout.lines().any(|line| line == expected), "{sql}: {found:?}");
        found.refused(FOUND, &["found in the audit log"]);
    }

    let rows_alone = log.attacked("DELETE FROM audit_events WHERE position > 8");
    let found = rows_alone.audit("verify", &["--json"]);
    let problems = lines(&found.stdout).remove(0)["problems"].clone();
    assert_eq!(
        (&problems[0]["kind"], &problems[0]["from"], &problems[0]["to"]),
        (&json!("missing"), &json!(9), &json!(rows))
    );
    found.refused(FOUND, &["1 problem"]);

    let all_of_it = log.attacked("DELETE FROM audit_events WHERE position > 8; DELETE FROM audit_checkpoints");
    let found = all_of_it.audit("verify", &["--kept", &head]);
    assert!(found.stdout.lines().any(|line| line == format!("rows 9 to {rows} are gone")), "{found:?}");
    found.refused(FOUND, &["found in the audit log"]);
    all_of_it.audit("verify", &["--kept", "8:abc"]).refused(2, &["POSITION:HEX"]);
}

#[tokio::test]
async fn an_export_has_every_event_once() {
    let log = Log::lived_in().await;
    let all = log.audit("export", &[]).ok();
    let events = lines(&all);
    assert_eq!(i64::try_from(events.len()).unwrap(), log.database().count("audit_events"));
    let positions: Vec<i64> = events.iter().map(|event| event["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(events.iter().map(|event| event["id"].as_i64()).collect::<HashSet<_>>().len(), events.len());
    for name in ["authn_login_success", "authn_login_fail", "authn_login_refused", "authz_change", "user_banned"] {
        assert!(events.iter().any(|event| event["event"] == json!(name)), "{name} is not in {all}");
    }
    let role = events.iter().find(|event| event["event"] == json!("authz_change")).unwrap();
    assert_eq!(role["detail"], json!("user -> admin"));
    assert!(!all.contains(PASSWORD) && !all.contains("a wrong password 1"), "{all}");

    // Every event is before a time or not.
    let middle = events[events.len() / 2]["at"].as_str().unwrap();
    let before = lines(&log.audit("export", &["--until", middle]).ok());
    let after = lines(&log.audit("export", &["--from", middle]).ok());
    assert!(!before.is_empty() && after.first() == events.get(events.len() / 2), "{middle}: {after:?}");
    assert_eq!([before, after].concat(), events);

    // What waits for its place comes last.
    let waiting = log.attacked("UPDATE audit_events SET position = NULL, hash = NULL WHERE position = 2");
    let exported = lines(&waiting.audit("export", &[]).ok());
    assert_eq!(exported.len(), events.len());
    assert_eq!(
        (&exported.last().unwrap()["id"], &exported.last().unwrap()["position"]),
        (&events[1]["id"], &Value::Null)
    );

    let path = log.home.path().join("events.jsonl");
    let told = log.audit("export", &["--out", "events.jsonl", "--json"]).ok();
    assert_eq!(lines(&told), [json!({ "events": events.len(), "file": "events.jsonl" })]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), all);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    log.audit("export", &["--out", "events.jsonl", "--until", "1970-01-01T00:00:00Z"])
        .refused(1, &["events.jsonl", "exists"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), all);
}

/// The events among the lines of a service's standard output.
fn streamed(stdout: &str) -> Vec<Value> {
    let objects = stdout.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = objects.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["target"] == json!("keystead::audit")), "{lines:?}");
    lines
}

#[tokio::test]
async fn every_event_is_a_line_on_standard_output_once() {
    let home = tempfile::tempdir().unwrap();
    let on_data = |words: &[&str]| {
        let mut command = command(home.path(), &[words[0], words[1], "--data-dir", "keystead-dev"]);
        command.args(&words[2..]);
        command
    };
    let service = Keystead::dev(home.path(), &["--limits", "off", "--audit"]);
    live(&Api::new(service.url()), |words| on_data(&[&["user"][..], words].concat())).await;
    let exported = eventually(PATIENCE, "every event is shown", async || {
        let exported = lines(&finish(on_data(&["audit", "export"]), "").ok());
        let has_place = exported.iter().all(|event| event["position"].is_i64());
        (has_place && streamed(&service.stdout()).len() >= exported.len()).then_some(exported)
    })
    .await;
    let stdout = service.stdout();
    assert!(stdout.starts_with("keystead listening on "), "{stdout}");
    let shown = streamed(&stdout);
    assert_eq!(shown.len(), exported.len());
    for (shown, exported) in shown.iter().zip(&exported) {
        for field in ["event", "at", "actor", "impersonator", "subject", "session", "ip", "position", "detail"] {
            assert_eq!(shown.get(field).unwrap_or(&Value::Null), &exported[field], "{field} of {exported}");
        }
        assert!(shown.get("userAgent").is_none() && shown.get("user_agent").is_none(), "{shown}");
    }
    assert!(!service.log().contains("keystead::audit"), "{}", service.log());
    assert!(!stdout.contains(PASSWORD) && !stdout.contains("a wrong password 1"), "{stdout}");
}

#[tokio::test]
async fn serve_shows_events_unless_told_not_to_and_dev_only_when_asked() {
    let configured = Configured::new(&[]);
    let add = |address: &str| finish(configured.command(&["user", "add"], &["--email", address]), "").ok();
    let service = configured.serve(&["log.level=error"]);
    add("ada@example.com");
    let line = eventually(PATIENCE, "the event is shown", async || streamed(&service.stdout()).pop()).await;
    assert_eq!(line["level"], json!("INFO"));
    drop(service);

    let quiet = configured.serve_command(&["audit.stream=false"]);
    let stdout = output_of(quiet, async |_| drop(add("bob@example.com"))).await;
    assert_eq!(streamed(&stdout), [] as [Value; 0]);
    let home = tempfile::tempdir().unwrap();
    let dev = command(home.path(), &["dev", "--listen", "127.0.0.1:0"]);
    let fail = async |url: &str| drop(Api::new(url).login("nobody@example.com", PASSWORD).await.expect(401));
    let stdout = output_of(dev, fail).await;
    assert!(stdout.contains("/dev/mail") && streamed(&stdout).is_empty(), "{stdout}");
}

/// Everything a service prints until its end, which comes when this is done.
async fn output_of(mut service: Command, act: impl AsyncFnOnce(&str)) -> String {
    let mut child = service.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    act(text.trim_end().strip_prefix("keystead listening on ").unwrap()).await;
    let kill = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap();
    assert!(kill.success());
    output.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}
