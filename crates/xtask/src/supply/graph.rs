//! What cargo resolves the workspace to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::semver::Version;
use cargo_metadata::{Metadata, MetadataCommand, Source};
use serde::Deserialize;

use crate::{Outcome, shell};

/// The package whose binary is the product.
const PRODUCT: &str = "keystead-api-actix";

/// A package by name and version; there is one source only, so that is enough.
pub(super) type Id = (String, Version);

/// Packages, by what they are part of.
pub(super) struct Graph {
    /// Everything anything here is built from on the targets: with all features, tests and tools included.
    pub(super) packages: Vec<Package>,
    /// What is linked into the binary as it is released: its own features, no macros, no build scripts, no tests.
    pub(super) linked: BTreeSet<Id>,
    /// Every line of `Cargo.lock`, whatever target it is for.
    pub(super) locked: Vec<Locked>,
    /// Our own packages.
    pub(super) members: Vec<Member>,
}

/// A package of others.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) id: Id,
    /// The SPDX expression of its manifest.
    pub(super) licence: Option<String>,
}

/// A package of this workspace.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Its manifest.
    pub(super) manifest: PathBuf,
    /// What the manifest says it is under.
    pub(super) licence: Option<String>,
}

/// One package of `Cargo.lock`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) source: Option<Source>,
    pub(super) checksum: Option<String>,
}

#[derive(Deserialize)]
struct LockFile {
    package: Vec<Locked>,
}

impl Graph {
    /// Asks cargo. Fails when `Cargo.lock` is not exactly what the manifests resolve to.
    pub(super) fn load(root: &Path, targets: &[String]) -> Outcome<Self> {
        let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
        let lock: LockFile = toml::from_str(&lock).map_err(|error| format!("Cargo.lock: {error}"))?;
        let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
        let everything = ["--workspace", "--all-features", "--edges", "normal,build,dev"];
        let shipped = ["--package", PRODUCT, "--edges", "normal,no-proc-macro"];
        Ok(Self {
            packages: packages(root, targets, &everything)?,
            linked: packages(root, targets, &shipped)?.into_iter().map(|package| package.id).collect(),
            locked: lock.package,
            members: members(&metadata),
        })
    }
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let ours = metadata.workspace_packages().into_iter();
    ours.map(|package| Member {
        name: package.name.to_string(),
        manifest: package.manifest_path.clone().into(),
        licence: package.license.clone(),
    })
    .collect()
}

/// What `cargo tree` shows: unlike `cargo metadata`, it resolves features as a build does.
fn packages(root: &Path, targets: &[String], what: &[&str]) -> Outcome<Vec<Package>> {
    let mut found = BTreeMap::new();
    for target in targets {
        let mut command = shell::cargo(root);
        command.args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{l}", "--target", target]).args(what);
        for line in shell::read(&mut command)?.lines().filter(|line| !line.is_empty() && !is_ours(line)) {
            let package = package(line).ok_or_else(|| format!("cargo tree says `{line}`"))?;
            found.insert(package.id.clone(), package);
        }
    }
    Ok(found.into_values().collect())
}

/// Ours have their folder behind them: `keystead-domain v0.1.0 (/somewhere/crates/domain)|MIT`.
fn is_ours(line: &str) -> bool {
    line.split('|').next().is_some_and(|package| package.contains(" (/"))
}

/// Reads a line like `serde v1.0.229|MIT OR Apache-2.0 (*)`.
fn package(line: &str) -> Option<Package> {
    let (package, licence) = line.strip_suffix("(*)").unwrap_or(line).split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?.parse().ok()?);
    let licence = Some(licence.trim()).filter(|licence| !licence.is_empty()).map(str::to_owned);
    Some(Package { id: (name.to_owned(), version), licence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_tree_are_packages_of_others_or_ours() {
        let read = |line| package(line).map(|package| (package.id.0, package.id.1.to_string(), package.licence));
        let found = |name: &str, version: &str, licence: Option<&str>| {
            Some((name.to_owned(), version.to_owned(), licence.map(str::to_owned)))
        };
        assert_eq!(read("serde v1.0.229|MIT OR Apache-2.0"), found("serde", "1.0.229", Some("MIT OR Apache-2.0")));
        assert_eq!(read("fnv v1.0.7|Apache-2.0 / MIT (*)"), found("fnv", "1.0.7", Some("Apache-2.0 / MIT")));
        assert_eq!(read("toml v1.2.1+spec-1.1.0| (*)"), found("toml", "1.2.1+spec-1.1.0", None));
        assert_eq!(read("darling_macro v0.24.1 (proc-macro)|MIT"), found("darling_macro", "0.24.1", Some("MIT")));
        assert_eq!(read("serde one|MIT"), None);
        assert_eq!(read("serde v1.0.229"), None);
        assert!(is_ours("keystead-domain v0.1.0 (/somewhere/crates/domain)|MIT OR Apache-2.0 (*)"));
        assert!(!is_ours("darling_macro v0.24.1 (proc-macro)|MIT"));
        assert!(!is_ours("fnv v1.0.7|MIT (/or so)"));
    }

    #[test]
    fn a_lock_file_is_read_with_its_sources() {
        let text = "version = 4\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\"theirs\"]\n\
            [[package]]\nname = \"theirs\"\nversion = \"1.0.0\"\nsource = \"git+https://example.com/theirs#0a\"\n";
        let lock: LockFile = toml::from_str(text).unwrap();
        assert_eq!(lock.package[0].source, None);
        assert_eq!(lock.package[1].source.as_ref().unwrap().repr, "git+https://example.com/theirs#0a");
        assert_eq!(lock.package[1].checksum, None);
    }
}
