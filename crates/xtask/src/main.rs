//! Keystead's own commands: `cargo xtask setup | test | arch | supply | openapi | docs | ci | bench | fuzz | prove`.
//!
//! The crate depends on next to nothing, so that `cargo xtask …` starts quickly on a machine that has built nothing yet.

mod api;
mod arch;
mod bench;
mod conformance;
mod fuzz;
mod generated;
mod http;
mod inbox;
mod prove;
mod sample;
mod service;
mod setup;
mod shell;
mod suite;
mod supply;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// What every command returns: nothing, or a sentence that says what went wrong.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Keystead's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    /// The workspace to work on; by default the one this command was built from.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what a fresh Debian machine needs to build and to test; without root it says what is missing.
    Setup,
    /// Does all set-up, builds, starts PostgreSQL and Redis for itself, and runs every test, and the checks of
    /// architecture, supply and claims.
    Test {
        /// Passed on to the test programs: a filter, or their own options.
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Checks that dependencies point the way docs/architecture.md says.
    Arch,
    /// Holds what the workspace is built from against deny.toml: licences, sources, bans, versions; and `unsafe` in our crates.
    Supply,
    /// Writes docs/openapi.json from the handlers.
    Openapi(Generated),
    /// Writes docs/api-errors.md, docs/limits.md, docs/configuration.md and docs/authorization.md from the code, and
    /// docs/conformance.md from what is claimed.
    Docs(Generated),
    /// Runs what continuous integration runs (.ci/run).
    Ci,
    /// Measures the release binary beside a bare actix-web server and the raw Argon2 rate of this machine.
    Bench(bench::Options),
    /// Runs every fuzz target on libFuzzer for a set time; needs a C++ compiler.
    Fuzz(fuzz::Options),
    /// Runs the long forms of the published guarantees against the real binary.
    Prove(prove::Options),
}

#[derive(Args)]
struct Generated {
    /// Changes nothing; fails when a file is not what the code would write.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let root = cli.root.unwrap_or_else(shell::own_root);
    let outcome = match cli.command {
        Command::Setup => setup::ensure(),
        Command::Test { filter } => suite::run(&root, &filter),
        Command::Arch => arch::run(&root),
        Command::Supply => supply::run(&root),
        Command::Openapi(Generated { check }) => generated::openapi(&root, check),
        Command::Docs(Generated { check }) => generated::docs(&root, check),
        Command::Ci => shell::run(std::process::Command::new(root.join(".ci/run")).current_dir(&root)),
        Command::Bench(options) => bench::run(&root, &options),
        Command::Fuzz(options) => fuzz::run(&root, &options),
        Command::Prove(options) => prove::run(&root, &options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
