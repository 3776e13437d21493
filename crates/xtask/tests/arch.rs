//! `cargo xtask arch` on a copy of the real workspace, with one forbidden arrow added to a manifest.

use std::path::Path;
use std::process::Command;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Copies the workspace, adds a line under `[dependencies]` of one crate, and returns whether the check passed and what
/// it printed.
fn with_dependency(folder: &str, line: &str) -> Outcome<(bool, String)> {
    with(folder, line, "")
}

/// The same, with a table added at the end of the manifest.
fn with(folder: &str, line: &str, table: &str) -> Outcome<(bool, String)> {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copied = tempfile::tempdir()?;
    std::fs::copy(real.join("Cargo.toml"), copied.path().join("Cargo.toml"))?;
    for folder in ["crates", "examples", "tests"] {
        copy(&real.join(folder), &copied.path().join(folder))?;
    }
    let manifest = copied.path().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest)?;
    assert_eq!(text.matches("\n[dependencies]\n").count(), 1);
    std::fs::write(&manifest, text.replace("\n[dependencies]\n", &format!("\n[dependencies]\n{line}\n")) + table)?;
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["arch", "--root"]).arg(copied.path()).output()?;
    let printed = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.success(), printed))
}

#[test]
fn a_web_framework_in_the_domain_is_refused_by_name() {
    let arrow = "keystead-domain -> actix-web: ";
    let (passed, printed) = with_dependency("crates/domain", "actix-web.workspace = true").unwrap();
    assert!(!passed);
    assert!(printed.contains(arrow), "{printed}");
}

#[test]
fn an_adapter_in_the_application_is_refused_by_name() {
    let arrow = "keystead-application -> keystead-adapters-sqlite: ";
    let (passed, printed) = with_dependency("crates/application", "keystead-adapters-sqlite.workspace = true").unwrap();
    assert!(!passed);
    assert!(printed.contains(arrow), "{printed}");
}

#[test]
fn what_only_tests_turn_on_is_not_shipped_and_what_is_always_on_is() {
    let arrow = "keystead-domain -> jiff: ";
    let optional = "jiff = { workspace = true, optional = true }";
    let testing = "\n[features]\ntesting = [\"dep:jiff\"]\n";
    let (_, printed) = with("crates/domain", optional, testing).unwrap();
    assert!(!printed.is_empty() && !printed.contains(arrow), "{printed}");
    let (passed, printed) = with("crates/domain", optional, &format!("{testing}clock = [\"dep:jiff\"]\n")).unwrap();
    assert!(!passed && printed.contains(arrow), "{printed}");
}

#[test]
fn the_workspace_as_it_is_has_only_allowed_arrows() {
    let (passed, printed) = with_dependency("crates/domain", "").unwrap();
    assert!(passed, "{printed}");
    assert!(printed.contains("every arrow allowed"), "{printed}");
}
