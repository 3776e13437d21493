//! The workspace as the rules see it.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::Outcome;

/// Our packages and their sources.
pub(super) struct Model {
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<Source>,
}

/// One package of the workspace with the dependencies its manifest names.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// As in the manifest, `keystead-…`.
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Clone, Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The features it asks for.
    pub(super) features: Vec<String>,
}

/// Which table of the manifest names a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[dependencies]` and `[build-dependencies]`: part of what is shipped.
    Normal,
    /// `[dev-dependencies]`, and what only the feature `testing` turns on: tests, examples and benches only.
    Dev,
}

/// One Rust file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Relative to the root of the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Model {
    /// Reads the manifests (without resolving anything, so without a network) and the sources under `crates/`.
    pub(super) fn load(root: &Path) -> Outcome<Self> {
        let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
        let packages = metadata.workspace_packages().into_iter().map(package).collect();
        let mut sources = Vec::new();
        collect(root, &root.join("crates"), &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { packages, sources })
    }
}

fn package(package: &cargo_metadata::Package) -> Package {
    let dependencies = package
        .dependencies
        .iter()
        .map(|dependency| Dependency {
            name: dependency.name.clone(),
            kind: kind(dependency, &package.features),
            features: dependency.features.clone(),
        })
        .collect();
    Package { name: package.name.to_string(), dependencies }
}

fn kind(dependency: &cargo_metadata::Dependency, features: &BTreeMap<String, Vec<String>>) -> Kind {
    let turns_it_on = format!("dep:{}", dependency.rename.as_ref().unwrap_or(&dependency.name));
    let mut reasons =
        features.iter().filter(|(_, on)| on.contains(&turns_it_on)).map(|(feature, _)| feature).peekable();
    let for_tests = dependency.optional && reasons.peek().is_some() && reasons.all(|feature| feature == "testing");
    if for_tests || dependency.kind == DependencyKind::Development { Kind::Dev } else { Kind::Normal }
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Outcome {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            sources.push(Source { path: relative, text: std::fs::read_to_string(&path)? });
        }
    }
    Ok(())
}
