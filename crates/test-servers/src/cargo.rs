use std::ffi::OsStr;
use std::process::Command;

/// What a cargo tells the programs it starts about the package they are of.
const OF_A_PACKAGE: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];

/// The cargo at this path, to start from a program that a cargo started. It does not hear of that program's package:
/// build scripts run again whenever one of those variables changes, and everything above them is compiled again.
pub fn cargo(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|told| name.starts_with(told))) {
            command.env_remove(&name);
        }
    }
    command
}
