//! Which tests ran, read from what the test programs print.

use std::collections::{BTreeMap, BTreeSet};

/// What the harness of the end-to-end tests says, on standard error, of a test that needs stores other than its run's.
const TOLD: &str = ": on a SQLite file in every run: ";

/// The tests of every run, as their programs name them: the modules inside of the program, and the function.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// By the stores of the run. Tests that failed are among them: they are counted elsewhere.
    runs: BTreeMap<String, BTreeSet<String>>,
    /// Tests that are on a SQLite file whatever the run is on.
    embedded: BTreeSet<String>,
}

impl Ran {
    /// Adds a line of standard output, when it is the result of a test.
    pub(crate) fn add(&mut self, stores: &str, line: &str) {
        if let Some(name) = result(line) {
            self.runs.entry(stores.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// Adds a line of standard error, when it says where a test is.
    pub(crate) fn add_told(&mut self, line: &str) {
        if let Some((name, _)) = line.split_once(TOLD) {
            self.embedded.insert(name.to_owned());
        }
    }

    /// Whether a test ran in any run. It is named in full, or by the end of its path.
    pub(super) fn has(&self, named: &str) -> bool {
        let ends = |name: &str| name.strip_suffix(named).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"));
        self.runs.values().flatten().any(|name| ends(name))
    }

    /// The tests of a run that were on its stores.
    pub(crate) fn on(&self, stores: &str) -> impl Iterator<Item = &str> {
        let shared = stores != EMBEDDED;
        let names = self.runs.get(stores).into_iter().flatten();
        names.filter(move |name| !(shared && self.embedded.contains(*name))).map(String::as_str)
    }
}

/// The run on SQLite files, and the one on PostgreSQL and Redis.
pub(crate) const EMBEDDED: &str = "embedded";
pub(crate) const REPLICAS: &str = "replicas";

/// The name in a line like `test a::b ... ok`. What a child process of a test wrote may stand before it.
fn result(line: &str) -> Option<&str> {
    line.match_indices("test ").find_map(|(start, word)| {
        let (name, result) = line.get(start + word.len()..)?.rsplit_once(" ... ")?;
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let ended = result.starts_with("ok") || result.starts_with("FAILED");
        // Names have no blanks, but for those of documentation tests.
        (ended && (start == 0 || !name.contains(' '))).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_and_other_lines_are_not() {
        for (line, name) in [
            ("test a::b ... ok", "a::b"),
            ("test a::b ... FAILED", "a::b"),
            ("test a::in_test ... ok", "a::in_test"),
            ("test a::b ... ok <12.3s>", "a::b"),
            ("test a::b - should panic ... ok", "a::b"),
            ("test src/lib.rs - a::B (line 7) ... ok", "src/lib.rs - a::B (line 7)"),
            ("LOG: readytest a::b ... ok", "a::b"),
        ] {
            assert_eq!(result(line), Some(name), "{line}");
        }
        for line in [
            "test a::b ... ignored",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test a::b has been running for over 60 seconds",
            "running 3 tests",
            "the test of that ... ok",
        ] {
            assert_eq!(result(line), None, "{line}");
        }
    }

    #[test]
    fn a_test_is_found_by_its_name_or_the_end_of_its_path() {
        let mut ran = Ran::default();
        ran.add(REPLICAS, "test attacks::tokens::j01_unsigned ... ok");
        for named in ["attacks::tokens::j01_unsigned", "tokens::j01_unsigned", "j01_unsigned"] {
            assert!(ran.has(named), "{named}");
        }
        for named in ["01_unsigned", "attacks::tokens", "other::j01_unsigned", "s::tokens::j01_unsigned"] {
            assert!(!ran.has(named), "{named}");
        }
    }

    #[test]
    fn a_test_that_is_on_sqlite_in_every_run_is_not_on_the_replicas() {
        let mut ran = Ran::default();
        for stores in [EMBEDDED, REPLICAS] {
            ran.add(stores, "test attacks::a ... ok");
            ran.add(stores, "test attacks::b ... ok");
        }
        ran.add_told(&format!("attacks::a{TOLD}the page of the development mailbox"));
        ran.add_told("attacks::b: something else");
        assert_eq!(ran.on(EMBEDDED).collect::<Vec<_>>(), ["attacks::a", "attacks::b"]);
        assert_eq!(ran.on(REPLICAS).collect::<Vec<_>>(), ["attacks::b"]);
        let harness = include_str!("../../../../tests/e2e/support/stores.rs");
        assert!(harness.contains(&format!("{{test}}{TOLD}{{why}}")), "the harness says it in other words");
    }
}
