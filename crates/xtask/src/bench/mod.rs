//! `cargo xtask bench`: figures as ratios from one run on one machine.

mod cases;
pub(crate) mod load;
mod replicas;
mod scale;
mod shared;
mod sink;
mod stores;
mod table;
mod tools;
mod wrk;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::api::Api;
use crate::service::{Service, on_core};
use crate::{Outcome, shell};
use table::Table;

/// Tells the program that was started again on one core that it was.
const PINNED: &str = "KEYSTEAD_BENCH_PINNED";

/// What to measure and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of each sample; a figure is the median of three.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Servers on core 0, load on core 1.
    #[arg(long)]
    pinned: bool,
    /// Only this case; may be repeated.
    #[arg(long, value_enum)]
    only: Vec<Case>,
    /// Cost of each operation with a thousand to a million users, instead of everything else.
    #[arg(long)]
    scale: bool,
    /// With `--scale`: stop at this power of ten.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(3..=7))]
    powers: u32,
    /// A finished `keystead` to use instead of building one; `yardsticks` beside it is used too.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// token/verify with one token, 16 and 64 connections.
    Verify,
    /// token/verify with 100,000 tokens.
    Distinct,
    /// Login beside the raw Argon2 rate, register beside login.
    Login,
    /// An audit event and its link in the chain, beside a login.
    Audit,
    /// Refresh.
    Refresh,
    /// Verification while logins hammer.
    Flood,
    /// Process start to the first answer.
    Cold,
    /// Resident memory.
    Memory,
    /// What an operation asks PostgreSQL and Redis. `verify`, `login` and `refresh` are measured on them too.
    Statements,
    /// One, two and three replicas.
    Replicas,
}

/// Everything a case needs.
struct Bench {
    seconds: u64,
    /// Where servers run, when pinned.
    server_core: Option<u32>,
    keystead: PathBuf,
    /// The bare actix-web server, the raw Argon2 loop, and what fills stores (`crates/yardsticks`).
    yardsticks: PathBuf,
    load: tools::Generator,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Starts `keystead` on a data folder of this name.
    fn start(&self, name: &str) -> Outcome<Service> {
        Service::keystead(&self.keystead, &self.folder.path().join(name), self.server_core)
    }

    /// How many hashes the service runs at once.
    fn cores(&self) -> usize {
        if self.server_core.is_some() { 1 } else { available_cores() }
    }

    /// Runs the raw Argon2 loop on every core and returns its hashes a second.
    fn raw_argon2(&self) -> Outcome<f64> {
        self.raw_argon2_on(self.cores(), self.seconds)
    }

    /// The same on so many threads, for so many seconds.
    fn raw_argon2_on(&self, threads: usize, seconds: u64) -> Outcome<f64> {
        let mut command = on_core(&self.yardsticks, self.server_core);
        command.args(["raw-argon2", &threads.to_string(), &seconds.to_string()]);
        Ok(shell::read(&mut command)?.trim().parse()?)
    }
}

/// Cores this program may use.
pub(crate) fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Builds, measures, prints the table and writes it to `target/bench/latest.md`.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    if options.pinned && std::env::var_os(PINNED).is_none() {
        return again_on_core_1();
    }
    let target = shell::target_dir(root)?;
    let (keystead, yardsticks) = build(root, &target, options.binary.as_deref())?;
    let bench = Bench {
        seconds: options.seconds,
        server_core: options.pinned.then_some(0),
        keystead,
        yardsticks,
        load: tools::find_or_install(root, &target)?,
        folder: tempfile::tempdir()?,
    };
    if options.scale {
        return scale::run(&bench, options.powers, &target);
    }
    let wanted = |case| options.only.is_empty() || options.only.contains(&case);
    let mut table = Table::default();
    if wanted(Case::Cold) {
        cases::cold_start(&bench, &mut table)?;
    }
    let service = bench.start("main")?;
    let idle = cases::idle_memory(&service)?;
    let mut api = Api::at(service.address());
    api.sign_up("bench@example.com")?;
    if wanted(Case::Verify) {
        cases::verify(&bench, &service, &mut table, 16)?;
        cases::verify(&bench, &service, &mut table, 64)?;
    }
    if wanted(Case::Distinct) {
        cases::distinct(&bench, &service, &mut table)?;
    }
    if wanted(Case::Login) {
        cases::login(&bench, &service, &mut table)?;
    }
    if wanted(Case::Audit) {
        cases::audit(&bench, &mut table)?;
    }
    if wanted(Case::Refresh) {
        cases::refresh(&bench, &service, &mut table)?;
    }
    if wanted(Case::Flood) {
        cases::flood(&bench, &service, &mut table)?;
    }
    if wanted(Case::Memory) {
        cases::memory(&bench, &service, idle, &mut table)?;
    }
    drop(service);
    if wanted(Case::Verify) || wanted(Case::Login) || wanted(Case::Refresh) || wanted(Case::Statements) {
        shared::run(&bench, wanted, &mut table)?;
    }
    if wanted(Case::Replicas) {
        replicas::run(&bench, &mut table)?;
    }
    report(&target, &heading(&bench), &table)
}

/// Starts this program again, held to core 1; it holds the servers to core 0.
fn again_on_core_1() -> Outcome {
    let mut command = on_core(&std::env::current_exe()?, Some(1));
    shell::run(command.args(std::env::args_os().skip(1)).env(PINNED, "1"))
}

/// Builds what is measured and what it is held against, together: they share nearly every crate. Finished programs are
/// taken as they are.
fn build(root: &Path, target: &Path, given: Option<&Path>) -> Outcome<(PathBuf, PathBuf)> {
    let given = given.map(std::path::absolute).transpose()?;
    let beside = given.as_ref().map(|keystead| keystead.with_file_name("yardsticks")).filter(|path| path.is_file());
    let mut build = shell::cargo(root);
    build.args(["build", "--release", "--package", "keystead-yardsticks"]);
    if given.is_none() {
        build.args(["--package", "keystead-api-actix"]);
    }
    if beside.is_none() {
        shell::run(&mut build)?;
    }
    let made = |name| target.join("release").join(name);
    Ok((given.unwrap_or_else(|| made("keystead")), beside.unwrap_or_else(|| made("yardsticks"))))
}

fn heading(bench: &Bench) -> String {
    let date = shell::read(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])).unwrap_or_default();
    let place = if bench.server_core.is_some() { "server on core 0, load on core 1" } else { "not pinned" };
    let (seconds, load) = (bench.seconds, bench.load.name());
    format!(
        "{}; {} cores, {place}; median of 3 samples of {seconds} s; load by {load}; only 2xx counted",
        date.trim(),
        bench.cores()
    )
}

fn report(target: &Path, heading: &str, table: &Table) -> Outcome {
    let text = format!("{heading}\n\n{table}");
    let file = target.join("bench/latest.md");
    std::fs::create_dir_all(target.join("bench"))?;
    std::fs::write(&file, &text)?;
    println!("{text}\nwritten to {}", file.display());
    Ok(())
}
