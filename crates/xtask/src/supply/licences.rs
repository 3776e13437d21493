//! Under what we use what others wrote.

use std::collections::BTreeSet;

use spdx::{Expression, LicenseReq, ParseMode};

use super::graph::{Id, Package};
use super::policy::{Exception, Licenses};

/// Copyleft that reaches the files it is on and no other: a package under it may be linked, unchanged and with a reason.
const PER_FILE: [&str; 1] = ["MPL-2.0"];

/// Every package whose licence is not accepted, and every acceptance nothing needs; one sentence each.
pub(super) fn check(packages: &[Package], linked: &BTreeSet<Id>, policy: &Licenses) -> Vec<String> {
    let mut violations = Vec::new();
    let mut read = Vec::new();
    for package in packages {
        match expression(package) {
            Ok(expression) => read.push((package, expression)),
            Err(sentence) => violations.push(sentence),
        }
    }
    for (package, expression) in &read {
        violations.extend(refuse(package, expression, linked.contains(&package.id), policy));
    }
    violations.extend(lists(policy, &read));
    violations
}

/// What a package may be used under. `/` stands for OR in older manifests.
fn expression(package: &Package) -> Result<Expression, String> {
    let (name, version) = &package.id;
    let Some(text) = &package.licence else { return Err(format!("{name} {version}: its manifest names no licence")) };
    Expression::parse_mode(text, ParseMode::LAX)
        .map_err(|error| format!("{name} {version}: `{text}`: {}", error.reason))
}

/// Why a package may not be used, or not be linked.
fn refuse(package: &Package, expression: &Expression, linked: bool, policy: &Licenses) -> Option<String> {
    let (name, version) = &package.id;
    let excepted = policy.exceptions.iter().find(|exception| exception.package.get_ref() == name);
    let accepted = |req: &LicenseReq| names(&policy.allow, req) || excepted.is_some_and(|e| names(&e.allow, req));
    if !expression.evaluate(accepted) {
        return Some(format!("{name} {version}: `{expression}` cannot be met with the licences of deny.toml"));
    }
    let reaches_further = |req: &LicenseReq| is_copyleft(req) && !PER_FILE.contains(&req.to_string().as_str());
    if linked && !expression.evaluate(|req| accepted(req) && !reaches_further(req)) {
        return Some(format!("{name} {version}: `{expression}` is copyleft and linked into the binary"));
    }
    None
}

/// What is wrong with the lists themselves.
fn lists(policy: &Licenses, read: &[(&Package, Expression)]) -> Vec<String> {
    let mut violations = Vec::new();
    for licence in &policy.allow {
        if spdx::license_id(licence).is_some_and(spdx::LicenseId::is_copyleft) {
            violations.push(format!("deny.toml: {licence} is copyleft: allow it for one package, with a reason"));
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
    if exception.reason.is_none() {
        return Some(format!("deny.toml: the exception for {name} has no reason: write it above, as a comment"));
    }
    let mut of_it = read.iter().filter(|(package, _)| package.id.0 == *name).peekable();
    if of_it.peek().is_none() {
        return Some(format!("deny.toml: {name} has an exception and is not used"));
    }
    let unneeded = of_it.all(|(_, expression)| expression.evaluate(|req| names(&policy.allow, req)));
    unneeded.then(|| format!("deny.toml: {name} needs no exception"))
}

fn names(list: &[String], req: &LicenseReq) -> bool {
    list.iter().any(|licence| *licence == req.to_string())
}

fn is_copyleft(req: &LicenseReq) -> bool {
    req.license.id().is_some_and(spdx::LicenseId::is_copyleft)
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
    fn said(licence: &str, linked: bool, policy: &Licenses) -> Vec<String> {
        let one = package("one", Some(licence));
        let linked = if linked { BTreeSet::from([one.id.clone()]) } else { BTreeSet::new() };
        let mut violations = check(&[one], &linked, policy);
        violations.retain(|sentence| sentence.starts_with("one "));
        violations
    }

    #[test]
    fn an_expression_is_met_by_one_side_of_or_and_both_of_and() {
        let mit = policy("\"MIT\"", "");
        for fine in ["MIT", "MIT OR GPL-3.0-only", "MIT/Apache-2.0", "Apache-2.0 / MIT", "(ISC OR MIT) AND MIT"] {
            assert_eq!(said(fine, true, &mit), Vec::<String>::new(), "{fine}");
        }
        for refused in ["ISC", "MIT AND ISC", "Apache-2.0 WITH LLVM-exception"] {
            let sentence = format!("one 1.0.0: `{refused}` cannot be met with the licences of deny.toml");
            assert_eq!(said(refused, true, &mit), [sentence]);
        }
        let with = policy("\"Apache-2.0 WITH LLVM-exception\"", "");
        assert_eq!(said("Apache-2.0 WITH LLVM-exception", true, &with), Vec::<String>::new());
        assert_eq!(said("Apache-2.0", true, &with).len(), 1);
    }

    #[test]
    fn a_package_says_under_what_it_may_be_used() {
        let mit = policy("\"MIT\"", "");
        let none = check(&[package("none", None), package("mit", Some("MIT"))], &BTreeSet::new(), &mit);
        assert_eq!(none, ["none 1.0.0: its manifest names no licence"]);
        assert!(said("NOT-A-LICENCE", false, &mit)[0].starts_with("one 1.0.0: `NOT-A-LICENCE`: "));
    }

    #[test]
    fn copyleft_is_linked_per_file_and_with_an_exception_only() {
        let mpl = policy("\"MIT\"", "{ crate = \"one\", allow = [\"MPL-2.0\"] }");
        assert_eq!(said("MPL-2.0", true, &mpl), Vec::<String>::new());
        assert_eq!(said("MPL-2.0", true, &policy("\"MIT\"", "")).len(), 1);
        let gpl = policy("\"MIT\"", "{ crate = \"one\", allow = [\"GPL-3.0-only\", \"LGPL-2.1-or-later\"] }");
        for licence in ["GPL-3.0-only", "LGPL-2.1-or-later"] {
            assert_eq!(said(licence, false, &gpl), Vec::<String>::new(), "a tool may be");
            assert_eq!(
                said(licence, true, &gpl),
                [format!("one 1.0.0: `{licence}` is copyleft and linked into the binary")]
            );
        }
        assert_eq!(said("GPL-3.0-only OR MIT", true, &gpl), Vec::<String>::new());
    }

    #[test]
    fn lists_hold_what_is_needed_and_no_copyleft() {
        let mit = package("one", Some("MIT OR Apache-2.0"));
        let check = |policy: &Licenses| check(std::slice::from_ref(&mit), &BTreeSet::new(), policy);
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
            check(&policy("\"MIT\"", "{ crate = \"one\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: one needs no exception"]
        );
        assert_eq!(
            check(&policy("\"MIT\"", "{ crate = \"gone\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: gone has an exception and is not used"]
        );
        assert_eq!(
            check(&policy("\"MIT\"", "\n{ crate = \"one\", allow = [\"MPL-2.0\"] }")),
            ["deny.toml: the exception for one has no reason: write it above, as a comment"]
        );
    }
}
