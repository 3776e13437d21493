//! PostgreSQL, Redis and a mail server of this program's own, and services on them; counters that tell what a request
//! costs there.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keystead_test_servers::{Database, Postgres, Redis, Value};

use super::sink::MailSink;
use crate::service::{Service, on_core};
use crate::{Outcome, api, shell};

/// Accepted by name, because this is a measurement: plain http on this machine, no limits, mail to a sink, and in
/// `--scale` password hashes that cost nothing.
const UNSAFE: &str = "unsafe_allow=plain-http,plain-smtp,plain-postgres,plain-redis,limits-off,weak-password-hash";

/// The servers many replicas share. They end with this value, or with this program.
pub(super) struct Stores {
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    pub(super) mail: MailSink,
}

impl Stores {
    /// Starts them. PostgreSQL waits for its disk as in production, and counts statements.
    pub(super) fn start() -> Outcome<Self> {
        let postgres = Postgres::options()
            .on_disk()
            .setting("fsync", "on")
            .setting("full_page_writes", "on")
            .setting("shared_buffers", "512MB")
            .setting("max_wal_size", "4GB")
            .setting("log_connections", "off")
            .setting("log_disconnections", "off")
            .setting("shared_preload_libraries", "pg_stat_statements")
            .setting("pg_stat_statements.track_utility", "on")
            .start()?;
        postgres.execute("CREATE EXTENSION pg_stat_statements")?;
        Ok(Self { postgres, redis: Redis::start()?, mail: MailSink::start()? })
    }

    /// Every statement PostgreSQL ran since [`Self::forget_statements`]: text, how often, mean milliseconds.
    pub(super) fn statements(&self) -> Outcome<BTreeMap<String, (u64, f64)>> {
        let rows = self.postgres.execute(
            "SELECT sum(calls), sum(total_exec_time) / sum(calls), translate(query, E'\\n|', '  ') \
             FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' GROUP BY query",
        )?;
        let row = |line: &str| {
            let mut columns = line.splitn(3, '|');
            let (calls, mean) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
            Some((columns.next()?.to_owned(), (calls, mean)))
        };
        Ok(rows.lines().filter_map(row).collect())
    }

    /// Begins to count statements anew.
    pub(super) fn forget_statements(&self) -> Outcome {
        self.postgres.execute("SELECT pg_stat_statements_reset()::text")?;
        Ok(())
    }

    /// Transactions PostgreSQL has committed or rolled back in a database, as of now.
    pub(super) fn transactions(&self, database: &Database) -> Outcome<u64> {
        let sum =
            format!("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{}'", database.name());
        // Backends report at the end of a transaction, and at most once a second.
        std::thread::sleep(std::time::Duration::from_millis(1200));
        Ok(self.postgres.execute(&sum)?.trim().parse()?)
    }

    /// How often Redis ran each command since [`Self::forget_commands`], and its microseconds in all.
    pub(super) fn commands(&self) -> Outcome<BTreeMap<String, (u64, f64)>> {
        let Value::Text(text) = self.redis.command(&["INFO", "commandstats"])? else {
            return Err("Redis does not tell its command statistics".into());
        };
        Ok(text.lines().filter_map(command_line).collect())
    }

    /// Begins to count commands anew.
    pub(super) fn forget_commands(&self) -> Outcome {
        self.redis.command(&["CONFIG", "RESETSTAT"])?;
        Ok(())
    }
}

/// A field of a Redis server's `INFO`.
pub(super) fn redis_info(redis: &Redis, field: &str) -> Outcome<u64> {
    let Value::Text(text) = redis.command(&["INFO"])? else { return Err("Redis tells nothing".into()) };
    let prefix = format!("{field}:");
    let value = text.lines().find_map(|line| line.strip_prefix(&prefix)).ok_or("no such field of INFO")?;
    Ok(value.trim().parse()?)
}

/// `cmdstat_evalsha:calls=21,usec=175,usec_per_call=8.33,…`.
fn command_line(line: &str) -> Option<(String, (u64, f64))> {
    let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let figure = |name: &str| figures.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    Some((name.to_owned(), (figure("calls")?.parse().ok()?, figure("usec")?.parse().ok()?)))
}

/// A configuration file made by `keystead init`.
pub(super) struct Config {
    keystead: PathBuf,
    pub(super) file: PathBuf,
}

impl Config {
    /// One for a SQLite file in this folder.
    pub(super) fn embedded(keystead: &Path, folder: &Path, mail: Option<&MailSink>) -> Outcome<Self> {
        let database = folder.join("keystead.db");
        let database = database.to_str().ok_or("the path of the temporary folder is not UTF-8")?;
        Self::write(keystead, folder.join("embedded.toml"), &["--sqlite", database], mail)
    }

    /// One for these servers.
    pub(super) fn shared(
        keystead: &Path,
        file: PathBuf,
        database: &Database,
        redis: &Redis,
        mail: Option<&MailSink>,
    ) -> Outcome<Self> {
        Self::write(keystead, file, &["--postgres", database.url(), "--redis", redis.url()], mail)
    }

    fn write(keystead: &Path, file: PathBuf, stores: &[&str], mail: Option<&MailSink>) -> Outcome<Self> {
        let mut init = Command::new(keystead);
        init.args(["init", "--public-url", "http://127.0.0.1:8787", "--listen", "127.0.0.1:0"]).args(stores);
        if let Some(mail) = mail {
            init.args(["--smtp", &mail.url()]);
        }
        shell::read(init.args(["--mail-from", "bench@example.com", "--out"]).arg(&file))?;
        Ok(Self { keystead: keystead.to_owned(), file })
    }

    /// What every command on this configuration is given.
    fn arguments(&self, more: &[&str]) -> Vec<std::ffi::OsString> {
        let mut words: Vec<std::ffi::OsString> = vec!["--config".into(), self.file.clone().into()];
        for setting in [UNSAFE, "limits.mode=off", "log.level=warn", "captcha.provider=none"].iter().chain(more) {
            words.extend(["--set".into(), (*setting).into()]);
        }
        words
    }

    /// Starts a service. `more` are settings, as in `tokens.algorithm=HS384`.
    pub(super) fn serve(&self, core: Option<u32>, log: &str, more: &[&str]) -> Outcome<Service> {
        let mut command = on_core(&self.keystead, core);
        command.arg("serve").args(self.arguments(more));
        let service = Service::start(command, &self.file.with_file_name(log))?;
        service.wait_until_ready()?;
        Ok(service)
    }

    /// Makes an account that can sign in.
    pub(super) fn add_user(&self, email: &str, more: &[&str]) -> Outcome {
        let mut command = Command::new(&self.keystead);
        command.args(["user", "add", "--email", email, "--password-stdin"]).args(self.arguments(more));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            writeln!(stdin, "{}", api::PASSWORD)?;
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("keystead user add: {status}").into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_statistics_are_read() {
        let line = "cmdstat_evalsha:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0";
        let (name, (calls, micros)) = command_line(line).unwrap();
        assert_eq!((name.as_str(), calls, micros.to_string()), ("evalsha", 21, "175".into()));
        assert_eq!(command_line("# Commandstats"), None);
    }
}
