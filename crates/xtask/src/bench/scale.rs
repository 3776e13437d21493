//! `cargo xtask bench --scale`: what each operation costs with a thousand to a million users, on PostgreSQL + Redis and
//! on SQLite.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use keystead_test_servers::Redis;
use serde_json::Value;

use super::Bench;
use super::shared::get;
use super::sink::MailSink;
use super::stores::{Config, Stores, redis_info};
use crate::api::{self, Api, Tokens};
use crate::sample::{self, Chance};
use crate::service::Service;
use crate::{Outcome, shell};

/// The account whose password all others have.
const LIKE: &str = "bench@example.com";
/// The cheapest hash there is (1 MiB, one pass), so that what a login takes is what its stores take.
const CHEAP: [&str; 2] = ["passwords.argon2.memory_kib=1024", "passwords.argon2.passes=1"];
/// How often each operation is timed.
const SAMPLES: u32 = 400;
/// How much a p50 may grow from the first size to the last.
const FLAT: f64 = 1.2;

/// Median and 99th percentile of an operation, in milliseconds, by number of users.
type Figures = BTreeMap<u64, (f64, f64)>;

/// What was measured on one kind of store.
struct Report {
    title: &'static str,
    /// In the order measured.
    operations: Vec<(String, Figures)>,
    notes: Vec<String>,
}

/// Fills, measures, prints and writes `target/bench/scale.md`.
pub(super) fn run(bench: &Bench, powers: u32, target: &Path) -> Outcome {
    let sizes: Vec<u64> = (3..=powers).map(|power| 10_u64.pow(power)).collect();
    let mut text = format!("{}\n", super::heading(bench).split(';').next().unwrap_or_default());
    for report in [shared(bench, &sizes)?, embedded(bench, &sizes)?] {
        let table = report.table(&sizes);
        println!("{table}");
        text.push_str(&table);
    }
    let file = target.join("bench/scale.md");
    std::fs::create_dir_all(target.join("bench"))?;
    std::fs::write(&file, &text)?;
    println!("written to {}", file.display());
    Ok(())
}

/// Stores of one size, and what they occupy.
struct Size {
    users: u64,
    config: Config,
    /// Bytes on disk, and in Redis.
    occupied: Box<dyn Fn() -> Outcome<(u64, Option<u64>)>>,
}

/// A database for each size, all on one PostgreSQL, and a Redis for each: it would hide its own size behind the others.
fn shared(bench: &Bench, users: &[u64]) -> Outcome<Report> {
    let stores = Stores::start()?;
    let postgres = Rc::new(stores.postgres);
    let mut sizes = Vec::new();
    for users in users {
        let (redis, database) = (Rc::new(Redis::start()?), Rc::new(postgres.fresh_database()?));
        let file = bench.folder.path().join(format!("scale-{users}.toml"));
        let config = Config::shared(&bench.keystead, file, &database, &redis, Some(&stores.mail))?;
        let (postgres, name) = (Rc::clone(&postgres), Rc::clone(&database));
        let occupied = move || {
            let disk = postgres.execute(&format!("SELECT pg_database_size('{}')", name.name()))?;
            Ok((disk.trim().parse()?, Some(redis_info(&redis, "used_memory")?)))
        };
        sizes.push(Size { users: *users, config, occupied: Box::new(occupied) });
    }
    measure(bench, "PostgreSQL + Redis", &sizes)
}

fn embedded(bench: &Bench, users: &[u64]) -> Outcome<Report> {
    let mail = MailSink::start()?;
    let mut sizes = Vec::new();
    for users in users {
        let folder = bench.folder.path().join(format!("scale-{users}"));
        std::fs::create_dir(&folder)?;
        let config = Config::embedded(&bench.keystead, &folder, Some(&mail))?;
        let occupied = move || Ok((std::fs::metadata(folder.join("keystead.db"))?.len(), None));
        sizes.push(Size { users: *users, config, occupied: Box::new(occupied) });
    }
    measure(bench, "SQLite", &sizes)
}

/// Fills the stores and times every operation on each size in turn.
fn measure(bench: &Bench, title: &'static str, sizes: &[Size]) -> Outcome<Report> {
    let mut report = Report { title, operations: Vec::new(), notes: Vec::new() };
    let mut probe = Command::new(&bench.yardsticks);
    probe.args(["probe", &SAMPLES.to_string()]);
    for Size { users, config, occupied } in sizes {
        config.add_user(LIKE, &CHEAP)?;
        let empty = occupied()?;
        let mut fill = Command::new(&bench.yardsticks);
        fill.arg("fill").arg(&config.file).args(["0", &users.to_string(), LIKE]);
        // Nobody needs these rows after a power cut.
        fill.env("KEYSTEAD_STORE__SYNCHRONOUS", "normal");
        print!("{title}: {}", shell::read(&mut fill)?);
        let now = occupied()?;
        let each = |(now, empty): (u64, u64)| now.saturating_sub(empty) / users;
        let memory = now.1.zip(empty.1).map(each).map_or(String::new(), |each| format!(", {each} of Redis a session"));
        report.notes.push(format!("{users} users: {} bytes on disk a user{memory}", each((now.0, empty.0))));
        probe.arg(&config.file).arg(users.to_string());
    }
    for line in shell::read(&mut probe)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let number = |name: &str| line.get(name).and_then(Value::as_f64).ok_or("no figure");
        let name = line.get("operation").and_then(Value::as_str).ok_or("no name")?;
        let users = line.get("users").and_then(Value::as_u64).ok_or("no size")?;
        report.add(name, users, (number("p50")? / 1000.0, number("p99")? / 1000.0));
    }
    requests(bench, sizes, &mut report)?;
    if let Some(largest) = sizes.last() {
        backlog(bench, largest, &mut report)?;
    }
    Ok(report)
}

/// A service on stores of one size, and a client of it.
struct Client {
    users: u64,
    service: Service,
    api: Api,
    chance: Chance,
    count: u64,
    sessions: Vec<Tokens>,
}

impl Client {
    fn start(bench: &Bench, size: &Size) -> Outcome<Self> {
        let service = size.config.serve(bench.server_core, "scale.log", &CHEAP)?;
        let (api, chance) = (Api::at(service.address()), Chance::new(size.users));
        Ok(Self { users: size.users, service, api, chance, count: 0, sessions: Vec::new() })
    }

    fn login(&mut self) -> Outcome {
        let number = self.chance.between(1, self.users + 1);
        self.sessions.push(self.api.login(&format!("u{number}@scale.example"))?);
        Ok(())
    }

    /// The session whose turn it is.
    fn session(&mut self) -> Outcome<Tokens> {
        self.sessions.rotate_left(1);
        Ok(self.sessions.last().ok_or("nobody has logged in")?.clone())
    }

    fn refresh(&mut self) -> Outcome {
        let session = self.session()?;
        let fresh = self.api.refresh(&session)?;
        if let Some(last) = self.sessions.last_mut() {
            *last = fresh;
        }
        Ok(())
    }

    fn get(&mut self, path: &str) -> Outcome {
        let session = self.session()?;
        get(&mut self.api, path, &session)
    }
}

/// Requests one after the other, each of another user, to every size in turn.
fn requests(bench: &Bench, sizes: &[Size], report: &mut Report) -> Outcome {
    let mut clients = sizes.iter().map(|size| Client::start(bench, size)).collect::<Outcome<Vec<_>>>()?;
    let mut time = |name: &str, operation: fn(&mut Client) -> Outcome| time(name, &mut clients, report, operation);
    time("login, with the cheapest hash", Client::login)?;
    time("register, with the cheapest hash", |client| {
        client.count += 1;
        client.api.register(&format!("new{}@scale.example", client.count)).map(drop)
    })?;
    time("refresh", Client::refresh)?;
    time("token/verify", |client| {
        let session = client.session()?;
        client.api.send(&api::verify_token_request(&session))?.expect(200, "token/verify").map(drop)
    })?;
    time("GET /users/me", |client| client.get("/api/v1/users/me"))?;
    time("GET /sessions", |client| client.get("/api/v1/sessions"))
}

fn time(name: &str, clients: &mut [Client], report: &mut Report, operation: fn(&mut Client) -> Outcome) -> Outcome {
    let mut millis = vec![Vec::new(); clients.len()];
    // The first tenth warms connections and caches.
    for round in 0..SAMPLES + SAMPLES / 10 {
        for (client, millis) in clients.iter_mut().zip(&mut millis) {
            let (took, done) = sample::timed(|| operation(client));
            done?;
            if round >= SAMPLES / 10 {
                millis.push(took);
            }
        }
    }
    for (client, millis) in clients.iter().zip(millis) {
        report.add(name, client.users, (sample::median(&millis), sample::percentile(&millis, 99)));
    }
    Ok(())
}

/// As many lapsed rows as there are users, tidied up while somebody logs in without a pause.
fn backlog(bench: &Bench, size: &Size, report: &mut Report) -> Outcome {
    let mut client = Client::start(bench, size)?;
    let mut tidy = Command::new(&bench.yardsticks);
    let mut tidy = tidy.arg("backlog").arg(&size.config.file).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(tidy.stdout.take().ok_or("no output")?).lines();
    lines.next().ok_or("nothing lapsed")??;
    let summary = std::thread::spawn(move || lines.next());
    let (mut millis, mut failed) = (Vec::new(), 0);
    while !summary.is_finished() {
        let (took, done) = sample::timed(|| client.login());
        if done.is_ok() { millis.push(took) } else { failed += 1 }
    }
    let summary = summary.join().map_err(|_| "the reader panicked")?.ok_or("housekeeping failed")??;
    tidy.wait()?;
    drop(client.service);
    let (p50, p99, slowest) =
        (sample::median(&millis), sample::percentile(&millis, 99), sample::percentile(&millis, 100));
    report.notes.push(format!(
        "a backlog of lapsed rows: {summary}; logins meanwhile: {} at p50 {p50:.2} ms, p99 {p99:.2} ms, slowest {slowest:.0} ms, {failed} failed",
        millis.len()
    ));
    Ok(())
}

impl Report {
    fn add(&mut self, name: &str, users: u64, figures: (f64, f64)) {
        println!("  {users:>8} {name}: p50 {:.2} ms, p99 {:.2} ms", figures.0, figures.1);
        match self.operations.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => {
                known.insert(users, figures);
            }
            None => self.operations.push((name.to_owned(), Figures::from([(users, figures)]))),
        }
    }

    /// Markdown.
    fn table(&self, sizes: &[u64]) -> String {
        let mut text = format!("\n### {}\n\n| p50 / p99 in ms | ", self.title);
        for size in sizes {
            let _ = write!(text, "{size} users | ");
        }
        let _ = write!(text, "p50, last to first | flat |\n|---|{}---|---|\n", "---|".repeat(sizes.len()));
        for (name, figures) in &self.operations {
            let _ = write!(text, "| {name} | ");
            for size in sizes {
                let cell = figures.get(size).map_or_else(|| "–".into(), |(p50, p99)| format!("{p50:.2} / {p99:.2}"));
                let _ = write!(text, "{cell} | ");
            }
            let ends = figures.first_key_value().zip(figures.last_key_value());
            let growth = ends.map_or(1.0, |((_, first), (_, last))| last.0 / first.0);
            let _ = writeln!(text, "{growth:.2} | {} |", if growth <= FLAT { "yes" } else { "NO" });
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "* {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_called_not_flat() {
        let mut report = Report { title: "x", operations: Vec::new(), notes: vec!["n".into()] };
        for (users, p50) in [(1000, 1.0), (10_000, 1.1)] {
            report.add("even", users, (p50, 2.0));
            report.add("steep", users, (p50 * p50 * p50, 2.0));
        }
        let text = report.table(&[1000, 10_000]);
        assert!(text.contains("| even | 1.00 / 2.00 | 1.10 / 2.00 | 1.10 | yes |"), "{text}");
        assert!(text.contains("| steep | 1.00 / 2.00 | 1.33 / 2.00 | 1.33 | NO |"), "{text}");
        assert!(text.contains("\n* n\n"));
    }
}
