//! The stores from outside, as a thief of them, or an auditor, sees them.

mod file;
mod servers;

use std::collections::BTreeMap;
use std::path::Path;

use self::file::File;
use self::servers::Servers;
use super::stores::Shared;

/// Empties the tables of a SQLite file whose rows Redis would hold.
pub fn forget_what_passes(directory: &Path) {
    file::forget(directory, &["sessions", "ceremonies", "rate_windows"]);
}

/// A look at the stores of one service. It changes nothing, but for [`Database::command`].
pub enum Database<'a> {
    File(File),
    Servers(Servers<'a>),
}

impl<'a> Database<'a> {
    pub fn in_directory(directory: &Path) -> Self {
        Self::File(File::open(directory))
    }

    pub fn on_servers(shared: &'a Shared) -> Self {
        Self::Servers(Servers::new(shared))
    }

    /// The one number a query for `count` gives. For what every SQL database has: neither sessions nor ceremonies.
    pub fn count(&mut self, of: &str) -> i64 {
        match self {
            Self::File(file) => file.count(of),
            Self::Servers(servers) => servers.count(of),
        }
    }

    /// Audit events of a name.
    pub fn audited(&mut self, name: &str) -> i64 {
        self.count(&format!("audit_events WHERE name = '{name}'"))
    }

    /// Sessions, those that ended included.
    pub fn sessions(&mut self) -> usize {
        match self {
            Self::File(file) => usize::try_from(file.count("sessions")).unwrap(),
            Self::Servers(servers) => servers.sessions(),
        }
    }

    /// The number of the newest refresh token of a session.
    pub fn generation(&mut self, session: &str) -> i64 {
        match self {
            Self::File(file) => file.generation(session),
            Self::Servers(servers) => servers.generation(session),
        }
    }

    /// Every row of every table as text, without the given columns (`table.column`). Bytes are `X'…'` in upper-case
    /// hexadecimal digits. What is not in tables is named as if it were: `sessions`, `ceremonies`, `rate_windows`.
    pub fn dump(&mut self, without: &[&str]) -> BTreeMap<String, Vec<String>> {
        match self {
            Self::File(file) => file.dump(without),
            Self::Servers(servers) => servers.dump(without),
        }
    }

    /// Runs these commands of SQL as somebody who holds the stores.
    pub fn command(&self, sql: &str) {
        match self {
            Self::File(file) => file.command(sql),
            Self::Servers(servers) => servers.command(sql),
        }
    }

    /// Every byte there is, unquoted.
    pub fn bytes(&mut self) -> Vec<u8> {
        match self {
            Self::File(file) => file.bytes(),
            Self::Servers(servers) => servers.bytes(),
        }
    }
}
