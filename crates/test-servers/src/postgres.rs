//! PostgreSQL.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use crate::home::{Home, Place};
use crate::psql::Admin;
use crate::server::Server;
use crate::{Database, Error, Result, ports, programs};

/// A fresh data directory to copy instead of running `initdb`; set for the tests by whoever runs many of them.
pub(crate) const TEMPLATE: &str = "KEYSTEAD_TEST_POSTGRES_TEMPLATE";
/// The superuser of every server.
const SUPERUSER: &str = "postgres";
/// How often another port is tried when somebody else took the one that was free.
const ATTEMPTS: usize = 5;

/// Without fsync a killed server still loses nothing it acknowledged (the kernel has it); only a machine that fails
/// would. Lock waits, deadlocks and connections are logged.
const SETTINGS: [(&str, &str); 13] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    // Files that go with the directory, instead of segments in /dev/shm that a killed server leaves behind.
    ("dynamic_shared_memory_type", "mmap"),
    ("max_connections", "300"),
    ("shared_buffers", "64MB"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_wal_size", "256MB"),
    ("log_connections", "on"),
    ("log_disconnections", "on"),
    ("log_lock_waits", "on"),
    ("log_line_prefix", "%m [%p] %q%u@%d "),
    ("log_min_messages", "warning"),
];

/// How a server is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Ends every connection, writes everything out, ends.
    Fast,
    /// Ends at once; the next start recovers.
    Immediate,
}

/// How a server is started, beyond the defaults.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    settings: Vec<(String, String)>,
    password: Option<String>,
    certificate: Option<(String, String)>,
    requires_tls: bool,
    place: Place,
}

impl PostgresOptions {
    /// A line of `postgresql.conf`; the last one of a name wins, also over the defaults (fsync off, 300 connections,
    /// lock waits and connections logged).
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Demands this password (SCRAM-SHA-256). Without it every connection is trusted.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Speaks TLS with this certificate chain and key (PEM), besides plain connections.
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Refuses connections without TLS. Then [`Postgres::execute`] and databases work only with a certificate the client
    /// does not check (`sslmode=require`), which is what they ask for.
    pub fn require_tls(mut self) -> Self {
        self.requires_tls = true;
        self
    }

    /// Keeps its files on the disk, for measurements; otherwise they are in memory where there is plenty.
    pub fn on_disk(mut self) -> Self {
        self.place = Place::Disk;
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Postgres> {
        let programs = programs::postgres()?;
        let mut last = Error::new("not tried");
        for _ in 0..ATTEMPTS {
            match self.start_on(programs, ports::free()?) {
                Err(Error::Failed(sentence)) if sentence.contains("in use") => last = Error::Failed(sentence),
                outcome => return outcome,
            }
        }
        Err(last)
    }

    fn start_on(&self, programs: &'static Path, port: u16) -> Result<Postgres> {
        let home = Home::new("postgres", programs::account(&["postgres", "nobody"])?, self.place)?;
        copy(&template()?, &home)?;
        self.configure(&home, port)?;
        if let Some(password) = &self.password {
            set_password(programs, &home, password)?;
        }
        let secret = self.password.as_ref().map(|password| format!(":{password}")).unwrap_or_default();
        let url = format!("postgres://{SUPERUSER}{secret}@127.0.0.1:{port}/postgres");
        let admin_url = if self.requires_tls { format!("{url}?sslmode=require") } else { url.clone() };
        let admin = Arc::new(Admin::of_own_server(&admin_url, &url));
        let postgres = Postgres { server: Server::new(home), programs, port, url, admin };
        postgres.restart()?;
        Ok(postgres)
    }

    fn configure(&self, home: &Home, port: u16) -> Result {
        let mut lines = String::new();
        let defaults = SETTINGS.iter().map(|(name, value)| (*name, *value));
        for (name, value) in defaults.chain(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
            let _ = writeln!(lines, "{name} = '{}'", value.replace('\'', "''"));
        }
        let _ = writeln!(lines, "port = {port}");
        if let Some((certificate, key)) = &self.certificate {
            home.write("server.crt", certificate)?;
            home.write("server.key", key)?;
            lines.push_str("ssl = on\n");
        }
        home.write("postgresql.conf", &lines)?;
        let host = if self.requires_tls { "hostssl" } else { "host" };
        let method = if self.password.is_some() { "scram-sha-256" } else { "trust" };
        home.write("pg_hba.conf", &format!("{host} all,replication all 127.0.0.1/32 {method}\n"))?;
        Ok(())
    }
}

/// A PostgreSQL server of one's own. Ends, and leaves nothing, when it is dropped or this process ends.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    programs: &'static Path,
    port: u16,
    url: String,
    admin: Arc<Admin>,
}

impl Postgres {
    /// Starts one with the default options.
    pub fn start() -> Result<Self> {
        Self::options().start()
    }

    /// Options to start one with.
    pub fn options() -> PostgresOptions {
        PostgresOptions::default()
    }

    /// Whether its programs are installed.
    pub fn installed() -> Result {
        programs::postgres().map(|_| ())
    }

    /// `postgres://` address of the database `postgres` for the superuser, on 127.0.0.1, without parameters.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1; stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process id; nothing while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// All the server has logged since its first start.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Where the log is.
    pub fn log_path(&self) -> PathBuf {
        self.server.log_path()
    }

    /// Ends the server as asked; returns when no process of it is left.
    pub fn stop(&self, mode: Mode) -> Result {
        self.server.stop(match mode {
            Mode::Fast => "INT",
            Mode::Immediate => "QUIT",
        })
    }

    /// Kills postmaster and backends, as a failing machine would; returns when they are gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops postmaster and backends where they are: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Starts the server again on the same port and data, after [`stop`](Self::stop) or [`kill`](Self::kill); a running
    /// server is stopped first (fast). Returns when it takes connections.
    pub fn restart(&self) -> Result {
        if self.pid().is_some() {
            self.stop(Mode::Fast)?;
        }
        self.start_server()
    }

    /// Returns when it takes connections; a standby takes those that read.
    fn start_server(&self) -> Result {
        let mut command = self.server.home().command(&self.programs.join("postgres"));
        command.arg("-D").arg(self.server.home().data());
        let lock = self.server.home().data().join("postmaster.pid");
        // The postmaster writes its state into the eighth line of its lock file; the first one is its process id.
        self.server.start(command, |pid, _| {
            let text = std::fs::read_to_string(&lock).unwrap_or_default();
            let mut lines = text.lines();
            lines.next() == Some(&pid.to_string())
                && lines.nth(6).is_some_and(|state| matches!(state.trim(), "ready" | "standby"))
        })
    }

    /// A standby that streams from this server, on a port of its own. It takes no writes until `SELECT pg_promote()`.
    pub fn standby(&self) -> Result<Self> {
        let home = Home::new("standby", programs::account(&["postgres", "nobody"])?, Place::Memory)?;
        // The folder may hold links to some of the programs only.
        let beside = self.programs.join("initdb").canonicalize().map_err(Error::doing("initdb"))?;
        let mut backup = home.command(&beside.with_file_name("pg_basebackup"));
        backup.args(["--dbname", &self.url, "--checkpoint=fast", "--wal-method=stream", "--pgdata"]);
        run(backup.arg(home.data()))?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.data(), private).map_err(Error::doing("the standby's files"))?;
        let port = ports::free()?;
        let settings = std::fs::read_to_string(home.data().join("postgresql.conf"));
        let mut settings = settings.map_err(Error::doing("the copied settings"))?;
        // The last line of a name wins.
        let _ = writeln!(settings, "port = {port}\nprimary_conninfo = '{}'", self.url);
        home.write("postgresql.conf", &settings)?;
        home.write("standby.signal", "")?;
        let url = self.url.replacen(&format!(":{}/", self.port), &format!(":{port}/"), 1);
        let admin = Arc::new(Admin::of_own_server(&url, &url));
        let standby = Self { server: Server::new(home), programs: self.programs, port, url, admin };
        standby.start_server()?;
        Ok(standby)
    }

    /// Runs statements in the database `postgres` as the superuser and returns what they print, one line per row,
    /// columns separated by `|`.
    pub fn execute(&self, sql: &str) -> Result<String> {
        self.admin.execute(sql)
    }

    /// A new empty database, dropped with the value.
    pub fn fresh_database(&self) -> Result<Database> {
        self.admin.create_database(None)
    }

    /// A copy of another database to which nobody is connected, dropped with the value.
    pub fn copy_of(&self, template: &Database) -> Result<Database> {
        self.admin.create_database(Some(template.name()))
    }
}

/// A directory as `initdb` leaves it: the one the environment names, or one made once in this process.
pub(crate) fn template() -> Result<PathBuf> {
    static OWN: OnceLock<Result<Home>> = OnceLock::new();
    if let Some(given) = std::env::var_os(TEMPLATE).map(PathBuf::from).filter(|given| given.is_dir()) {
        return Ok(given);
    }
    let own = OWN.get_or_init(|| {
        let home = Home::new("initdb", programs::account(&["postgres", "nobody"])?, Place::Memory)?;
        let mut initdb = home.command(&programs::postgres()?.join("initdb"));
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", SUPERUSER, "-D"]);
        run(initdb.arg(home.data()))?;
        Ok(home)
    });
    own.as_ref().map(Home::data).map_err(Clone::clone)
}

/// Copies the template's content with its owners and permissions.
fn copy(template: &Path, home: &Home) -> Result {
    let mut cp = Command::new("cp");
    run(cp.args(["-a", "--reflink=auto", "--"]).arg(template.join(".")).arg(home.data()).current_dir(home.path()))
}

/// Sets the superuser's password before the server's first start, while nobody can connect.
fn set_password(programs: &Path, home: &Home, password: &str) -> Result {
    use std::io::Write as _;
    let mut postgres = home.command(&programs.join("postgres"));
    postgres.args(["--single", "-D"]).arg(home.data()).arg("postgres");
    postgres.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = postgres.spawn().map_err(Error::doing("postgres --single"))?;
    let sql = format!("ALTER ROLE {SUPERUSER} PASSWORD '{}'\n", password.replace('\'', "''"));
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(sql.as_bytes()).map_err(Error::doing("postgres --single"))?;
    }
    let status = child.wait().map_err(Error::doing("postgres --single"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("postgres --single: {status}"))) }
}

/// Runs a command to its end; what it printed is in the error.
fn run(command: &mut Command) -> Result {
    let output = command.output().map_err(Error::doing(command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::new(format!("{}: {}: {printed}", command.get_program().display(), output.status)))
}
