//! `deny.toml`, as far as this command reads it. Its form is cargo-deny's.

use cargo_metadata::semver::{Version, VersionReq};
use serde::Deserialize;
use toml::Spanned;

use crate::Outcome;

/// The decisions of this workspace about what it is built from.
#[derive(Debug, Deserialize)]
pub(super) struct Policy {
    pub(super) graph: Targets,
    pub(super) licenses: Licenses,
    pub(super) bans: Bans,
    #[serde(default)]
    pub(super) advisories: Advisories,
}

/// What the service is built for.
#[derive(Debug, Deserialize)]
pub(super) struct Targets {
    /// Target triples.
    pub(super) targets: Vec<String>,
}

/// Which licences are accepted.
#[derive(Debug, Deserialize)]
pub(super) struct Licenses {
    /// Everywhere: SPDX names, with their exception where there is one.
    pub(super) allow: Vec<String>,
    /// For one package each.
    #[serde(default)]
    pub(super) exceptions: Vec<Exception>,
}

/// Licences accepted for one version of one package only: another version may be under another licence. cargo-deny has no place for a reason here: it is the comment above the entry.
#[derive(Debug, Deserialize)]
pub(super) struct Exception {
    #[serde(rename = "crate")]
    pub(super) package: Spanned<String>,
    pub(super) allow: Vec<String>,
    /// The comment above this entry, or above the entries right before it.
    #[serde(skip)]
    pub(super) reason: Option<String>,
}

/// Which packages may not be used, and which may be there in several versions.
#[derive(Debug, Deserialize)]
pub(super) struct Bans {
    #[serde(default)]
    pub(super) deny: Vec<Entry>,
    #[serde(default)]
    pub(super) skip: Vec<Entry>,
}

/// Which known problems of packages are lived with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Advisories {
    #[serde(default)]
    pub(super) ignore: Vec<Entry>,
}

/// One decision about a package or an advisory.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Entry {
    Bare(String),
    Table {
        #[serde(rename = "crate", alias = "id")]
        name: String,
        reason: Option<String>,
    },
}

impl Entry {
    /// The package, with its version, or the advisory.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Bare(name) | Self::Table { name, .. } => name,
        }
    }

    /// Why, when somebody said so.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Table { reason: Some(reason), .. } if !reason.trim().is_empty() => Some(reason),
            _ => None,
        }
    }

    /// The versions of a package this is about.
    pub(super) fn package(&self) -> Result<Spec<'_>, String> {
        Spec::parse(self.name())
    }
}

impl Exception {
    /// The versions of a package this is about.
    pub(super) fn spec(&self) -> Result<Spec<'_>, String> {
        Spec::parse(self.package.get_ref())
    }
}

/// A package in one, some or all of its versions.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    pub(super) name: &'a str,
    /// None: all of them.
    versions: Option<VersionReq>,
    is_one: bool,
}

impl<'a> Spec<'a> {
    /// All of `name`, one of `name@1.2.3`, some of `name:<0.4`.
    fn parse(text: &'a str) -> Result<Self, String> {
        let wrong = |error| format!("deny.toml: `{text}` is not a version: {error}");
        if let Some((name, version)) = text.split_once('@') {
            let is_one = version.parse::<Version>().is_ok();
            return Ok(Spec { name, versions: Some(format!("={version}").parse().map_err(wrong)?), is_one });
        }
        if let Some((name, requirement)) = text.split_once(':') {
            return Ok(Spec { name, versions: Some(requirement.parse().map_err(wrong)?), is_one: false });
        }
        Ok(Spec { name: text, versions: None, is_one: false })
    }

    /// Whether one version is named.
    pub(super) const fn is_one_version(&self) -> bool {
        self.is_one
    }

    pub(super) fn matches(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.versions.as_ref().is_none_or(|versions| versions.matches(version))
    }
}

impl Policy {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        let mut policy: Self = toml::from_str(text).map_err(|error| format!("deny.toml: {error}"))?;
        for exception in &mut policy.licenses.exceptions {
            exception.reason = comment_above(text, exception.package.span().start);
        }
        Ok(policy)
    }
}

/// The comment above the run of entries that the one at `offset` is part of.
fn comment_above(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    // The line itself is the last one, whole or in part.
    let above = before.lines().rev().skip(1).map(str::trim);
    let comment: Vec<&str> = above
        .skip_while(|line| line.starts_with('{'))
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    (!comment.is_empty()).then(|| comment.into_iter().rev().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCEPTIONS: &str = r#"
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[licenses]
allow = ["MIT"]
exceptions = [
    # Nobody else does this,
    # and it is linked unchanged.
    { allow = ["MPL-2.0"], crate = "one" },
    { allow = ["MPL-2.0"], crate = "two" },

    { allow = ["MPL-2.0"], crate = "three" },
]
[bans]
deny = ["all", { crate = "old:<0.4", reason = " " }]
skip = [{ crate = "exact@1.2.3", reason = "because" }]
"#;

    #[test]
    fn an_exception_has_the_comment_above_its_run_as_its_reason() {
        let policy = Policy::parse(EXCEPTIONS).unwrap();
        let reasons: Vec<_> = policy.licenses.exceptions.iter().map(|e| e.reason.as_deref()).collect();
        let said = Some("Nobody else does this, and it is linked unchanged.");
        assert_eq!(reasons, [said, said, None]);
    }

    #[test]
    fn an_entry_is_about_all_some_or_one_version() {
        let policy = Policy::parse(EXCEPTIONS).unwrap();
        let version = |text: &str| text.parse::<Version>().unwrap();
        let [all, some] = policy.bans.deny.as_slice() else { panic!("two entries") };
        assert!(all.package().unwrap().matches("all", &version("9.0.0")));
        assert!(!all.package().unwrap().matches("old", &version("9.0.0")));
        assert!(some.package().unwrap().matches("old", &version("0.3.27")));
        assert!(!some.package().unwrap().matches("old", &version("0.4.0")));
        let one = &policy.bans.skip[0];
        assert!(one.package().unwrap().matches("exact", &version("1.2.3")));
        assert!(one.package().unwrap().matches("exact", &version("1.2.3+of-a-build")));
        assert!(!one.package().unwrap().matches("exact", &version("1.2.4")));
        assert!(Entry::Bare("bad@one".into()).package().unwrap_err().contains("`bad@one` is not a version"));
    }

    #[test]
    fn a_reason_is_more_than_blanks() {
        let policy = Policy::parse(EXCEPTIONS).unwrap();
        assert_eq!(policy.bans.deny[0].reason(), None);
        assert_eq!(policy.bans.deny[1].reason(), None);
        assert_eq!(policy.bans.skip[0].reason(), Some("because"));
    }
}
