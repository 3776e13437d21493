//! Databases, through PostgreSQL's own client: one long session per server, so that a statement costs no process.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Error, Result, programs, random_name};

/// A database of one test. Dropped with the value, whoever is still connected to it.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    admin: Arc<Admin>,
}

impl Database {
    /// `postgres://` address of the database, with the credentials and parameters of the server's.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name, which needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.admin.drop_database(&self.name);
    }
}

/// The superuser's session on one server.
#[derive(Debug)]
pub(crate) struct Admin {
    /// What psql connects to.
    url: String,
    /// What the addresses of databases are made from.
    public_url: String,
    prefix: String,
    /// The server was there before and will be there after: leave nothing on it.
    tidies_up: bool,
    count: AtomicU64,
    session: Mutex<Option<Session>>,
}

impl Admin {
    /// For a server that ends with this process.
    pub(crate) fn of_own_server(url: &str, public_url: &str) -> Self {
        Self::new(url, public_url, false)
    }

    /// For a server somebody else started.
    pub(crate) fn of_foreign_server(url: &str) -> Self {
        Self::new(url, url, true)
    }

    fn new(url: &str, public_url: &str, tidies_up: bool) -> Self {
        Self {
            url: url.into(),
            public_url: public_url.into(),
            prefix: format!("keystead_test_{}_", random_name()),
            tidies_up,
            count: AtomicU64::new(0),
            session: Mutex::new(None),
        }
    }

    /// A new database, empty or a copy of another.
    pub(crate) fn create_database(self: &Arc<Self>, template: Option<&str>) -> Result<Database> {
        let name = format!("{}{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed));
        let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
        self.execute(&format!("CREATE DATABASE {name}{template}"))?;
        Ok(Database { url: with_database(&self.public_url, &name), name, admin: Arc::clone(self) })
    }

    /// Runs statements; a session that broke since the last ones is replaced.
    pub(crate) fn execute(&self, sql: &str) -> Result<String> {
        let mut guard = self.session();
        if guard.as_mut().is_some_and(|session| session.execute("SELECT 1").is_err()) {
            *guard = None;
        }
        let session = match guard.as_mut() {
            Some(session) => session,
            None => guard.insert(self.connect()?),
        };
        session.execute(sql)
    }

    /// Does not wait: the session runs its statements in order, also those that are waiting when this process ends.
    fn drop_database(&self, name: &str) {
        if let Some(session) = self.session().as_mut() {
            let _ = session.send(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }

    fn connect(&self) -> Result<Session> {
        Session::start(&self.url, if self.tidies_up { &self.prefix } else { "" })
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running psql.
#[derive(Debug)]
struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// The number of the last statement sent.
    sent: u64,
}

impl Session {
    fn start(url: &str, prefix: &str) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", include_str!("psql.sh"), "keystead-test-psql"])
            .arg(programs::psql()?)
            .args([url, prefix])
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::doing("starting psql"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::new("psql has no pipes"));
        };
        Ok(Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), sent: 0 })
    }

    /// Writes the statements and, behind them, a line that psql will print when it has run them.
    fn send(&mut self, sql: &str) -> Result {
        self.sent += 1;
        let Some(stdin) = self.stdin.as_mut() else { return Err(Error::new("psql has ended")) };
        let text = format!("{}\n;\n\\echo {}\n", sql.trim_end().trim_end_matches(';'), mark(self.sent));
        stdin.write_all(text.as_bytes()).map_err(Error::doing("psql"))
    }

    /// Runs statements; with an error in any of them, what they printed is the error.
    fn execute(&mut self, sql: &str) -> Result<String> {
        self.send(sql)?;
        let mark = mark(self.sent);
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).map_err(Error::doing("psql"))? == 0 {
                return Err(Error::new(format!("psql ended: {printed}")));
            }
            if line.trim_end() == mark {
                let printed = printed.trim_end().to_owned();
                let failed = printed.lines().any(|line| line.starts_with("ERROR:"));
                return if failed { Err(Error::new(printed)) } else { Ok(printed) };
            }
            // The answers to statements nobody waited for end with their own marks.
            if line.starts_with(MARK) { printed.clear() } else { printed.push_str(&line) }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

const MARK: &str = "keystead-test-mark-";

fn mark(number: u64) -> String {
    format!("{MARK}{number}")
}

/// The same address with another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(a, b)| (a, Some(b)));
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", address));
    let host = rest.split('/').next().unwrap_or(rest);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{scheme}://{host}/{name}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_address_changes() {
        assert_eq!(with_database("postgres://a:b@c:1/d", "e"), "postgres://a:b@c:1/e");
        assert_eq!(with_database("postgres://c", "e"), "postgres://c/e");
        assert_eq!(with_database("postgresql://c/d?x=1&y=/2", "e"), "postgresql://c/e?x=1&y=/2");
    }
}
