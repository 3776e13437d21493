//! `cargo xtask fuzz`: builds the fuzz program with the coverage instrumentation libFuzzer reads, on stable Rust, and runs
//! every target for a set time. What broke a target is minimised and kept beside the corpus.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use clap::Args;

use crate::{Outcome, shell};

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this target; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How long each target runs, in seconds.
    #[arg(long, value_name = "N", default_value_t = 300)]
    seconds: u64,
    /// How many targets run at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Only names the targets.
    #[arg(long)]
    list: bool,
}

/// What cargo-fuzz passes, without a sanitizer: those need nightly, and no code of ours is unsafe.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1 --cfg fuzzing";

/// The release profile, with everything on that turns a silent mistake into a panic.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
];

/// Tells the program which target to run; `?` has it print them all.
const TARGET: &str = "KEYSTEAD_FUZZ_TARGET";

/// One input may take this long, in seconds, and the process this much memory, in MiB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

/// How long a finding is made smaller, in seconds.
const MINIMISING: u64 = 60;

/// Where everything is.
struct Places {
    program: PathBuf,
    /// What a run leaves behind: grown corpora, logs, inputs that broke something. Nothing here is committed.
    work: PathBuf,
    /// `crates/fuzz`.
    package: PathBuf,
}

/// A target as the program names it: its name and the longest input worth trying.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    longest: usize,
}

/// What a run of a target came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    /// Edges reached by the corpus, and at the end.
    edges: (u64, u64),
    /// Inputs that reached something new.
    new_units: u64,
}

/// Builds and runs.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let places = build(root)?;
    let targets = targets(&places)?;
    if options.list {
        for target in &targets {
            println!("{}", target.name);
        }
        return Ok(());
    }
    let unknown: Vec<_> =
        options.only.iter().filter(|name| targets.iter().all(|target| target.name != **name)).collect();
    if !unknown.is_empty() {
        return Err(format!("no target is called {unknown:?}; `cargo xtask fuzz --list` names them").into());
    }
    let wanted = |target: &Target| options.only.is_empty() || options.only.contains(&target.name);
    let queue: Mutex<VecDeque<Target>> = Mutex::new(targets.into_iter().filter(wanted).collect());
    // In the condition of the loop the lock would be held for its whole body.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let findings = Mutex::new(Vec::new());
    println!("| target | executions | edges: corpus, end | new inputs | findings |\n|---|---|---|---|---|");
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(target) = next() {
                    match fuzz(&places, &target, options.seconds) {
                        Ok((figures, found)) => {
                            println!("{}", row(&target.name, &figures, found.len()));
                            findings.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                        }
                        Err(error) => {
                            let said = format!("{}: {error}", target.name);
                            findings.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                        }
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n\n").into()) }
}

/// Builds the program apart from everything else, so that no other build is thrown away.
fn build(root: &Path) -> Outcome<Places> {
    if std::env::var_os("CXX").is_none() && !["c++", "g++", "clang++"].into_iter().any(shell::on_path) {
        return Err("libFuzzer is built with a C++ compiler, and there is none: apt-get install g++".into());
    }
    let version = shell::read(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not say its host")?;
    let work = shell::target_dir(root)?.join("fuzz");
    let mut cargo = shell::cargo(root);
    cargo.args(["build", "--release", "--package", "keystead-fuzz", "--bin", "fuzz", "--features", "libfuzzer"]);
    // With a target named, build scripts and procedural macros are built without the flags: they cannot link them.
    cargo.args(["--target", host, "--target-dir"]).arg(&work);
    shell::run(cargo.envs(PROFILE).env("RUSTFLAGS", RUSTFLAGS).env("CARGO_INCREMENTAL", "0"))?;
    Ok(Places { program: work.join(host).join("release/fuzz"), work, package: root.join("crates/fuzz") })
}

/// Every target, as the program names them.
fn targets(places: &Places) -> Outcome<Vec<Target>> {
    let mut command = Command::new(&places.program);
    let output = command.env(TARGET, "?").stderr(Stdio::null()).output()?;
    let targets = parsed_targets(&String::from_utf8(output.stdout)?);
    if targets.is_empty() { Err("the fuzz program names no target".into()) } else { Ok(targets) }
}

fn parsed_targets(text: &str) -> Vec<Target> {
    let parsed = |line: &str| {
        let (name, longest) = line.split_once(' ')?;
        Some(Target { name: name.to_owned(), longest: longest.parse().ok()? })
    };
    text.lines().filter_map(parsed).collect()
}

/// Runs one target. Findings are sentences that say where the input is and what to do with it.
fn fuzz(places: &Places, target: &Target, seconds: u64) -> Outcome<(Figures, Vec<String>)> {
    let name = &target.name;
    let [grown, broken, logs] = ["corpus", "broken", "logs"].map(|folder| places.work.join(folder));
    let (grown, broken) = (grown.join(name), broken.join(name));
    let regressions = places.package.join("regressions").join(name);
    for folder in [&grown, &broken, &logs] {
        fs::create_dir_all(folder)?;
    }
    let log = logs.join(format!("{name}.log"));
    let mut command = Command::new(&places.program);
    command.env(TARGET, name).args(LIMITS).arg("-print_final_stats=1").arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={}", target.longest)).arg(format!("-artifact_prefix={}/", broken.display()));
    // The first folder is the one that grows.
    command.args([&grown, &places.package.join("corpus").join(name)]);
    command.args([&regressions].into_iter().filter(|folder| folder.is_dir()));
    let status = command.stdout(Stdio::null()).stderr(File::create(&log)?).status()?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut findings = Vec::new();
    for input in written(&said) {
        findings.push(kept(places, target, &input, &regressions, &said)?);
    }
    if !status.success() && findings.is_empty() {
        return Err(format!("{status}; see {}", log.display()).into());
    }
    Ok((figures(&said), findings))
}

/// Makes an input that broke a target smaller and keeps it with the regressions.
fn kept(places: &Places, target: &Target, input: &Path, regressions: &Path, said: &str) -> Outcome<String> {
    let file = input.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let small = input.with_extension("small");
    if file.starts_with("crash-") {
        let mut command = Command::new(&places.program);
        command.env(TARGET, &target.name).args(LIMITS).arg("-minimize_crash=1");
        command.arg(format!("-max_total_time={MINIMISING}")).arg(format!("-exact_artifact_path={}", small.display()));
        // It fails when it cannot make the input any smaller.
        let _ = command.arg(input).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    }
    fs::create_dir_all(regressions)?;
    let place = regressions.join(file.chars().take(18).collect::<String>());
    fs::copy(if small.is_file() { &small } else { input }, &place)?;
    let mut sentence = String::new();
    let why = panic_of(said).unwrap_or_else(|| "it took too long or too much memory".to_owned());
    write!(
        sentence,
        "{}: {why}\n  input: {}\n  what to do: write a unit test beside the parser that fails for the same reason, mend the \
         parser, see `cargo test -p keystead-fuzz` pass, and commit the three together",
        target.name,
        place.display()
    )?;
    Ok(sentence)
}

/// The files libFuzzer says it wrote an input to, but for those that were only slow.
fn written(said: &str) -> Vec<PathBuf> {
    let paths = said.lines().filter_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim());
    paths.filter(|path| !path.contains("/slow-unit-")).map(PathBuf::from).collect()
}

/// What the panic said: where, and the line behind it.
fn panic_of(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("panicked at ")?;
    Some(rest.lines().take(2).collect::<Vec<_>>().join(" ").chars().take(400).collect())
}

/// The figures of a run.
fn figures(said: &str) -> Figures {
    let number =
        |line: &str, label: &str| -> Option<u64> { line.split_once(label)?.1.split_whitespace().next()?.parse().ok() };
    let of = |label: &str| said.lines().find_map(|line| number(line, label)).unwrap_or(0);
    let edges = |line: &str| number(line, " cov: ");
    let first = said.lines().filter(|line| line.contains("INITED")).find_map(edges).unwrap_or(0);
    Figures {
        executions: of("stat::number_of_executed_units:"),
        edges: (first, said.lines().filter_map(edges).next_back().unwrap_or(first)),
        new_units: of("stat::new_units_added:"),
    }
}

fn row(name: &str, figures: &Figures, findings: usize) -> String {
    let Figures { executions, edges: (first, last), new_units } = figures;
    format!("| {name} | {executions} | {first}, {last} | {new_units} | {findings} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
INFO: Running with entropic power schedule (0xFF, 100).
#31\tINITED cov: 412 ft: 530 corp: 12/1Kb exec/s: 0 rss: 60Mb
#1024\tNEW    cov: 420 ft: 545 corp: 13/1Kb lim: 400 exec/s: 0 rss: 61Mb L: 9/80 MS: 1 EraseBytes-
#9000\tDONE   cov: 433 ft: 560 corp: 20/2Kb lim: 400 exec/s: 300 rss: 61Mb
artifact_prefix='/w/broken/email/'; Test unit written to /w/broken/email/slow-unit-1234
stat::number_of_executed_units: 9000
stat::average_exec_per_sec:     300
stat::new_units_added:          8
";

    #[test]
    fn the_figures_of_a_run_are_read_from_what_it_said() {
        assert_eq!(figures(SAID), Figures { executions: 9000, edges: (412, 433), new_units: 8 });
        assert_eq!(row("email", &figures(SAID), 0), "| email | 9000 | 412, 433 | 8 | 0 |");
        assert_eq!(figures("nothing"), Figures::default());
    }

    #[test]
    fn a_finding_is_told_from_what_was_only_slow() {
        assert_eq!(written(SAID), [] as [PathBuf; 0]);
        assert_eq!(panic_of(SAID), None);
        let broken = "thread '<unnamed>' panicked at crates/fuzz/src/check.rs:10:5:\nno JSON pointer: \"x\"\nnote: run\n\
            artifact_prefix='/w/'; Test unit written to /w/crash-adc83b19\n";
        assert_eq!(written(broken), [PathBuf::from("/w/crash-adc83b19")]);
        assert_eq!(panic_of(broken).unwrap(), "crates/fuzz/src/check.rs:10:5: no JSON pointer: \"x\"");
    }

    #[test]
    fn targets_are_named_by_the_program() {
        let named = parsed_targets("email 400\nquery 4200\nINFO: something\n");
        assert_eq!(
            named,
            [("email", 400), ("query", 4200)].map(|(name, longest)| Target { name: name.into(), longest })
        );
    }
}
