//! `cargo xtask prove`: the long forms of the published guarantees, against the real binary over HTTP.

mod import;
mod kills;
mod overload;
mod races;
mod replicas;
mod report;
mod slow;
mod srp;
mod timing;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::sample::Chance;
use crate::service::Service;
use crate::{Outcome, shell};
use report::Report;

/// What to prove and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Repeats the random choices of an earlier run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this proof; may be repeated.
    #[arg(long, value_enum)]
    only: Vec<Proof>,
    /// The long forms: 1,000 kills and 200 of replicas at each kind of work, 100 rounds of races, 2,000 samples a class,
    /// 10,000 probes in each outage.
    #[arg(long)]
    full: bool,
    /// A finished `keystead` to use instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// For `upgrade`: a finished `keystead` of the version before.
    #[arg(long, value_name = "FILE", conflicts_with = "previous_revision")]
    previous: Option<PathBuf>,
    /// For `upgrade`: the git revision to build the version before from.
    #[arg(long, value_name = "REVISION")]
    previous_revision: Option<String>,
}

/// What can be proved.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Proof {
    /// G13: an acknowledged registration and its mail survive kill -9.
    Kills,
    /// G02, G03: single use and refresh under 64 parallel requests.
    Races,
    /// G01: answers take as long for accounts that do not exist.
    Timing,
    /// S06: a thousand SRP logins each of the shipped client in Node and in Chromium, and of Python's `srp`.
    SrpLogins,
    /// G14: ten times the logins the machine can hash.
    Overload,
    /// H06: 2,000 slow connections do not slow anybody else down.
    SlowClients,
    /// Row 43: 100,000 users are imported through a kill.
    Import,
    /// G02, G03 on PostgreSQL and Redis: the races over two replicas.
    ReplicaRaces,
    /// G05: how long a token revoked on one replica is accepted by the other.
    Lag,
    /// F03-F06, G05: revoked tokens, refusals and recovery while PostgreSQL or Redis is away.
    Outages,
    /// F01, F02, F19: replicas are killed while people register, refresh and reset, and while mail is sent.
    ReplicaKills,
    /// G20: the version before serves while this one migrates; with --previous or --previous-revision only.
    Upgrade,
}

/// Runs one proof and adds what it found.
type Run = fn(&Bed, &mut Report) -> Outcome;

/// Every proof in the order they run.
const PROOFS: [(Proof, Run); 12] = [
    (Proof::Races, races::run),
    (Proof::Timing, timing::run),
    (Proof::SrpLogins, srp::logins),
    (Proof::Overload, overload::run),
    (Proof::SlowClients, slow::run),
    (Proof::Kills, kills::run),
    (Proof::Import, import::run),
    (Proof::ReplicaRaces, replicas::races),
    (Proof::Lag, replicas::lag::run),
    (Proof::Outages, replicas::outages::run),
    (Proof::ReplicaKills, replicas::kills::run),
    (Proof::Upgrade, upgrade::run),
];

/// What every proof needs.
struct Bed {
    root: PathBuf,
    keystead: PathBuf,
    /// The version before, when one was named.
    previous: Option<PathBuf>,
    folder: tempfile::TempDir,
    seed: u64,
    full: bool,
}

impl Bed {
    /// Starts the service on a data folder of this name.
    fn start(&self, name: &str) -> Outcome<Service> {
        Service::keystead(&self.keystead, &self.folder.path().join(name), None)
    }

    /// How often to repeat: the small form or the long one.
    const fn times(&self, small: usize, full: usize) -> usize {
        if self.full { full } else { small }
    }

    /// Random choices that repeat with the seed.
    const fn chance(&self) -> Chance {
        Chance::new(self.seed)
    }
}

/// Runs the proofs, prints the table and writes it to `target/prove/latest.md`. A promise that does not hold is an error.
pub(crate) fn run(root: &Path, options: &Options) -> Outcome {
    let bed = Bed {
        root: root.to_owned(),
        keystead: shell::release_keystead(root, options.binary.as_deref())?,
        previous: upgrade::previous(root, options.previous.as_deref(), options.previous_revision.as_deref())?,
        folder: tempfile::tempdir()?,
        seed: options.seed,
        full: options.full,
    };
    let mut report = Report::default();
    if bed.previous.is_none() && options.only.contains(&Proof::Upgrade) {
        return Err("upgrade needs --previous FILE or --previous-revision REVISION".into());
    }
    for (proof, run) in PROOFS {
        if options.only.is_empty() || options.only.contains(&proof) {
            run(&bed, &mut report)?;
        }
    }
    let date = shell::read(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])).unwrap_or_default();
    let form = if options.full { "full form" } else { "small form" };
    let text = format!("{}; seed {}; {form}\n\n{report}", date.trim(), options.seed);
    let folder = shell::target_dir(root)?.join("prove");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("latest.md"), &text)?;
    println!("{text}\nwritten to {}", folder.join("latest.md").display());
    if report.holds() { Ok(()) } else { Err("a guarantee does not hold".into()) }
}
