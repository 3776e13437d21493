//! Where the servers' programs are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::{Error, Missing, Result};

/// What [`crate::Postgres`] needs.
pub(crate) const POSTGRES: Missing = Missing {
    programs: "PostgreSQL 14 or newer (initdb, postgres, psql)",
    packages: "postgresql",
    variable: crate::shared::POSTGRES_URL,
};
/// What [`crate::shared`] needs for databases on a server that is already there.
pub(crate) const PSQL: Missing =
    Missing { programs: "psql", packages: "postgresql-client", variable: crate::shared::POSTGRES_URL };
/// What [`crate::Redis`] needs.
pub(crate) const REDIS: Missing =
    Missing { programs: "redis-server", packages: "redis-server", variable: crate::shared::REDIS_URL };

/// The first release of PostgreSQL that will do.
const OLDEST_POSTGRES: u32 = 14;

/// The folder that has the newest `initdb` and `postgres`, as Debian and Red Hat lay them out, or on the `PATH`.
pub(crate) fn postgres() -> Result<&'static Path> {
    // Only what was found is kept: it may be installed later.
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    psql().map_err(|_| Error::Missing(POSTGRES))?;
    let folders = path().into_iter().chain(versions_in("/usr/lib/postgresql")).chain(versions_in("/usr"));
    let usable = folders.filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    let newest =
        usable.filter_map(|folder| Some((major_version(&folder)?, folder))).max_by_key(|(version, _)| *version);
    let found = newest.filter(|(version, _)| *version >= OLDEST_POSTGRES).map(|(_, folder)| folder);
    let found = found.ok_or(Error::Missing(POSTGRES))?;
    Ok(FOUND.get_or_init(|| found))
}

/// PostgreSQL's command line client.
pub(crate) fn psql() -> Result<PathBuf> {
    on_path("psql").ok_or(Error::Missing(PSQL))
}

/// Redis, or its free continuation, which speaks the same.
pub(crate) fn redis() -> Result<PathBuf> {
    on_path("redis-server").or_else(|| on_path("valkey-server")).ok_or(Error::Missing(REDIS))
}

fn on_path(program: &str) -> Option<PathBuf> {
    path().into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// `<folder>/<anything>/bin` for all that exist.
fn versions_in(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("bin")).filter(|bin| bin.is_dir()).collect()
}

/// 15 of `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major_version(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// As whom a server runs when this process is root: PostgreSQL refuses root, and a Redis without a password must not
/// write files as root. Nothing when this process is somebody else: the server runs as the same user then.
pub(crate) fn account(candidates: &[&str]) -> Result<Option<Account>> {
    if !is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(Error::doing("reading /etc/passwd"))?;
    let found = candidates.iter().find_map(|name| account_in(&users, name));
    found.map(Some).ok_or_else(|| Error::new(format!("no user to run the server as: none of {candidates:?} exists")))
}

/// A line of passwd(5): name, password, user, group, and more.
fn account_in(users: &str, name: &str) -> Option<Account> {
    let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':').skip(1);
    Some(Account { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

/// Whether the effective user is root: the second number of the `Uid:` line of proc(5).
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut users = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default().split_whitespace();
    users.nth(1) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let users =
            "postgresql:x:1:2:::\npostgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(account_in(users, "postgres"), Some(Account { user: 101, group: 104 }));
        assert_eq!(account_in(users, "nobody"), None);
    }
}
