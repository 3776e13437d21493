//! Redis: one server.

use std::path::PathBuf;

use crate::home::{Home, Place};
use crate::resp::Connection;
use crate::server::Server;
use crate::{Error, Result, Value, ports, programs};

/// How often another port is tried when somebody else took the one that was free.
const ATTEMPTS: usize = 5;

/// What a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Single,
    ClusterNode,
    Sentinel,
}

impl Role {
    /// What the server logs when it takes connections and has loaded its data.
    fn is_ready(self, log: &str) -> bool {
        log.contains(match self {
            Self::Single | Self::ClusterNode => "Ready to accept connections",
            Self::Sentinel => "+monitor master",
        })
    }
}

/// How a server is started, beyond the defaults.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    role: Role,
    lines: Vec<String>,
    password: Option<String>,
    certificate: Option<(String, String)>,
    acl: Option<String>,
}

impl RedisOptions {
    pub(crate) fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// A line of `redis.conf`, such as `appendonly yes`; the last one of a name wins, also over the defaults (nothing is
    /// written to disk, `noeviction`).
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Demands this password of the user `default`. Without it nobody is asked.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Users, in the lines of an ACL file: `user keystead on >secret ~* +@all`. A user `default` that may do everything
    /// without a password exists as long as no line changes it.
    pub fn acl(mut self, users: &str) -> Self {
        self.acl = Some(users.into());
        self
    }

    /// Speaks TLS, and nothing else, with this certificate chain and key (PEM). Asks for no certificate of the client;
    /// the lines of [`line`](Self::line) can.
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Redis> {
        let mut last = Error::new("not tried");
        for _ in 0..ATTEMPTS {
            let port = if self.role == Role::ClusterNode { ports::free_for_cluster()? } else { ports::free()? };
            match self.start_on(port) {
                Err(Error::Failed(sentence)) if sentence.contains("in use") => last = Error::Failed(sentence),
                outcome => return outcome,
            }
        }
        Err(last)
    }

    fn start_on(&self, port: u16) -> Result<Redis> {
        programs::redis()?;
        let home = Home::new("redis", programs::account(&["redis", "nobody"])?, Place::Memory)?;
        let config = home.write("server.conf", &self.config(&home, port)?)?;
        let secret = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let scheme = if self.certificate.is_some() { "rediss" } else { "redis" };
        let url = format!("{scheme}://{secret}127.0.0.1:{port}");
        let redis =
            Redis { server: Server::new(home), role: self.role, config, port, url, password: self.password.clone() };
        redis.restart()?;
        Ok(redis)
    }

    fn config(&self, home: &Home, port: u16) -> Result<String> {
        let mut lines = vec!["bind 127.0.0.1".into(), format!("dir {}", home.data().display())];
        let name = if self.certificate.is_some() { "port 0\ntls-port" } else { "port" };
        lines.push(format!("{name} {port}"));
        if self.role != Role::Sentinel {
            lines.extend(["save \"\"", "maxmemory-policy noeviction"].map(String::from));
        }
        if self.role == Role::ClusterNode {
            lines.extend(["cluster-enabled yes", "cluster-node-timeout 2000"].map(String::from));
        }
        if let Some((certificate, key)) = &self.certificate {
            let certificate = home.write("server.crt", certificate)?;
            let key = home.write("server.key", key)?;
            lines.push(format!("tls-cert-file {}\ntls-key-file {}", certificate.display(), key.display()));
            lines.push("tls-auth-clients no".into());
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {password}\nmasterauth {password}"));
        }
        if let Some(users) = &self.acl {
            lines.push(format!("aclfile {}", home.write("users.acl", users)?.display()));
        }
        lines.extend(self.lines.iter().cloned());
        Ok(lines.join("\n") + "\n")
    }
}

/// A Redis server of one's own. Ends, and leaves nothing, when it is dropped or this process ends.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    role: Role,
    config: PathBuf,
    port: u16,
    url: String,
    password: Option<String>,
}

impl Redis {
    /// Starts one with the default options.
    pub fn start() -> Result<Self> {
        Self::options().start()
    }

    /// Options to start one with.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// Whether its program is installed.
    pub fn installed() -> Result {
        programs::redis().map(|_| ())
    }

    /// `redis://` (with TLS `rediss://`) address on 127.0.0.1, without a database number.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1; stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id; nothing while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// All the server has logged since its first start.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Ends the server; what it holds is lost unless a line like `appendonly yes` keeps it.
    pub fn stop(&self) -> Result {
        self.server.stop("TERM")
    }

    /// Kills the server; returns when it is gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Stops the server where it is: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Starts the server again on the same port, after [`stop`](Self::stop) or [`kill`](Self::kill); a running server is
    /// stopped first. Returns when it takes connections.
    pub fn restart(&self) -> Result {
        if self.pid().is_some() {
            self.stop()?;
        }
        let mut command = self.server.home().command(&programs::redis()?);
        command.arg(&self.config).args((self.role == Role::Sentinel).then_some("--sentinel"));
        self.server.start(command, |_, log| self.role.is_ready(log))
    }

    /// Runs one command as the user `default`, on a connection of its own. Without TLS only.
    pub fn command(&self, words: &[&str]) -> Result<Value> {
        let mut connection = Connection::open(self.port)?;
        if let Some(password) = &self.password {
            connection.call(&["AUTH", password])?;
        }
        connection.call(words)
    }
}
