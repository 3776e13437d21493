//! A directory with a configuration that `keystead init` wrote.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::keystead::{Keystead, command, run};
use crate::support::{Shared, Stores};

/// The name clients know the service by. It stays the same while ports change, and with it the issuer of tokens.
pub(crate) const PUBLIC_URL: &str = "http://127.0.0.1:8787";

/// The directory. Commands run in it; the configuration is `keystead.toml`.
pub(crate) struct Configured {
    home: TempDir,
    /// The servers it uses, when the stores of this run are shared.
    shared: Option<Shared>,
}

impl Configured {
    /// Runs `keystead init` for a service on a free port and the stores of this run, with these further
    /// arguments. It asks for no captchas; `captcha.actions` says otherwise.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::on(Stores::are_shared().then(Shared::new), arguments)
    }

    /// The same before the first migration.
    pub(crate) fn empty(arguments: &[&str]) -> Self {
        Self::on(Stores::are_shared().then(Shared::empty), arguments)
    }

    /// The same on these servers or, without any, on a SQLite file, whatever the stores of this run.
    pub(crate) fn on(shared: Option<Shared>, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut all = vec!["init", "--public-url", PUBLIC_URL, "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let settings = shared.as_ref().map(Shared::settings);
        if let Some([postgres, redis, _]) = &settings {
            all.extend(["--postgres", &postgres.1, "--redis", &redis.1]);
        }
        run(home.path(), &all).ok();
        let configured = Self { home, shared };
        configured.replace("# actions", "actions = []");
        if let Some([.., prefix]) = &settings {
            configured.replace("# redis_prefix", &format!("redis_prefix = \"{}\"", prefix.1));
        }
        configured
    }

    /// The servers it uses, when the stores of this run are shared.
    pub(crate) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// One that sends its mail, in clear text, to this port of this machine.
    pub(crate) fn with_mail_at(port: u16) -> Self {
        Self::new(&["--smtp", &format!("smtp+plain://127.0.0.1:{port}")])
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("keystead.toml")
    }

    /// Replaces a line of the configuration that begins with this key.
    pub(crate) fn replace(&self, key: &str, line: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let prefix = format!("{key} = ");
        assert_eq!(text.lines().filter(|line| line.starts_with(&prefix)).count(), 1, "{key}");
        let replaced = |old: &str| if old.starts_with(&prefix) { line.to_owned() } else { old.to_owned() };
        let lines: Vec<String> = text.lines().map(replaced).collect();
        std::fs::write(self.file(), lines.join("\n")).unwrap();
    }

    /// Writes a file beside the configuration that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        path
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A command on this configuration: `words`, `--config keystead.toml`, `rest`.
    pub(crate) fn command(&self, words: &[&str], rest: &[&str]) -> Command {
        let mut command = command(self.path(), words);
        command.args(["--config", "keystead.toml"]).args(rest);
        command
    }

    /// `keystead serve` with these keys set.
    pub(crate) fn serve(&self, set: &[&str]) -> Keystead {
        Keystead::start(self.serve_command(set))
    }

    pub(crate) fn serve_command(&self, set: &[&str]) -> Command {
        let flags: Vec<&str> = set.iter().flat_map(|pair| ["--set", pair]).collect();
        self.command(&["serve"], &flags)
    }
}
