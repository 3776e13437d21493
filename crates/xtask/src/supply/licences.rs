//! Under what we use what others wrote.

use spdx::{Expression, LicenseReq, ParseMode};

use super::graph::{Member, Package};
use super::policy::{Exception, Licenses};

/// What our own packages are under.
const OURS: &str = "MIT OR Apache-2.0";

/// Whatever the file says, nothing else is accepted: whether a licence that nobody here has read is copyleft, or open at all,
/// is not known by its name. All of these ask for no more than a notice.
const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// Copyleft that reaches the files it is on and no other: a package under it may be linked, unchanged and with a reason.
const PER_FILE: [&str; 1] = ["MPL-2.0"];

/// Every package whose licence is not accepted, and every acceptance nothing needs; one sentence each.
pub(super) fn check(packages: &[Package], policy: &Licenses) -> Vec<String> {
    let mut violations = Vec::new();
    let mut read = Vec::new();
    for package in packages {
        match expression(package) {
            Ok(expression) => read.push((package, expression)),
            Err(sentence) => violations.push(sentence),
        }
    }
    violations.extend(read.iter().filter_map(|(package, expression)| refuse(package, expression, policy)));
    violations.extend(lists(policy, &read));
    violations
}

/// Every package of ours that is not under the licence of all of them.
pub(super) fn ours(members: &[Member]) -> Vec<String> {
    let others = members.iter().filter(|member| member.licence.as_deref() != Some(OURS));
    others.map(|member| format!("{}: its manifest does not say license = \"{OURS}\"", member.name)).collect()
}

/// What a package may be used under. `/` stands for OR in older manifests.
fn expression(package: &Package) -> Result<Expression, String> {
    let (name, version) = &package.id;
    let Some(text) = &package.licence else { return Err(format!("{name} {version}: its manifest names no licence")) };
    Expression::parse_mode(text, ParseMode::LAX)
        .map_err(|error| format!("{name} {version}: `{text}`: {}", error.reason))
}

/// Why a package may not be used.
fn refuse(package: &Package, expression: &Expression, policy: &Licenses) -> Option<String> {
    let (name, version) = &package.id;
    let excepted: Vec<&Exception> = policy.exceptions.iter().filter(|exception| is_of(exception, package)).collect();
    let accepted = |req: &LicenseReq| {
        (names(&policy.allow, req) && is_permissive(&req.to_string()))
            || (excepted.iter().any(|exception| names(&exception.allow, req)) && may_be_excepted(&req.to_string()))
    };
    let refused = !expression.evaluate(accepted);
    refused.then(|| format!("{name} {version}: `{expression}` cannot be met with the licences of deny.toml"))
}

/// Whether an exception is for this package in this version.
fn is_of(exception: &Exception, package: &Package) -> bool {
    let (name, version) = &package.id;
    exception.spec().is_ok_and(|spec| spec.is_one_version() && spec.matches(name, version))
}

/// What is wrong with the lists themselves.
fn lists(policy: &Licenses, read: &[(&Package, Expression)]) -> Vec<String> {
    let mut violations = Vec::new();
    for licence in &policy.allow {
        if PER_FILE.contains(&licence.as_str()) {
            violations.push(format!("deny.toml: {licence} is copyleft: allow it for one package, with a reason"));
        } else if !is_permissive(licence) {
            violations
                .push(format!("deny.toml: {licence} is none of the permissive licences `cargo xtask supply` knows"));
        }
        let without = |req: &LicenseReq| names(&policy.allow, req) && req.to_string() != *licence;
        let needed = |e: &Expression| e.evaluate(|req| names(&policy.allow, req)) && !e.evaluate(without);
        if !read.iter().any(|(_, expression)| needed(expression)) {
            violations.push(format!("deny.toml: no package needs {licence}: take it off the list"));
        }
    }
    for exception in &policy.exceptions {
        violations.extend(stale(exception, policy, read));
    }
    violations
}

/// What is wrong with an exception.
fn stale(exception: &Exception, policy: &Licenses, read: &[(&Package, Expression)]) -> Option<String> {
    let name = exception.package.get_ref();
    match exception.spec() {
        Err(sentence) => return Some(sentence),
        Ok(spec) if !spec.is_one_version() => {
            return Some(format!("deny.toml: the exception for {name} does not say for which version: {name}@1.2.3"));
        }
        Ok(_) => {}
    }
    if exception.reason.is_none() {
        return Some(format!("deny.toml: the exception for {name} has no reason: write it above, as a comment"));
    }
    if let Some(licence) = exception.allow.iter().find(|licence| !may_be_excepted(licence)) {
        return Some(format!(
            "deny.toml: {licence}, for {name}, is neither permissive nor copyleft per file (MPL-2.0)"
        ));
    }
    let mut of_it = read.iter().filter(|(package, _)| is_of(exception, package)).peekable();
    if of_it.peek().is_none() {
        return Some(format!("deny.toml: {name} has an exception and is not used"));
    }
    let unneeded = of_it.all(|(_, expression)| expression.evaluate(|req| names(&policy.allow, req)));
    unneeded.then(|| format!("deny.toml: {name} needs no exception"))
}

fn names(list: &[String], req: &LicenseReq) -> bool {
    list.iter().any(|licence| *licence == req.to_string())
}

fn is_permissive(licence: &str) -> bool {
    PERMISSIVE.contains(&licence)
}

fn may_be_excepted(licence: &str) -> bool {
    is_permissive(licence) || PER_FILE.contains(&licence)
}

#[cfg(test)]
mod tests {
    use super::super::policy::Policy;
    use super::*;

    fn policy(allow: &str, exceptions: &str) -> Licenses {
        let text = format!(
            "[graph]\ntargets = []\n[bans]\n[licenses]\nallow = [{allow}]\nexceptions = [\n# A reason.\n{exceptions}\n]\n"
        );
        Policy::parse(&text).unwrap().licenses
    }

    fn package(name: &str, licence: Option<&str>) -> Package {
        Package { id: (name.into(), "1.0.0".parse().unwrap()), licence: licence.map(str::to_owned) }
    }

    /// What is said of one package, of which deny.toml needs every word.
    fn said(licence: &str, policy: &Licenses) -> Vec<String> {
        let mut violations = check(&[package("one", Some(licence))], policy);
        violations.retain(|sentence| sentence.starts_with("one "));
        violations
    }

    #[test]
    fn an_expression_is_met_by_one_side_of_or_and_both_of_and() {
        let mit = policy("\"MIT\"", "");
        for fine in ["MIT", "MIT OR GPL-3.0-only", "MIT/Apache-2.0", "Apache-2.0 / MIT", "(ISC OR MIT) AND MIT"] {
            assert_eq!(said(fine, &mit), Vec::<String>::new(), "{fine}");
        }
        for refused in ["ISC", "MIT AND ISC", "Apache-2.0 WITH LLVM-exception"] {
            let sentence = format!("one 1.0.0: `{refused}` cannot be met with the licences of deny.toml");
            assert_eq!(said(refused, &mit), [sentence]);
        }
        let with = policy("\"Apache-2.0 WITH LLVM-exception\"", "");
        assert_eq!(said("Apache-2.0 WITH LLVM-exception", &with), Vec::<String>::new());
        assert_eq!(said("Apache-2.0", &with).len(), 1);
    }

    #[test]
    fn a_package_says_under_what_it_may_be_used() {
        let mit = policy("\"MIT\"", "");
        let none = check(&[package("none", None), package("mit", Some("MIT"))], &mit);
        assert_eq!(none, ["none 1.0.0: its manifest names no licence"]);
        assert!(said("NOT-A-LICENCE", &mit)[0].starts_with("one 1.0.0: `NOT-A-LICENCE`: "));
    }

    #[test]
    fn copyleft_is_per_file_and_of_one_version_with_an_exception() {
        let mpl = |exception: &str| policy("\"MIT\"", exception);
        assert_eq!(said("MPL-2.0", &mpl("{ crate = \"one@1.0.0\", allow = [\"MPL-2.0\"] }")), Vec::<String>::new());
        let refused = ["one 1.0.0: `MPL-2.0` cannot be met with the licences of deny.toml"];
        assert_eq!(said("MPL-2.0", &mpl("")), refused);
        for other in ["one", "one@1.0.1", "one:1", "one:^1.0.0", "one:*", "one@1", "two@1.0.0", "one@one"] {
            let exception = format!("{{ crate = \"{other}\", allow = [\"MPL-2.0\"] }}");
            assert_eq!(said("MPL-2.0", &mpl(&exception)), refused, "{other}");
        }
    }

    /// Neither every copyleft nor every licence that is not open has a flag or a place in SPDX's list.
    #[test]
    fn nothing_but_what_is_known_is_accepted_whatever_the_file_says() {
        for licence in [
            "GPL-3.0-only",
            "LGPL-2.1-or-later",
            "AGPL-3.0-only",
            "SSPL-1.0",
            "BUSL-1.1",
            "Elastic-2.0",
            "CC-BY-NC-4.0",
            "EUPL-1.2",
            "OSL-3.0",
            "LicenseRef-ours",
        ] {
            let refused = format!("one 1.0.0: `{licence}` cannot be met with the licences of deny.toml");
            let allowed = policy(&format!("\"MIT\", \"{licence}\""), "");
            assert_eq!(said(licence, &allowed), [refused.as_str()]);
            assert_eq!(said(&format!("{licence} OR MIT"), &allowed), Vec::<String>::new());
            let unknown = format!("deny.toml: {licence} is none of the permissive licences `cargo xtask supply` knows");
            assert!(check(&[package("one", Some(licence))], &allowed).contains(&unknown), "{licence}");
            let exception = format!("{{ crate = \"one@1.0.0\", allow = [\"{licence}\"] }}");
            let excepted = policy("\"MIT\"", &exception);
            assert_eq!(said(licence, &excepted), [refused.as_str()]);
            let unknown =
                format!("deny.toml: {licence}, for one@1.0.0, is neither permissive nor copyleft per file (MPL-2.0)");
            assert!(check(&[package("one", Some(licence))], &excepted).contains(&unknown), "{licence}");
        }
    }

    #[test]
    fn our_own_packages_are_under_one_licence() {
        let member = |name: &str, licence: Option<&str>| Member {
            name: name.into(),
            manifest: "Cargo.toml".into(),
            licence: licence.map(str::to_owned),
        };
        let members = [
            member("fine", Some("MIT OR Apache-2.0")),
            member("other", Some("GPL-3.0-only")),
            member("half", Some("MIT")),
            member("none", None),
        ];
        let sentence = |name: &str| format!("{name}: its manifest does not say license = \"MIT OR Apache-2.0\"");
        assert_eq!(ours(&members), ["other", "half", "none"].map(sentence));
    }

    #[test]
    fn lists_hold_what_is_needed_and_no_copyleft() {
        let mit = package("one", Some("MIT OR Apache-2.0"));
        let check = |policy: &Licenses| check(std::slice::from_ref(&mit), policy);
        assert_eq!(check(&policy("\"MIT\"", "")), Vec::<String>::new());
        // Either would do, so neither is needed.
        assert_eq!(check(&policy("\"MIT\", \"ISC\"", "")), ["deny.toml: no package needs ISC: take it off the list"]);
        assert_eq!(
            check(&policy("\"MIT\", \"MPL-2.0\"", "")),
            [
                "deny.toml: MPL-2.0 is copyleft: allow it for one package, with a reason",
                "deny.toml: no package needs MPL-2.0: take it off the list"
            ]
        );
        assert_eq!(
            check(&policy("\"MIT\"", "{ crate = \"one@1.0.0\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: one@1.0.0 needs no exception"]
        );
        assert_eq!(
            check(&policy("\"MIT\"", "{ crate = \"gone@1.0.0\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: gone@1.0.0 has an exception and is not used"]
        );
        for vague in ["one", "one:1.0.0"] {
            assert_eq!(
                check(&policy("\"MIT\"", &format!("{{ crate = \"{vague}\", allow = [\"MPL-2.0\"] }}"))),
                [format!("deny.toml: the exception for {vague} does not say for which version: {vague}@1.2.3")]
            );
        }
        assert_eq!(
            check(&policy("\"MIT\"", "\n{ crate = \"one@1.0.0\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: the exception for one@1.0.0 has no reason: write it above, as a comment"]
        );
    }
}
