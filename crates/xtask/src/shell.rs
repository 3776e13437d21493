//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The workspace this program was built from.
pub(crate) fn own_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// The cargo that started this program, so that nested builds use the same toolchain.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = keystead_test_servers::cargo(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a command with its output passed through. An exit code other than 0 is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", line(command)).into()) }
}

/// Runs a command and returns what it printed on standard output; its standard error is passed through.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{}: {error}", line(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", line(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a program of this name is on the `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Where cargo puts what it builds for this workspace.
pub(crate) fn target_dir(root: &Path) -> Outcome<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Builds the development `keystead` and returns its path. Built with the features of the whole workspace, so that it
/// shares every compiled crate with the tests.
pub(crate) fn debug_keystead(root: &Path) -> Outcome<PathBuf> {
    run(cargo(root).args(["build", "--quiet", "--workspace", "--bin", "keystead"]))?;
    Ok(target_dir(root)?.join("debug/keystead"))
}

/// The path of the `keystead` an operator would run: the one given, or one built now.
pub(crate) fn release_keystead(root: &Path, given: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(given) = given {
        return Ok(std::path::absolute(given)?);
    }
    run(cargo(root).args(["build", "--release", "--package", "keystead-api-actix", "--bin", "keystead"]))?;
    Ok(target_dir(root)?.join("release/keystead"))
}
