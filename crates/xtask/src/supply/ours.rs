//! No `unsafe` in what we wrote: every crate inherits the lint that forbids it, and no file talks its way around.

use std::path::Path;

use toml::Table;

use super::graph::Member;
use crate::Outcome;

/// The lint, as the compiler names it.
const LINT: &str = "unsafe_code";

/// Every crate and file of this workspace that is not held to the lint; one sentence each.
pub(super) fn check(root: &Path, members: &[Member]) -> Outcome<Vec<String>> {
    let mut violations = Vec::new();
    if !forbids(&manifest(&root.join("Cargo.toml"))?) {
        violations.push(format!("Cargo.toml: [workspace.lints.rust] does not say {LINT} = \"forbid\""));
    }
    for member in members {
        if !inherits(&manifest(&member.manifest)?) {
            violations.push(format!("{}: its manifest does not say [lints] workspace = true", member.name));
        }
        if let Some(folder) = member.manifest.parent() {
            files(folder, &mut |path, text| {
                let lines = text.lines().zip(1..).filter(|(line, _)| talks_around(line));
                let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
                violations.extend(lines.map(|(_, number)| format!("{shown}:{number}: an attribute about {LINT}")));
            })?;
        }
    }
    Ok(violations)
}

fn manifest(path: &Path) -> Outcome<Table> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Whether the workspace forbids the lint; `forbid`, unlike `deny`, cannot be lifted further in.
fn forbids(workspace: &Table) -> bool {
    let level = at(workspace, &["workspace", "lints", "rust"]).and_then(|lints| lints.get(LINT));
    level.and_then(|level| level.as_str().or_else(|| level.get("level")?.as_str())) == Some("forbid")
}

fn inherits(package: &Table) -> bool {
    at(package, &["lints"]).and_then(|lints| lints.get("workspace")?.as_bool()) == Some(true)
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

fn talks_around(line: &str) -> bool {
    let line = line.trim_start();
    (line.starts_with("#[") || line.starts_with("#![")) && line.contains(LINT)
}

/// Shows every Rust file below a folder, but not what is built.
fn files(folder: &Path, show: &mut impl FnMut(&Path, &str)) -> Outcome {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                files(&path, show)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            show(&path, &std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of one crate.
    fn said(root: &str, package: &str, code: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("crates/one");
        std::fs::create_dir_all(one.join("src/inner")).unwrap();
        std::fs::write(folder.path().join("Cargo.toml"), root).unwrap();
        std::fs::write(one.join("Cargo.toml"), package).unwrap();
        std::fs::write(one.join("src/inner/mod.rs"), code).unwrap();
        let member = Member { name: "keystead-one".into(), manifest: one.join("Cargo.toml"), licence: None };
        check(folder.path(), &[member]).unwrap()
    }

    const FORBIDS: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    const INHERITS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn every_crate_inherits_what_forbids_unsafe_code() {
        assert_eq!(said(FORBIDS, INHERITS, "fn main() {}\n"), Vec::<String>::new());
        let table = "[workspace.lints.rust]\nunsafe_code = { level = \"forbid\", priority = 1 }\n";
        assert_eq!(said(table, INHERITS, ""), Vec::<String>::new());
        let lifted = "Cargo.toml: [workspace.lints.rust] does not say unsafe_code = \"forbid\"";
        for weaker in ["", "[workspace.lints.rust]\nunsafe_code = \"deny\"\n"] {
            assert_eq!(said(weaker, INHERITS, ""), [lifted]);
        }
        for own in ["", "[lints]\nworkspace = false\n", "[lints.rust]\nunsafe_code = \"allow\"\n"] {
            assert_eq!(said(FORBIDS, own, ""), ["keystead-one: its manifest does not say [lints] workspace = true"]);
        }
    }

    #[test]
    fn no_file_talks_its_way_around() {
        let code =
            format!("//! Says `#![allow({LINT})]` nowhere.\n\n#[expect({LINT}, reason = \"fast\")]\nfn f() {{}}\n");
        assert_eq!(said(FORBIDS, INHERITS, &code), ["crates/one/src/inner/mod.rs:3: an attribute about unsafe_code"]);
        assert!(talks_around(&format!("  #![allow({LINT})]")));
        assert!(talks_around(&format!("#![cfg_attr(test, allow({LINT}))]")));
        assert!(!talks_around("#![expect(clippy::unwrap_used)]"));
    }
}
