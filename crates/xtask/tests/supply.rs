//! `cargo xtask supply` on a copy of the real workspace, as it is and with decisions and files changed.

use std::path::{Path, PathBuf};
use std::process::Command;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A copy of what the command reads, and whatever it takes for cargo to resolve it.
struct Workspace(tempfile::TempDir);

impl Workspace {
    fn copied() -> Outcome<Self> {
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let copy = Self(tempfile::tempdir()?);
        for file in ["Cargo.toml", "Cargo.lock", "deny.toml"] {
            std::fs::copy(real.join(file), copy.path(file))?;
        }
        for folder in ["crates", "examples", "tests"] {
            copy_folder(&real.join(folder), &copy.path(folder))?;
        }
        std::fs::create_dir(copy.path("docs"))?;
        std::fs::copy(real.join("docs/supply-chain.md"), copy.path("docs/supply-chain.md"))?;
        Ok(copy)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside)
    }

    /// Replaces a text that is there once.
    fn edit(&self, file: &str, from: &str, to: &str) -> Outcome {
        let text = std::fs::read_to_string(self.path(file))?;
        assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
        Ok(std::fs::write(self.path(file), text.replace(from, to))?)
    }

    /// Whether the check passes, and everything it says.
    fn check(&self) -> Outcome<(bool, String)> {
        let output =
            Command::new(env!("CARGO_BIN_EXE_xtask")).args(["supply", "--root"]).arg(self.0.path()).output()?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ok((output.status.success(), said))
    }
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_folder(&path, &target)? } else { std::fs::copy(&path, &target).map(drop)? }
    }
    Ok(())
}

#[test]
fn the_workspace_is_built_from_what_was_decided() -> Outcome {
    let (passed, said) = Workspace::copied()?.check()?;
    assert!(passed && said.starts_with("supply: "), "{said}");
    Ok(())
}

#[test]
fn what_was_not_decided_is_refused_by_name() -> Outcome {
    let copy = Workspace::copied()?;
    copy.edit("deny.toml", "    \"ISC\",\n", "    \"0BSD\",\n")?;
    copy.edit("deny.toml", "deny = [\n", "deny = [\n    { crate = \"argon2:<0.6\", reason = \"old\" },\n")?;
    copy.edit("deny.toml", "{ crate = \"http:0.2\"", "{ crate = \"http:0.1\"")?;
    copy.edit("deny.toml", "crypto-glue@0.2.2", "crypto-glue@0.2.1")?;
    copy.edit("crates/domain/Cargo.toml", "[lints]\nworkspace = true\n", "")?;
    copy.edit("crates/testkit/Cargo.toml", "license.workspace = true", "license = \"GPL-3.0-only\"")?;
    std::fs::write(copy.path("crates/domain/src/fast.rs"), "#![allow(unsafe_code)]\n")?;
    let (passed, said) = copy.check()?;
    assert!(!passed, "{said}");
    for sentence in [
        "deny.toml: no package needs 0BSD: take it off the list",
        "`ISC` cannot be met with the licences of deny.toml",
        "`MPL-2.0` cannot be met with the licences of deny.toml",
        "argon2 0.5.3 is banned: old",
        "http is there in 2 versions without a reason: 0.2.12, 1.",
        "deny.toml: http:0.1 is not there beside another version any more",
        "keystead-domain: its manifest does not say [lints] workspace = true",
        "keystead-testkit: its manifest does not say license = \"MIT OR Apache-2.0\"",
        "crates/domain/src/fast.rs:1: an attribute about unsafe_code",
    ] {
        assert!(said.contains(sentence), "{sentence}\nin\n{said}");
    }
    Ok(())
}

#[test]
fn a_lock_file_that_is_not_exact_is_refused() -> Outcome {
    let copy = Workspace::copied()?;
    let lock = std::fs::read_to_string(copy.path("Cargo.lock"))?;
    let start = lock.find("[[package]]\nname = \"subtle\"\n").ok_or("no such package")?;
    let end = lock[start + 1..].find("[[package]]").map_or(lock.len(), |next| start + 1 + next);
    std::fs::write(copy.path("Cargo.lock"), [&lock[..start], &lock[end..]].concat())?;
    let (passed, said) = copy.check()?;
    assert!(!passed && said.contains("--locked"), "{said}");
    Ok(())
}
