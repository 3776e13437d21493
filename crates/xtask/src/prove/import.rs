//! Row 43: 100,000 users of another system are imported beside a running service, through a kill in the middle.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Bed;
use super::report::Report;
use crate::api::{self, Api};
use crate::{Outcome, sample, shell};

const USERS: usize = 100_000;
/// What the memory of a large import is held against.
const FEW: usize = 1000;
/// A hundred times the users may take this much more memory, in KiB: caches fill, nothing else grows.
const GROWTH_KIB: u64 = 16 * 1024;

/// A hash of each function, and its password: from test.c of Argon2's reference implementation, crypt_blowfish's tests,
/// Django's and passlib's tests.
const HASHES: [(&str, &str); 5] = [
    ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"),
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    ("pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=", "lètmein"),
    (
        "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        "lètmein",
    ),
    ("$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ", "password"),
];

pub(super) fn run(bed: &Bed, report: &mut Report) -> Outcome {
    let service = bed.start("import")?;
    let few = Import { bed, name: "few", users: FEW };
    let many = Import { bed, name: "many", users: USERS };
    few.write()?;
    many.write()?;
    let least = few.start("few-report")?.finish()?.peak_kib;
    let reported = kill_half_way(&many)?;
    let resumed = many.start("resumed")?.finish()?;
    let [imported, exists, refused] = ["imported", "exists", "refused"].map(|key| resumed.count(key));
    let seen = format!(
        "killed behind {reported} reported; run again: {imported} imported, {exists} there already, {refused} refused, {:.1} s",
        resumed.seconds
    );
    let complete = imported + exists == USERS && refused == 0 && exists >= reported;
    report.add("row 43", "an import that was killed is run again and ends complete", seen, complete);

    let peak = resumed.peak_kib;
    let seen = format!("{} MiB for {USERS} users, {} MiB for {FEW}", peak / 1024, least / 1024);
    report.add("row 43", "an import takes no more memory for more users", seen, peak < least + GROWTH_KIB);

    let emails = many.exported()?;
    let distinct = emails.iter().collect::<HashSet<_>>().len();
    let seen = format!("{} users, {distinct} addresses", emails.len());
    let whole = emails.len() == USERS && distinct == USERS;
    report.add("row 43", "nobody is missing and nobody is there twice", seen, whole);

    let third = many.start("third")?.finish()?;
    let seen = format!("{} there already, {:.1} s", third.count("exists"), third.seconds);
    report.add("row 43", "a run without anything to do imports nobody", seen, third.count("exists") == USERS);

    let mut api = Api::at(service.address());
    let mut signed_in = 0;
    for (n, (_, password)) in HASHES.iter().enumerate() {
        // One of the last users with each function; the second time it is a hash of ours.
        let email = many.email(USERS - HASHES.len() + n);
        for _ in 0..2 {
            signed_in += usize::from(api.send(&api::login_request(&email, password))?.status == 200);
        }
    }
    let seen = format!("{signed_in} of {} logins", 2 * HASHES.len());
    report.add("row 43", "hashes of every function sign in twice", seen, signed_in == 2 * HASHES.len());
    Ok(())
}

/// Kills an import once half of its users are reported. Returns how many were.
fn kill_half_way(import: &Import<'_>) -> Outcome<usize> {
    let mut running = import.start("killed")?;
    while running.reported() < import.users / 2 {
        if running.child.try_wait()?.is_some() {
            return Err("the import ended before it could be killed".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let reported = running.reported();
    drop(running);
    Ok(reported)
}

/// A file of users, and imports of it.
struct Import<'a> {
    bed: &'a Bed,
    name: &'static str,
    users: usize,
}

impl Import<'_> {
    fn email(&self, n: usize) -> String {
        format!("{}{n}@example.com", self.name)
    }

    fn write(&self) -> Outcome {
        let mut text = String::new();
        for (n, (hash, _)) in (0..self.users).zip(HASHES.iter().cycle()) {
            let email = self.email(n);
            writeln!(text, r#"{{"email":"{email}","emailVerified":true,"fullName":"User","passwordHash":"{hash}"}}"#)?;
        }
        Ok(std::fs::write(self.file(), text)?)
    }

    fn file(&self) -> PathBuf {
        self.bed.folder.path().join(format!("{}.jsonl", self.name))
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.bed.keystead);
        command.args(["user", verb, "--json", "--data-dir"]).arg(self.bed.folder.path().join("import"));
        command
    }

    /// Starts an import, with a report of this name.
    fn start(&self, report: &str) -> Outcome<Running> {
        let report = self.bed.folder.path().join(report);
        let mut command = self.command("import");
        command.arg(self.file()).arg("--report").arg(&report);
        let started = sample::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        Ok(Running { child, report, started })
    }

    /// The addresses of the users of this file who are there.
    fn exported(&self) -> Outcome<Vec<String>> {
        let lines = shell::read(&mut self.command("export"))?;
        let mut emails = Vec::with_capacity(self.users);
        for line in lines.lines() {
            let user: Value = serde_json::from_str(line)?;
            let email = user.get("email").and_then(Value::as_str).unwrap_or_default();
            emails.extend(email.starts_with(self.name).then(|| email.to_owned()));
        }
        Ok(emails)
    }
}

/// An import under way. It is killed when this is dropped.
struct Running {
    child: Child,
    report: PathBuf,
    started: Instant,
}

/// An import that ended by itself.
struct Finished {
    summary: Value,
    seconds: f64,
    /// The largest its resident set ever was.
    peak_kib: u64,
}

impl Running {
    /// Users its report has. It is written batch by batch.
    fn reported(&self) -> usize {
        std::fs::read_to_string(&self.report).map_or(0, |report| report.lines().count())
    }

    /// Waits for its end.
    fn finish(mut self) -> Outcome<Finished> {
        let status = format!("/proc/{}/status", self.child.id());
        let mut peak_kib = 0;
        let ended = loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak_kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak_kib);
            if let Some(ended) = self.child.try_wait()? {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let seconds = self.started.elapsed().as_secs_f64();
        let mut summary = String::new();
        self.child.stdout.take().ok_or("no standard output")?.read_to_string(&mut summary)?;
        if !ended.success() {
            return Err(format!("the import failed: {ended} {summary}").into());
        }
        Ok(Finished { summary: serde_json::from_str(&summary)?, seconds, peak_kib })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// A figure of the summary.
    fn count(&self, key: &str) -> usize {
        self.summary.get(key).and_then(Value::as_u64).and_then(|count| count.try_into().ok()).unwrap_or(0)
    }
}
