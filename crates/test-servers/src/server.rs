//! One server process with its children: starting, signals, the end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::home::Home;
use crate::{Error, Result, wait};

/// How long a server may take to start or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server that may be running. All its processes work in `data` of its home; that is how they are found.
#[derive(Debug)]
pub(crate) struct Server {
    home: Home,
    child: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) fn new(home: Home) -> Self {
        Self { home, child: Mutex::new(None) }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Starts the server's program, its output appended to the log, and waits until `ready` says so. It is given what
    /// the server has logged since.
    pub(crate) fn start(&self, mut command: Command, mut ready: impl FnMut(u32, &str) -> bool) -> Result {
        let mut child = self.child();
        if child.is_some() {
            return Err(Error::new("the server is running already"));
        }
        let mut options = File::options();
        let log = options.create(true).append(true).open(self.log_path()).map_err(Error::doing("the log"))?;
        let logged = log.metadata().map_err(Error::doing("the log"))?.len();
        let errors = log.try_clone().map_err(Error::doing("the log"))?;
        command.current_dir(self.home.data()).stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        let started = command.spawn().map_err(Error::doing(command.get_program().display()))?;
        let pid = started.id();
        let started = child.insert(started);
        let outcome = wait::until_true("the server is ready", PATIENCE, || {
            let log = read_from(&self.log_path(), logged);
            if ready(pid, &log) {
                return Ok(true);
            }
            match started.try_wait().map_err(Error::doing("waiting for the server"))? {
                Some(status) => Err(Error::new(format!("the server ended with {status}: {log}"))),
                None => Ok(false),
            }
        });
        drop(child);
        outcome.inspect_err(|_| self.kill())
    }

    /// The first process of the server, while it has not been stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// Sends a signal to the first process and waits until it and all others have ended.
    pub(crate) fn stop(&self, signal_name: &str) -> Result {
        self.thaw();
        if let Some(pid) = self.pid() {
            signal(signal_name, &[pid]);
        }
        wait::until_true("the server has ended", PATIENCE, || Ok(self.has_ended()))
    }

    /// Kills every process of the server, the first one first, and waits until they are gone.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            // Fails only when it has ended already.
            let _ = child.kill();
        }
        let gone = wait::until_true("the server is gone", PATIENCE, || {
            signal("KILL", &self.processes());
            Ok(self.has_ended())
        });
        debug_assert!(gone.is_ok(), "{gone:?}");
    }

    /// Stops every process of the server where it is, those included that appear meanwhile.
    pub(crate) fn freeze(&self) {
        signal("STOP", self.pid().as_slice());
        let frozen = wait::until_true("every process is frozen", PATIENCE, || {
            let running: Vec<u32> = self.processes().into_iter().filter(|pid| state(*pid) != Some('T')).collect();
            signal("STOP", &running);
            Ok(running.is_empty())
        });
        debug_assert!(frozen.is_ok(), "{frozen:?}");
    }

    /// Lets every process go on.
    pub(crate) fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    /// All the server has written since its first start.
    pub(crate) fn log(&self) -> String {
        read_from(&self.log_path(), 0)
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    /// Whether no process is left; takes leave of the first one when it has ended.
    fn has_ended(&self) -> bool {
        let mut child = self.child();
        let alive = child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !alive {
            *child = None;
        }
        drop(child);
        !alive && self.processes().is_empty()
    }

    /// Every process that works in the server's directory.
    fn processes(&self) -> Vec<u32> {
        let data = self.home.data();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)).collect()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.home.close();
        if let Some(child) = self.child().as_mut() {
            // The supervisor has ended it; this only takes its status.
            let _ = child.wait();
        }
    }
}

/// The standard library can only kill; `sh` has every signal built in. Processes that have ended meanwhile are no error.
fn signal(name: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "for pid do kill -s \"$0\" \"$pid\"; done", name]).args(pids.iter().map(u32::to_string));
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// The third field of `/proc/<pid>/stat`, after the name in parentheses: T is stopped.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn read_from(path: &Path, start: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).into_owned()
}
