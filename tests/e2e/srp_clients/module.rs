//! The client's own tests, which need no service.

use std::process::{Command, Stdio};

use super::program::root;
use crate::support::report;

#[test]
fn s01_the_clients_own_tests_pass() {
    let folder = root().join("clients/javascript");
    let mut tests: Vec<String> = std::fs::read_dir(folder.join("test"))
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".test.js"))
        .map(|name| format!("test/{name}"))
        .collect();
    tests.sort();
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap"]).args(&tests).current_dir(&folder).stdin(Stdio::null());
    let output = node.output().expect("node is installed (`cargo xtask setup`)");
    let told = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| -> u64 {
        let line = told.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{told}"))
    };
    assert!(output.status.success(), "{told}");
    assert_eq!((figure("fail"), figure("skipped"), figure("todo"), figure("cancelled")), (0, 0, 0, 0), "{told}");
    assert!(figure("pass") >= 40, "{told}");
    report(&format!("clients/javascript: {} tests of its own passed", figure("pass")));
}
