//! The `keystead` binary as a child process: built once, started with an empty environment, always ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::embedded_in_every_run;

/// Longest wait for something a process does; only a broken one takes it.
const PATIENCE: Duration = Duration::from_secs(40);

/// Path of the binary, of the same profile as these tests and never older than its sources.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.parent().and_then(Path::parent).unwrap();
        let mut build = keystead_test_servers::cargo(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--bin", "keystead"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(profile.parent().unwrap());
        let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        profile.join("keystead")
    })
}

/// The binary with these arguments, in a directory, with nothing in its environment.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().current_dir(directory).stdin(Stdio::null());
    command
}

/// What a command that ended left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The standard output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The standard error of a command that must have failed with this code; it names each of `words`.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word} is not in:\n{}", self.stderr);
        }
        self.stderr
    }
}

/// Runs a command to its end.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Finished {
    finish(command(directory, arguments), "")
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn finish(mut command: Command, input: &str) -> Finished {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let finished = Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    finished
}

type Text = Arc<Mutex<String>>;

/// A service in a process of its own. It is killed when this is dropped; a panic in its log fails the test.
pub(crate) struct Keystead {
    child: Child,
    url: String,
    stdout: Text,
    stderr: Text,
    readers: Vec<JoinHandle<()>>,
}

impl Keystead {
    /// Starts it and waits for the line that says where it listens. `Err` when it ended instead.
    pub(crate) fn try_start(mut command: Command) -> Result<Self, Finished> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, first) = mpsc::channel();
        let (stdout, stderr) = (Text::default(), Text::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&stdout), Some(line)),
            collect(child.stderr.take().unwrap(), Arc::clone(&stderr), None),
        ];
        let mut service = Self { child, url: String::new(), stdout, stderr, readers };
        match first.recv_timeout(PATIENCE) {
            Ok(line) => {
                let url = line.strip_prefix("keystead listening on ").unwrap_or_else(|| panic!("first line: {line}"));
                url.trim_end().clone_into(&mut service.url);
                Ok(service)
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = service.child.wait().unwrap();
                service.join();
                let (stdout, stderr) = (service.stdout(), service.log());
                Err(Finished { code: status.code(), stdout, stderr })
            }
            Err(RecvTimeoutError::Timeout) => panic!("it neither listens nor ends: {}", service.log()),
        }
    }

    /// Starts it; it must come up.
    #[track_caller]
    pub(crate) fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|finished| panic!("it did not start: {finished:?}"))
    }

    /// `keystead dev` on a free port, with these further arguments.
    pub(crate) fn dev(directory: &Path, arguments: &[&str]) -> Self {
        embedded_in_every_run();
        let mut command = command(directory, &["dev", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        Self::start(command)
    }

    /// `http://HOST:PORT`, as printed.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Everything it printed so far.
    pub(crate) fn stdout(&self) -> String {
        lock(&self.stdout).clone()
    }

    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        lock(&self.stderr).clone()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it like a power cut.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9), "it was gone before: {}", self.log());
    }

    /// Asks it to end, as a supervisor does.
    pub(crate) fn ask_to_end(&self) {
        let pid = self.child.id();
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.join();
        (status, self.log())
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }
}

impl Drop for Keystead {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join();
        let log = self.log();
        if std::thread::panicking() {
            let telling: Vec<&str> = log.lines().filter(|line| !line.contains("INFO")).collect();
            eprintln!("the service logged:\n{}", telling.join("\n"));
        } else {
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

fn lock(text: &Text) -> std::sync::MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a pipe to its end, so that it is never full; sends the first line on.
fn collect(pipe: impl Read + Send + 'static, text: Text, first: Option<mpsc::Sender<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut first = first;
        let mut lines = BufReader::new(pipe);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            lock(&text).push_str(&line);
            if let Some(first) = first.take() {
                let _ = first.send(line.clone());
            }
            line.clear();
        }
    })
}
