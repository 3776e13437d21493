//! G20: two replicas of the version before serve while this version migrates; each is replaced in turn, then taken back.
//! People who are signed in stay signed in, and nothing they ask fails.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keystead_test_servers::{Database, Postgres, Redis};

use super::Bed;
use super::report::Report;
use crate::api::{self, Tokens, post};
use crate::http::{Connection, Reply, request};
use crate::service::Service;
use crate::{Outcome, sample, shell};

/// People who stay signed in, and those who sign in and out all the time.
const SIGNED_IN: usize = 4;
const VISITORS: usize = 2;
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_mins(2);
/// Accepted by name, because everything runs on this machine; no mail, so no registrations.
const SETTINGS: [&str; 3] =
    ["unsafe_allow=plain-http,plain-postgres,plain-redis,limits-off", "limits.mode=off", "log.level=warn"];

/// The binary of the version before: a finished one, or one built from a revision, in folders of its own.
pub(super) fn previous(root: &Path, given: Option<&Path>, revision: Option<&str>) -> Outcome<Option<PathBuf>> {
    let Some(revision) = revision else { return Ok(given.map(std::path::absolute).transpose()?) };
    let git = || {
        let mut git = Command::new("git");
        git.current_dir(root);
        git
    };
    let commit = shell::read(git().args(["rev-parse", "--verify", &format!("{revision}^{{commit}}")]))?;
    let folder = shell::target_dir(root)?.join("prove/previous");
    let source = folder.join(commit.trim());
    std::fs::create_dir_all(&source)?;
    let archive = source.with_extension("tar");
    shell::run(git().args(["archive", "--output"]).arg(&archive).arg(commit.trim()))?;
    shell::run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source))?;
    let target = folder.join("target");
    let build = ["build", "--release", "--locked", "--package", "keystead-api-actix", "--bin", "keystead"];
    shell::run(shell::cargo(&source).args(build).arg("--target-dir").arg(&target))?;
    Ok(Some(target.join("release/keystead")))
}

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let Some(previous) = &bed.previous else {
        report.note("G20", "the version before serves while this one migrates", "not run: no version before was named");
        return Ok(());
    };
    let site = Site::prepare(bed, previous)?;
    site.command(previous, &["migrate"])?;
    for number in 0..SIGNED_IN + VISITORS {
        site.add_user(previous, &email(number))?;
    }
    let replicas = [site.serve(previous)?, site.serve(previous)?];
    let people = People::of([replicas[0].address(), replicas[1].address()]);
    let applied = std::thread::scope(|scope| {
        let people = &people;
        let live = |number| scope.spawn(move || people.live(number));
        let clients: Vec<_> = (0..SIGNED_IN + VISITORS).map(live).collect();
        let outcome = change_versions(&site, (previous, &bed.keystead), replicas, people);
        people.stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().map_err(|_| "a client panicked")?;
        }
        outcome
    })?;
    let failures = people.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    for failure in failures.iter().take(20) {
        println!("failed: {failure}");
    }
    let seen = format!(
        "{applied} migrations; {} requests, {} of them asked again at the other replica; {} failures, {} of {SIGNED_IN} \
         sessions alive",
        people.answered.load(Ordering::SeqCst),
        people.repeated.load(Ordering::SeqCst),
        failures.len(),
        people.alive.load(Ordering::SeqCst),
    );
    let holds = failures.is_empty() && people.alive.load(Ordering::SeqCst) == SIGNED_IN;
    let promise = "the version before serves while this one migrates, beside it, and again after it";
    report.add("G20", promise, seen, holds);
    Ok(())
}

fn email(number: usize) -> String {
    format!("user{number}@example.com")
}

/// Old and old, migrated, new and old, new and new, old and new, old and old again. Returns how many migrations were
/// applied.
fn change_versions(site: &Site, (old, new): (&Path, &Path), replicas: [Service; 2], people: &People) -> Outcome<usize> {
    let mut replicas = replicas.map(Some);
    people.go_on()?;
    let applied = site.command(new, &["migrate"])?.lines().filter(|line| line.starts_with("applied ")).count();
    people.go_on()?;
    for binary in [new, old] {
        for (place, replica) in replicas.iter_mut().enumerate() {
            if let Some(running) = replica.take() {
                running.end()?;
            }
            let next = site.serve(binary)?;
            people.address(place, next.address());
            *replica = Some(next);
            people.go_on()?;
        }
    }
    Ok(applied)
}

/// What the replicas stand on. Field order is drop order.
struct Site {
    folder: PathBuf,
    _database: Database,
    _postgres: Postgres,
    _redis: Redis,
}

impl Site {
    fn prepare(bed: &Bed, previous: &Path) -> Outcome<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        let database = postgres.fresh_database()?;
        let folder = bed.folder.path().join("upgrade");
        std::fs::create_dir_all(&folder)?;
        let mut init = Command::new(previous);
        init.args(["init", "--public-url", "http://127.0.0.1:8787", "--listen", "127.0.0.1:0"]);
        init.args(["--postgres", database.url(), "--redis", redis.url(), "--out", "keystead.toml"]);
        shell::read(init.current_dir(&folder))?;
        Ok(Self { folder, _database: database, _postgres: postgres, _redis: redis })
    }

    fn prepared(&self, binary: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(&self.folder).args(words).args(["--config", "keystead.toml"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        command
    }

    fn command(&self, binary: &Path, words: &[&str]) -> Outcome<String> {
        shell::read(&mut self.prepared(binary, words))
    }

    fn add_user(&self, binary: &Path, email: &str) -> Outcome {
        let mut command = self.prepared(binary, &["user", "add", "--password-stdin", "--email", email]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            writeln!(stdin, "{}", api::PASSWORD)?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("keystead user add: {status}").into()) }
    }

    fn serve(&self, binary: &Path) -> Outcome<Service> {
        let service = Service::start(self.prepared(binary, &["serve"]), &self.folder.join("log"))?;
        service.wait_until_ready()?;
        Ok(service)
    }
}

/// People who ask both replicas in turn, and the other one when a connection fails.
struct People {
    addresses: Mutex<[SocketAddr; 2]>,
    stop: AtomicBool,
    answered: AtomicUsize,
    repeated: AtomicUsize,
    /// Sessions that were refreshed to the end.
    alive: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl People {
    fn of(addresses: [SocketAddr; 2]) -> Self {
        let (answered, repeated, alive) = <_>::default();
        let (stop, failures) = (AtomicBool::new(false), Mutex::default());
        Self { addresses: Mutex::new(addresses), stop, answered, repeated, alive, failures }
    }

    fn address(&self, place: usize, address: SocketAddr) {
        if let Some(old) = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            *old = address;
        }
    }

    /// Waits until every kind of request was answered many times more.
    fn go_on(&self) -> Outcome {
        let wanted = self.answered.load(Ordering::SeqCst) + 400;
        let deadline = sample::now() + PATIENCE;
        while self.answered.load(Ordering::SeqCst) < wanted {
            if sample::now() > deadline {
                return Err("the clients do not get on".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn live(&self, number: usize) {
        let outcome = if number < SIGNED_IN { self.stay(number) } else { self.visit(number) };
        if let Err(error) = outcome {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{}: {error}", email(number)));
        }
    }

    fn stay(&self, number: usize) -> Outcome {
        let mut turn = number;
        let mut tokens = self.sign_in(&mut turn, number)?;
        while !self.stop.load(Ordering::SeqCst) {
            let refreshed = self.ask(&mut turn, &api::refresh_request(&tokens)?, 200, "refresh")?;
            tokens = Tokens::read(&refreshed, Some(&tokens.client))?;
            self.ask(&mut turn, &api::verify_token_request(&tokens), 200, "token/verify")?;
            let headers = tokens.headers();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.ask(&mut turn, &request("GET", "/api/v1/users/me", &headers, None), 200, "users/me")?;
            // A person, not a machine: rotations of one session are limited.
            std::thread::sleep(Duration::from_millis(20));
        }
        self.alive.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn visit(&self, number: usize) -> Outcome {
        let mut turn = number;
        while !self.stop.load(Ordering::SeqCst) {
            let tokens = self.sign_in(&mut turn, number)?;
            self.ask(&mut turn, &post("/auth/logout", Some(&tokens), None), 204, "logout")?;
        }
        Ok(())
    }

    fn sign_in(&self, turn: &mut usize, number: usize) -> Outcome<Tokens> {
        let reply = self.ask(turn, &api::login_request(&email(number), api::PASSWORD), 200, "login")?;
        Tokens::read(&reply, None)
    }

    /// Asks one replica, and when the connection fails the other.
    fn ask(&self, turn: &mut usize, bytes: &[u8], status: u16, what: &str) -> Outcome<Reply> {
        let mut last = None;
        for attempt in 0..3 {
            *turn += 1;
            let addresses = *self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(address) = addresses.get(*turn % addresses.len()) else { continue };
            match Connection::to(*address).send(bytes) {
                Ok(reply) => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    self.repeated.fetch_add(usize::from(attempt > 0), Ordering::SeqCst);
                    return reply.expect(status, what);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(format!("{what}: neither replica answers: {last:?}").into())
    }
}
