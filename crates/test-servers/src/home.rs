//! A temporary directory that ends with this process, and takes with it whatever works in it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::programs::Account;
use crate::{Error, Result};

/// Where a directory is, unless `TMPDIR` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/dev/shm` when there is plenty: a database is created in a tenth of the time.
    #[default]
    Memory,
    /// `/tmp`.
    Disk,
}

/// The directory of one server and the supervisor that keeps it. Closing it ends every process whose working directory
/// is the directory or its `data`, and removes it.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    owner: Option<Account>,
    supervisor: Child,
}

impl Home {
    /// A new directory that belongs to `owner`, with an empty `data` inside.
    pub(crate) fn new(purpose: &str, owner: Option<Account>, place: Place) -> Result<Self> {
        let place = if place == Place::Memory { "memory" } else { "disk" };
        let mut supervisor = Command::new("sh")
            .args(["-c", include_str!("supervisor.sh"), "keystead-test-supervisor", purpose, place])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Control-C ends the tests; the supervisor has to outlive them.
            .process_group(0)
            .spawn()
            .map_err(Error::doing("starting sh"))?;
        let mut line = String::new();
        if let Some(stdout) = supervisor.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(Error::doing("reading from the supervisor"))?;
        }
        let path = PathBuf::from(line.trim_end());
        let home = Self { path, owner, supervisor };
        if !home.path.is_absolute() {
            return Err(Error::new("no temporary directory could be made; is TMPDIR writable?"));
        }
        std::fs::create_dir(home.data()).map_err(Error::doing(home.data().display()))?;
        home.give(&home.path)?;
        home.give(&home.data())?;
        Ok(home)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server keeps its files and works.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Writes a file into `data` that only the server's user can read.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.data().join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content.as_bytes())).map_err(Error::doing(path.display()))?;
        self.give(&path)?;
        Ok(path)
    }

    /// A command that runs as the owner, in the directory, out of reach of the terminal's signals.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.path).stdin(Stdio::null()).process_group(0);
        if let Some(Account { user, group }) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Ends what works in the directory, removes it, and returns when both are done.
    pub(crate) fn close(&mut self) {
        drop(self.supervisor.stdin.take());
        // Fails only for a process that is not a child of this one.
        let _ = self.supervisor.wait();
    }

    fn give(&self, path: &Path) -> Result {
        let Some(Account { user, group }) = self.owner else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(Error::doing(path.display()))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.close();
    }
}
