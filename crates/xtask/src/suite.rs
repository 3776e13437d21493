//! `cargo xtask test`: set-up, build, servers, every test, the end-to-end suite once more on the stores of many replicas,
//! the architecture check, the check of what it is all built from, the claims that tests show, and one line that sums it up.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use keystead_test_servers::Suite;

use crate::conformance::{self, EMBEDDED, REPLICAS, Ran};
use crate::{Outcome, arch, setup, shell, supply};

/// Test results, added up over all test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    /// Adds one line of a test program's output, when it is its result.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        self.passed += number_before(result, " passed;");
        self.failed += number_before(result, " failed;");
    }
}

/// Runs everything. The last line on standard output is `N passed, N failed`.
pub(crate) fn run(root: &Path, filter: &[String]) -> Outcome {
    let (tally, outcome) = match all(root, filter) {
        Ok(tally) if tally.failed > 0 => (tally, Err("tests failed".into())),
        Ok(tally) if tally.passed == 0 => (tally, Err("no test ran".into())),
        Ok(tally) => (tally, Ok(())),
        Err(error) => (Tally { passed: 0, failed: 1 }, Err(error)),
    };
    println!("{tally}");
    outcome
}

/// Tells the end-to-end suite which stores to run on: `embedded` or `replicas`.
const STORES: &str = "KEYSTEAD_TEST_STORES";

/// How many tests a test program runs at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// Half as many again as there are cores, unless told otherwise: tests wait for processes, servers and clocks, too.
fn threads() -> usize {
    let told = std::env::var(THREADS).ok().and_then(|told| told.parse().ok());
    told.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, |cores| cores.get() * 3 / 2))
}

fn all(root: &Path, filter: &[String]) -> Outcome<Tally> {
    setup::ensure()?;
    // The tests start the binary itself too; `cargo test` alone does not build it.
    shell::run(shell::cargo(root).args(["build", "--workspace"]))?;
    // They end with this value, or with this process, however it ends.
    let servers = Suite::start()?;
    print!("{servers}");
    let (mut tally, mut ran) = (Tally::default(), Ran::default());
    // The same packages both times, so that the second run compiles nothing.
    for (stores, described, targets, skipped) in RUNS {
        println!("== tests on {stores}: {described}");
        let mut command = shell::cargo(root);
        command.args(["test", "--workspace", "--no-fail-fast"]).args(targets).arg("--").args(filter);
        command.args(skipped.iter().flat_map(|name| ["--skip", name]));
        command.env(STORES, stores).envs(servers.variables()).env(THREADS, threads().to_string());
        tally += cargo_test(&mut command, stores, &mut ran, std::io::stdout().lock(), std::io::stderr())?;
    }
    drop(servers);
    // With a filter most of what is claimed did not run, and nobody expects it to have.
    let claims = if filter.is_empty() { claims(root, &ran) } else { Ok(()) };
    for failure in [arch::run(root), supply::run(root), claims].into_iter().filter_map(Result::err) {
        println!("{failure}");
        tally.failed += 1;
    }
    Ok(tally)
}

/// Whether whatever is named as the proof of something ran.
fn claims(root: &Path, ran: &Ran) -> Outcome {
    let problems = conformance::not_shown(root, ran)?;
    match problems.len() {
        0 => Ok(()),
        n => Err(format!("{}\nclaims: {n} not shown by this run", problems.join("\n")).into()),
    }
}

/// A run: the stores of the end-to-end suite, in words, which test programs take part, and what is left to another run.
type Run = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// Every run. What brings stores of its own, has none, or computes for a minute without any, does the same in each, and is
/// run once.
const RUNS: [Run; 2] = [
    (EMBEDDED, "all tests; end to end on SQLite, one process", &[], &["faults::", "deploy::"]),
    (
        REPLICAS,
        "end to end on PostgreSQL and Redis, two replicas",
        &["--test", "e2e"],
        &[
            "factors::guesses::",
            "srp_clients::module::",
            "srp_clients::many::",
            "process::dev::",
            "process::cli::audit::",
        ],
    ),
];

/// Runs `cargo test`, passing its output through to `shown` and `complaints` while counting, and adds what ran.
fn cargo_test(
    command: &mut Command,
    stores: &str,
    ran: &mut Ran,
    mut shown: impl Write,
    complaints: impl Write + Send + 'static,
) -> Outcome<Tally> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let told = child.stderr.take().map(|stderr| pass_on(stderr, complaints));
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line?;
            let text = String::from_utf8_lossy(&line);
            tally.add(&text);
            ran.add(stores, &text);
            shown.write_all(&line)?;
            shown.write_all(b"\n")?;
        }
    }
    let status = child.wait()?;
    // The other end is closed, unless a test left a process behind; such a one is not waited for.
    for line in told.iter().flat_map(|lines| std::iter::from_fn(|| lines.recv_timeout(LAST_WORDS).ok())) {
        ran.add_told(&line);
    }
    // A test that does not compile, or a test program that died, prints no result of its own.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// How long to wait for the next line of programs that have ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Passes standard error on, and hands its lines out.
fn pass_on(stderr: ChildStderr, mut shown: impl Write + Send + 'static) -> Receiver<String> {
    let (lines, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            // Whoever reads either may be gone; the tests are not to stop for it.
            let _ = shown.write_all(&[line.as_slice(), b"\n"].concat());
            let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    received
}

fn number_before(text: &str, unit: &str) -> u64 {
    let Some((before, _)) = text.split_once(unit) else { return 0 };
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s",
            "all doctests ran in 0.30s; 4 passed; 9 failed;",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
        assert_eq!(tally.to_string(), "15 passed, 2 failed");
        tally += Tally { passed: 1, failed: 1 };
        assert_eq!(tally, Tally { passed: 16, failed: 3 });
    }

    #[test]
    fn what_a_run_prints_is_counted_and_kept_by_its_stores() {
        let script = "echo 'test attacks::a::j01_a ... ok'; echo 'test attacks::a::j02_b ... FAILED'; \
            echo 'attacks::a::j01_a: on a SQLite file in every run: why' >&2; \
            echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101";
        let mut ran = Ran::default();
        // Not to be taken for results of the run this test is part of.
        let mut shown = Vec::new();
        let mut run = |script, stores, ran: &mut Ran| {
            cargo_test(Command::new("sh").args(["-c", script]), stores, ran, &mut shown, std::io::sink()).unwrap()
        };
        let tally = run(script, REPLICAS, &mut ran);
        assert_eq!(tally, Tally { passed: 1, failed: 1 });
        assert_eq!(ran.on(REPLICAS).collect::<Vec<_>>(), ["attacks::a::j02_b"]);
        let died = run("exit 101", EMBEDDED, &mut ran);
        assert_eq!(died, Tally { passed: 0, failed: 1 });
        assert_eq!(ran.on(EMBEDDED).count(), 0);
        assert_eq!(String::from_utf8(shown).unwrap().lines().count(), 3);
    }
}
