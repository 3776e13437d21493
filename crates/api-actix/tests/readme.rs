//! What the README shows is so. Its walk is run, as one script, against `keystead dev`; its code is code that is tested.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const README: &str = include_str!("../../../README.md");
/// Stands above every block of the walk.
const MARK: &str = "<!-- first-five-minutes -->\n```sh\n";
/// The line that is replaced, because the test takes a free port.
const ADDRESS: &str = "KS=http://127.0.0.1:8787\n";

/// `keystead dev` on a free port; ended with the value.
struct Service {
    child: Child,
    url: String,
    /// Kept open: a service whose output nobody takes ends.
    _output: BufReader<ChildStdout>,
}

impl Service {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keystead"))
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.join("data"))
            .stdout(Stdio::piped())
            .stderr(File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("keystead listening on ").map(str::to_owned);
        let mut service = Self { child, url: String::new(), _output: output };
        service.url = url.expect("the first line says where");
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The blocks of the walk, in order, as one script.
fn walk() -> String {
    README.split(MARK).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs the walk in a shell and returns what it printed.
fn run(shell: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let service = Service::start(directory.path());
    let script = walk();
    assert_eq!(script.matches(ADDRESS).count(), 1, "the walk sets its address once");
    let script = script.replace(ADDRESS, &format!("KS={}\n", service.url));
    let output = Command::new(shell).args(["-eu", "-c", &script]).current_dir(&directory).output();
    let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
    let (printed, complaints) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && complaints.is_empty(), "{shell} (is curl there?): {complaints}\n{printed}");
    printed
}

fn assert_goes_well(printed: &str) {
    let lines: Vec<&str> = printed.lines().collect();
    let [code, login, status, rest @ ..] = lines.as_slice() else { panic!("{printed}") };
    let digits = code.strip_prefix("code ").and_then(|rest| rest.strip_suffix(": 200")).unwrap_or_default();
    assert!(digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()), "{printed}");
    assert_eq!(*login, "login: authorized");
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    assert_eq!(status["data"]["type"], "tokenStatus");
    assert_eq!(status["data"]["attributes"]["active"], true);
    assert_eq!(rest, shown().get(3..).unwrap());
}

/// What the README says is printed.
fn shown() -> Vec<&'static str> {
    let block = README.split("It prints:\n\n```text\n").nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap().lines().collect()
}

#[test]
fn the_walk_works_in_sh() {
    assert_goes_well(&run("sh"));
}

#[test]
fn the_walk_works_in_bash() {
    assert_goes_well(&run("bash"));
}

#[test]
fn the_shown_output_is_whole() {
    assert_eq!(shown().len(), 9);
    assert_eq!(shown()[1], "login: authorized");
}

/// The snippet is the example of `MockTx`, which is compiled and run as a documentation test.
#[test]
fn the_shown_unit_test_is_one_that_runs() {
    let source = include_str!("../../application/src/testing/mock_store.rs");
    let snippet = README.split("<!-- mocked-ports -->\n```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines: Vec<&str> = snippet.unwrap().lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 5);
    for line in lines {
        assert!(source.contains(&format!("/// {line}\n")), "{line}");
    }
}
