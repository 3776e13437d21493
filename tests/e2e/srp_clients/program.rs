//! A client in a process of its own that is told what to do, a call a line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystead_domain::srp::MODULUS;
use serde_json::{Value, json};

/// Longest a call may take. All logins of one client are one.
const PATIENCE: Duration = Duration::from_secs(600);

/// Debian's Python has Debian's packages, whatever comes first on the path.
const PYTHON: [&str; 2] = ["/usr/bin/python3", "python3"];

/// What a call ended with.
#[derive(Clone, Debug)]
pub(super) struct Outcome(Value);

impl Outcome {
    pub(super) fn new(answer: Value) -> Self {
        Self(answer)
    }

    /// What it returned.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.0.get("error").is_none(), "{}", self.0);
        self.0["value"].clone()
    }

    /// The status and code it was refused with.
    #[track_caller]
    pub(super) fn refused(&self) -> (u64, &str) {
        let error = &self.0["error"];
        let (status, code) = (error["status"].as_u64(), error["code"].as_str());
        status.zip(code).unwrap_or_else(|| panic!("not refused: {}", self.0))
    }
}

/// The process. It is killed when this is dropped.
pub(super) struct Program {
    child: Child,
    pipes: Arc<Mutex<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Program {
    /// Our module in Node.
    pub(super) fn node() -> Self {
        Self::start(Command::new("node").arg(here("node.mjs")))
    }

    /// The package `srp` of Python.
    pub(super) fn python() -> Self {
        Self::start(python().arg(here("peer.py")).arg(hex(&MODULUS)))
    }

    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it is installed (`cargo xtask setup`)");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, pipes: Arc::new(Mutex::new((input, BufReader::new(output)))) }
    }

    /// Has it do something.
    pub(super) async fn call(&self, name: &str, given: Value) -> Outcome {
        let call = json!({ "name": name, "given": given });
        let pipes = Arc::clone(&self.pipes);
        // Servers of the test run on this thread meanwhile.
        let asking = tokio::task::spawn_blocking(move || {
            let mut pipes = pipes.lock().unwrap();
            writeln!(pipes.0, "{call}").unwrap();
            let mut line = String::new();
            pipes.1.read_line(&mut line).unwrap();
            line
        });
        let line = tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{name} takes too long"));
        Outcome::new(serde_json::from_str(&line.unwrap()).unwrap_or_else(|_| panic!("{name}: the client ended")))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python that has the package.
fn python() -> Command {
    let has_srp = |python: &&str| {
        let status = Command::new(python).args(["-c", "import srp"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    Command::new(PYTHON.into_iter().find(has_srp).expect("Python has srp (`cargo xtask setup`)"))
}

/// The workspace.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn here(name: &str) -> PathBuf {
    root().join("tests/e2e/srp_clients").join(name)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
