use std::path::PathBuf;
use std::time::Duration;

use super::problem::Invalid;
use super::reader::{Reader, Reading};
use super::values::choice;

/// `[store]`: where the data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The SQLite file.
    pub sqlite_path: PathBuf,
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// How long a request waits for a connection.
    pub acquire_timeout: Duration,
}

/// What a commit waits for (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// The disk: a commit survives a power cut.
    #[default]
    Full,
    /// The operating system: a commit survives a crash of the process, not of the machine.
    Normal,
}

impl StoreConfig {
    pub(super) fn read(r: &mut Reader) -> Reading<Self> {
        let path = r.value("store.url", sqlite_path).map(|path| r.resolve("store.url", &path));
        let known = [("full", Synchronous::Full), ("normal", Synchronous::Normal)];
        let synchronous = r.value("store.synchronous", |text| choice(text, &known));
        let bounds = Duration::from_millis(100)..=Duration::from_mins(1);
        let acquire_timeout = r.duration("store.acquire_timeout", bounds);
        Ok(Self { sqlite_path: path?, synchronous: synchronous?, acquire_timeout: acquire_timeout? })
    }
}

fn sqlite_path(text: &str) -> Result<PathBuf, Invalid> {
    let fix = "write sqlite:// and the path of a file: \"sqlite:///var/lib/keystead/keystead.db\"";
    // The text may be another database's address with a password in it: it is not repeated.
    let path =
        text.strip_prefix("sqlite://").ok_or_else(|| Invalid::new("is not the address of a SQLite file", fix))?;
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '#', '\0']) || path.contains(":memory:") {
        return Err(Invalid::new("names no file", fix));
    }
    Ok(PathBuf::from(path))
}
