//! `keystead migrate-store`.

use std::path::Path;

use super::args::MigrateStoreArgs;
use super::data::environment;
use super::outcome::{Outcome, Trouble, say};
use crate::compose::{Moved, transfer};
use crate::config::{Config, ConfigSources};

/// Carries everything over, prints a line for each table.
pub(super) fn run(args: &MigrateStoreArgs, json: bool) -> Outcome {
    // Variables about the store can be about one of the two only: the file names the other.
    let from = load(&args.from, |name| !name.starts_with("KEYSTEAD_STORE__"))?;
    let to = load(&args.to, |_| true)?;
    for difference in differences(&from, &to) {
        eprintln!("warning: {difference}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::failed)?;
    let moved = runtime.block_on(transfer(&from, &to, args.dry_run))?;
    for one in &moved {
        say(if json { as_json(one) } else { as_text(one) });
    }
    if !json {
        say(if args.dry_run {
            "nothing was written"
        } else {
            "everything was carried over; serve with --to from now on, and never again with --from"
        });
    }
    Ok(())
}

fn load(file: &Path, is_read: impl Fn(&str) -> bool) -> Result<Config, Trouble> {
    let env = environment().into_iter().filter(|(name, _)| is_read(name)).collect();
    Ok(Config::load(ConfigSources { file: Some(file.to_owned()), env, flags: Vec::new() })?)
}

/// What people who are signed in would notice.
fn differences(from: &Config, to: &Config) -> Vec<String> {
    let pairs = [
        ("tokens.issuer", &from.tokens.issuer, &to.tokens.issuer),
        ("tokens.audience", &from.tokens.audience, &to.tokens.audience),
    ];
    let differing = pairs.into_iter().filter(|(_, from, to)| from != to);
    differing.map(|(key, _, _)| format!("{key} differs: access tokens issued so far will not be accepted")).collect()
}

fn as_json(moved: &Moved) -> String {
    serde_json::json!({ "what": moved.what, "read": moved.read, "written": moved.written }).to_string()
}

fn as_text(moved: &Moved) -> String {
    match moved.written {
        Some(written) => format!("{:22} {:>9} read {written:>9} written and read back", moved.what, moved.read),
        None => format!("{:22} {:>9} read", moved.what, moved.read),
    }
}
