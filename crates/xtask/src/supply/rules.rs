//! Where packages come from, which may not come at all, and which may come twice.

use std::collections::BTreeMap;

use super::graph::{Locked, Member, Package};
use super::policy::Entry;

/// Every package that is neither ours nor the public registry's, and every one whose content nothing vouches for.
pub(super) fn sources(locked: &[Locked], members: &[Member]) -> Vec<String> {
    let refusal = |package: &Locked| match &package.source {
        None if members.iter().any(|member| member.name == package.name) => None,
        None => Some("it lies in a folder outside of this workspace".to_owned()),
        Some(source) if !source.is_crates_io() => Some(format!("it comes from {source}, not from the public registry")),
        Some(_) if package.checksum.is_none() => Some("Cargo.lock has no checksum of it".to_owned()),
        Some(_) => None,
    };
    let refused = locked.iter().filter_map(|package| refusal(package).map(|why| (package, why)));
    refused.map(|(package, why)| format!("{} {}: {why}", package.name, package.version)).collect()
}

/// Every banned package that is there, and every ban nobody gave a reason for.
pub(super) fn bans(packages: &[Package], deny: &[Entry]) -> Vec<String> {
    let mut violations = Vec::new();
    for entry in deny {
        let Some(reason) = entry.reason() else {
            violations.push(format!("deny.toml: {} is banned without a reason", entry.name()));
            continue;
        };
        match entry.package() {
            Ok(spec) => {
                let found = packages.iter().map(|package| &package.id).filter(|(name, v)| spec.matches(name, v));
                violations.extend(found.map(|(name, version)| format!("{name} {version} is banned: {reason}")));
            }
            Err(sentence) => violations.push(sentence),
        }
    }
    violations
}

/// Every package in several versions nobody gave a reason for, and every reason for one that is there once.
pub(super) fn duplicates(packages: &[Package], skip: &[Entry]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut versions: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for Package { id: (name, version), .. } in packages {
        versions.entry(name).or_default().push(version);
    }
    let mut excused = Vec::new();
    for entry in skip {
        if entry.reason().is_none() {
            violations
                .push(format!("deny.toml: {} may be there beside another version, without a reason", entry.name()));
        }
        let spec = match entry.package() {
            Ok(spec) => spec,
            Err(sentence) => {
                violations.push(sentence);
                continue;
            }
        };
        let of_it = versions.get(spec.name).map_or(&[][..], Vec::as_slice);
        if of_it.len() < 2 || !of_it.iter().any(|version| spec.matches(spec.name, version)) {
            violations.push(format!("deny.toml: {} is not there beside another version any more", entry.name()));
        }
        excused.push(spec);
    }
    for (name, of_it) in versions {
        let left: Vec<String> = of_it
            .iter()
            .filter(|version| !excused.iter().any(|spec| spec.matches(name, version)))
            .map(ToString::to_string)
            .collect();
        if left.len() > 1 {
            violations.push(format!(
                "{name} is there in {} versions without a reason: {}",
                left.len(),
                left.join(", ")
            ));
        }
    }
    violations
}

/// Every advisory that is ignored without a reason, or without the day somebody looked at it.
pub(super) fn advisories(ignore: &[Entry]) -> Vec<String> {
    let refusal = |entry: &Entry| match entry.reason() {
        None => Some(format!("deny.toml: {} is ignored without a reason", entry.name())),
        Some(reason) if !reason.split(|c: char| !c.is_ascii_digit() && c != '-').any(is_date) => {
            Some(format!("deny.toml: the reason to ignore {} does not say when it was looked at", entry.name()))
        }
        Some(_) => None,
    };
    ignore.iter().filter_map(refusal).collect()
}

/// `2026-11-22`.
fn is_date(word: &str) -> bool {
    let parts: Vec<(usize, bool)> =
        word.split('-').map(|part| (part.len(), part.bytes().all(|b| b.is_ascii_digit()))).collect();
    parts == [(4, true), (2, true), (2, true)]
}

/// Every severity of flaws for which the page does not say in how many days they are mended.
pub(super) fn times(page: &str) -> Vec<String> {
    let said = |severity: &str| {
        let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {severity} | ")));
        row.and_then(|rest| rest.split_once(" days |")).is_some_and(|(days, _)| days.parse::<u16>().is_ok())
    };
    let silent = ["critical", "high", "medium", "low"].into_iter().filter(|severity| !said(severity));
    silent.map(|severity| format!("docs/supply-chain.md does not say how soon a {severity} flaw is mended")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(list: &[(&str, &str)]) -> Vec<Package> {
        let one = |(name, version): &(&str, &str)| Package {
            id: ((*name).to_owned(), version.parse().unwrap()),
            licence: Some("MIT".into()),
        };
        list.iter().map(one).collect()
    }

    fn because(name: &str) -> Entry {
        Entry::Table { name: name.into(), reason: Some("because".into()) }
    }

    #[test]
    fn packages_are_ours_or_the_public_registrys_with_a_checksum() {
        let ours = [Member { name: "keystead-domain".into(), manifest: "Cargo.toml".into(), licence: None }];
        let lock = |name: &str, source: Option<&str>, checksum: Option<&str>| Locked {
            name: name.into(),
            version: "1.0.0".into(),
            source: source.map(|repr| cargo_metadata::Source { repr: repr.into() }),
            checksum: checksum.map(str::to_owned),
        };
        // The one cargo writes into every lock file.
        let registry = include_str!("../../../../Cargo.lock").split('"').find(|word| word.starts_with("registry+"));
        let said = sources(
            &[
                lock("keystead-domain", None, None),
                lock("fine", registry, Some("00")),
                lock("beside", None, None),
                lock("unsure", registry, None),
                lock("fork", Some("git+https://example.com/fork#0a"), None),
                lock("mirror", Some("registry+https://example.com/index"), Some("00")),
            ],
            &ours,
        );
        assert_eq!(
            said,
            [
                "beside 1.0.0: it lies in a folder outside of this workspace",
                "unsure 1.0.0: Cargo.lock has no checksum of it",
                "fork 1.0.0: it comes from git+https://example.com/fork#0a, not from the public registry",
                "mirror 1.0.0: it comes from registry+https://example.com/index, not from the public registry",
            ]
        );
    }

    #[test]
    fn a_banned_version_is_refused_with_its_reason() {
        let there = packages(&[("h2", "0.3.27"), ("h2", "0.4.5"), ("serde", "1.0.0")]);
        assert_eq!(bans(&there, &[because("h2:<0.4")]), ["h2 0.3.27 is banned: because"]);
        assert_eq!(bans(&there, &[because("h2")]).len(), 2);
        assert_eq!(bans(&there, &[because("serde_json")]), Vec::<String>::new());
        assert_eq!(bans(&there, &[Entry::Bare("x".into())]), ["deny.toml: x is banned without a reason"]);
        assert_eq!(bans(&there, &[because("h2:many")]).len(), 1);
    }

    #[test]
    fn a_second_version_needs_a_reason() {
        let there = packages(&[("rand", "0.8.0"), ("rand", "0.9.0"), ("rand", "0.10.0"), ("serde", "1.0.0")]);
        assert_eq!(duplicates(&there, &[]), ["rand is there in 3 versions without a reason: 0.8.0, 0.9.0, 0.10.0"]);
        assert_eq!(
            duplicates(&there, &[because("rand@0.8.0")]),
            ["rand is there in 2 versions without a reason: 0.9.0, 0.10.0"]
        );
        assert_eq!(duplicates(&there, &[because("rand@0.8.0"), because("rand@0.9.0")]), Vec::<String>::new());
        assert_eq!(
            duplicates(&there, &[Entry::Bare("rand:<0.10".into())]),
            ["deny.toml: rand:<0.10 may be there beside another version, without a reason"]
        );
    }

    #[test]
    fn a_reason_for_what_is_there_once_is_taken_away() {
        let there = packages(&[("rand", "0.10.0"), ("base64", "0.21.7"), ("base64", "0.22.1")]);
        let gone = |name: &str| format!("deny.toml: {name} is not there beside another version any more");
        let skip = ["rand@0.10.0", "rand@0.8.0", "base64@0.13.0", "nowhere@1.0.0", "base64@0.21.7"].map(because);
        let expected = ["rand@0.10.0", "rand@0.8.0", "base64@0.13.0", "nowhere@1.0.0"].map(gone);
        assert_eq!(duplicates(&there, &skip), expected);
    }

    #[test]
    fn an_advisory_is_ignored_with_a_reason_and_the_day_it_was_looked_at() {
        let of = |name: &str, reason: &str| Entry::Table { name: name.into(), reason: Some(reason.into()) };
        let ignore = [
            of("RUSTSEC-2023-0071", "public keys only (2026-11-22)"),
            of("RUSTSEC-2023-0072", "public keys only, as 2023-0071"),
            Entry::Bare("RUSTSEC-2023-0089".into()),
        ];
        assert_eq!(
            advisories(&ignore),
            [
                "deny.toml: the reason to ignore RUSTSEC-2023-0072 does not say when it was looked at",
                "deny.toml: RUSTSEC-2023-0089 is ignored without a reason",
            ]
        );
    }

    #[test]
    fn the_page_says_how_soon_flaws_are_mended() {
        let page = "| critical | 7 days | x |\n| high | 30 days | x |\n| medium | soon |\n| low | 90 days |\n";
        assert_eq!(times(page), ["docs/supply-chain.md does not say how soon a medium flaw is mended"]);
        assert_eq!(times("").len(), 4);
    }
}
