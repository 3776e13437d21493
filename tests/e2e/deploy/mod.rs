//! What lies in `deploy/`: every claim its files make that can be checked without the machines they are for.

mod client;
mod compose;
mod front;
mod image;
mod kubernetes;
mod protected;
mod replicas;
mod restore;
mod systemd;
mod through_nginx;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keystead_api_actix::config::{Config, ConfigSources, keys};

/// A path below the workspace.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(relative)
}

/// The text of a file of the workspace.
fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Replaces a text that must be there, everywhere it is.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

/// Runs a program the operating system has. The failure says which package that is.
fn run(program: &str, package: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; install the Debian package {package}"))
}

/// Whether the service knows this environment variable.
fn is_setting(variable: &str) -> bool {
    keys::all().iter().any(|key| key.env() == variable)
}

/// A configuration file with these variables, as `keystead serve` would load it.
fn load(file: &Path, env: &[(String, String)]) -> Config {
    let sources = ConfigSources { file: Some(file.to_owned()), env: env.to_vec(), flags: Vec::new() };
    Config::load(sources).unwrap_or_else(|problems| panic!("{problems}"))
}
