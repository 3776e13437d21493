//! `docs/asvs.toml`: how the service stands to each requirement of the OWASP ASVS, and what shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::cell;
use crate::Outcome;

/// The chapters of ASVS 5.0, in order.
const CHAPTERS: [&str; 17] = [
    "Encoding and sanitization",
    "Validation and business logic",
    "Web frontend security",
    "API and web service",
    "File handling",
    "Authentication",
    "Session management",
    "Authorization",
    "Self-contained tokens",
    "OAuth and OIDC",
    "Cryptography",
    "Secure communication",
    "Configuration",
    "Data protection",
    "Secure coding and architecture",
    "Security logging and error handling",
    "WebRTC",
];

/// The table.
#[derive(Debug, Deserialize)]
pub(super) struct Asvs {
    /// How many requirements of level 1 and of level 2 each chapter has: `V6` and its counts.
    chapters: BTreeMap<String, Counts>,
    #[serde(rename = "requirement")]
    requirements: Vec<Requirement>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    l1: usize,
    l2: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    /// Chapter, section and number: `6.2.1`.
    id: String,
    level: u8,
    /// The gist.
    text: String,
    status: String,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    checks: Vec<String>,
    reason: Option<String>,
}

/// How we stand to a requirement, as the file and the page say it.
const STATES: [&str; 3] = ["pass", "deviation", "not-applicable"];

impl Asvs {
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        toml::from_str(text).map_err(|error| format!("docs/asvs.toml: {error}").into())
    }

    /// Reads the table of the workspace at `root`.
    pub(super) fn load(root: &Path) -> Outcome<Self> {
        Self::parse(&super::read(root, "docs/asvs.toml")?)
    }

    /// Every test the table names, with the requirement it is named for.
    pub(super) fn tests(&self) -> impl Iterator<Item = (String, &str)> {
        self.requirements
            .iter()
            .flat_map(|one| one.tests.iter().map(|test| (format!("ASVS {}", one.id), test.as_str())))
    }

    /// What is wrong with the table itself. `ci` is the script that runs the checks it may name.
    pub(super) fn problems(&self, ci: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for one in &self.requirements {
            if one.chapter().is_none() || !seen.insert(&one.id) {
                problems.push(format!("ASVS {}: not a new id of a chapter, a section and a number", one.id));
            }
            problems.extend(one.problem(ci).map(|problem| format!("ASVS {}: {problem}", one.id)));
        }
        for number in 1..=CHAPTERS.len() {
            let listed = self.counts(number);
            match self.chapters.get(&format!("V{number}")) {
                Some(expected) if *expected == listed => {}
                Some(expected) => problems.push(format!(
                    "ASVS V{number}: {} of level 1 and {} of level 2 are listed, [chapters] says {} and {}",
                    listed.l1, listed.l2, expected.l1, expected.l2
                )),
                None => problems.push(format!("ASVS V{number}: [chapters] does not say how many there are")),
            }
        }
        problems
    }

    fn counts(&self, chapter: usize) -> Counts {
        Counts { l1: self.count(Some(chapter), 1, None), l2: self.count(Some(chapter), 2, None) }
    }

    /// How many requirements there are of a level; of one chapter or all, in one state or any.
    fn count(&self, chapter: Option<usize>, level: u8, status: Option<&str>) -> usize {
        let wanted = |one: &&Requirement| {
            one.level == level
                && chapter.is_none_or(|number| one.chapter() == Some(number))
                && status.is_none_or(|status| one.status == status)
        };
        self.requirements.iter().filter(wanted).count()
    }

    /// The part of the page: counts, then deviations, then everything by chapter.
    pub(super) fn page(&self) -> String {
        let mut page = String::from(
            "## OWASP ASVS 5.0\n\nEvery requirement of levels 1 and 2; of level 3 those that are claimed. Pass, deviation, not \
             applicable:\n\n| chapter | level 1 | level 2 | level 3 |\n|---|---|---|---|\n",
        );
        let figures = |chapter| {
            let of = |level| STATES.map(|status| self.count(chapter, level, Some(status)).to_string()).join(", ");
            [of(1), of(2), of(3)].join(" | ")
        };
        let _ = writeln!(page, "| all | {} |", figures(None));
        for (title, number) in CHAPTERS.iter().zip(1..) {
            let _ = writeln!(page, "| V{number} {title} | {} |", figures(Some(number)));
        }
        page.push_str("\n### Deviations\n\n| id | level | requirement | why not |\n|---|---|---|---|\n");
        for one in self.requirements.iter().filter(|one| one.status != "pass" && one.status != "not-applicable") {
            let _ = writeln!(page, "| {} | {} | {} | {} |", one.id, one.level, cell(&one.text), one.shown());
        }
        for (title, number) in CHAPTERS.iter().zip(1..) {
            let _ = write!(
                page,
                "\n### V{number} {title}\n\n| id | level | requirement | status | shown by, or why not |\n|---|---|---|---|---|\n"
            );
            for one in self.requirements.iter().filter(|one| one.chapter() == Some(number)) {
                let (text, shown) = (cell(&one.text), one.shown());
                let _ = writeln!(page, "| {} | {} | {text} | {} | {shown} |", one.id, one.level, one.status);
            }
        }
        page
    }
}

impl Requirement {
    /// The number of its chapter.
    fn chapter(&self) -> Option<usize> {
        let parts: Vec<usize> = self.id.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [chapter, _, _] = parts.as_slice() else { return None };
        (1..=CHAPTERS.len()).contains(chapter).then_some(*chapter)
    }

    fn problem(&self, ci: &str) -> Option<String> {
        let silent = self.reason.as_ref().is_none_or(|reason| reason.trim().is_empty());
        if !(1..=3).contains(&self.level) || self.text.trim().is_empty() {
            return Some("it has no level of 1 to 3, or no text".into());
        }
        if let Some(unknown) = self.checks.iter().find(|check| !runs(ci, check)) {
            return Some(format!("`{unknown}` is no step of .ci/run"));
        }
        match self.status.as_str() {
            "pass" if self.tests.is_empty() && self.checks.is_empty() => Some("nothing shows that it is met".into()),
            "deviation" | "not-applicable" if silent => Some(format!("a {} needs a reason", self.status)),
            status if STATES.contains(&status) => None,
            status => Some(format!("the status `{status}` is none of {}", STATES.join(", "))),
        }
    }

    /// What shows it, and the reason.
    fn shown(&self) -> String {
        let quoted =
            self.tests.iter().chain(&self.checks).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let reason = self.reason.as_deref().map(cell).unwrap_or_default();
        [reason, quoted].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Whether the script runs a check: as the command of a `step`, or as settings that an `export` gives to all of them.
fn runs(ci: &str, check: &str) -> bool {
    ci.lines().any(|line| {
        // `step NAME COMMAND…`
        let step = line.strip_prefix("step ").and_then(|rest| rest.split_once(' '));
        let done = step.map(|(_, command)| command).or_else(|| line.strip_prefix("export "));
        done.and_then(|done| done.strip_prefix(check)).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table whose chapters are complete with the given requirements.
    fn table(requirements: &str) -> Asvs {
        let mut asvs = Asvs::parse(&format!("[chapters]\n{requirements}")).unwrap();
        for number in 1..=CHAPTERS.len() {
            let counts = asvs.counts(number);
            asvs.chapters.insert(format!("V{number}"), counts);
        }
        asvs
    }

    const TWO: &str = r#"
[[requirement]]
id = "6.2.1"
level = 1
text = "passwords are long | enough"
status = "pass"
tests = ["passwords::short_ones_are_refused"]
checks = ["cargo xtask arch"]
[[requirement]]
id = "6.6.1"
level = 2
text = "no text messages"
status = "deviation"
reason = "They can be turned off."
tests = ["sms::is_off"]
"#;
    const CI: &str = "step arch cargo xtask arch\n";

    fn problems(table: &Asvs) -> Vec<String> {
        table.problems(CI)
    }

    #[test]
    fn a_complete_table_has_no_problems_and_names_its_tests() {
        let table = table(TWO);
        assert_eq!(problems(&table), Vec::<String>::new());
        let named: Vec<_> = table.tests().collect();
        assert_eq!(
            named,
            [("ASVS 6.2.1".to_owned(), "passwords::short_ones_are_refused"), ("ASVS 6.6.1".to_owned(), "sms::is_off")]
        );
    }

    #[test]
    fn a_pass_is_shown_and_everything_else_has_a_reason() {
        let unshown =
            TWO.replace("tests = [\"passwords::short_ones_are_refused\"]\nchecks = [\"cargo xtask arch\"]", "");
        assert_eq!(problems(&table(&unshown)), ["ASVS 6.2.1: nothing shows that it is met"]);
        let silent = TWO.replace("They can be turned off.", " ");
        assert_eq!(problems(&table(&silent)), ["ASVS 6.6.1: a deviation needs a reason"]);
        let elsewhere = silent.replace("deviation", "not-applicable");
        assert_eq!(problems(&table(&elsewhere)), ["ASVS 6.6.1: a not-applicable needs a reason"]);
        let missing = TWO.replace("deviation", "missing");
        assert_eq!(
            problems(&table(&missing)),
            ["ASVS 6.6.1: the status `missing` is none of pass, deviation, not-applicable"]
        );
        let invented = TWO.replace("cargo xtask arch", "cargo xtask magic");
        assert_eq!(problems(&table(&invented)), ["ASVS 6.2.1: `cargo xtask magic` is no step of .ci/run"]);
    }

    #[test]
    fn a_check_is_the_command_of_a_step_or_what_all_of_them_are_given() {
        let ci = "# What `cargo xtask magic` would do.\nexport RUSTFLAGS='-D warnings' A=b\n#step old cargo xtask old\n\
            step arch cargo xtask arch\nstep docs cargo xtask docs --check\necho step cargo xtask said\nstep odd\n\
            if false; then step never cargo xtask never; fi\n";
        for run in ["cargo xtask arch", "cargo xtask docs --check", "cargo xtask docs", "RUSTFLAGS='-D warnings'"] {
            assert!(runs(ci, run), "{run}");
        }
        for not in
            ["cargo xtask magic", "cargo xtask old", "cargo xtask said", "cargo xtask never", "xtask arch", "odd"]
        {
            assert!(!runs(ci, not), "{not}");
        }
        assert!(!runs(ci, "cargo xtask arc"), "the beginning of a word");
    }

    #[test]
    fn ids_are_new_and_complete() {
        let twice = TWO.replace("6.6.1", "6.2.1");
        let sentence = "ASVS 6.2.1: not a new id of a chapter, a section and a number";
        assert_eq!(problems(&table(&twice)), [sentence]);
        for odd in ["V6.6.1", "6.6", "18.1.1", "6.6.1.1", ""] {
            assert_eq!(problems(&table(&TWO.replace("6.6.1", odd))).len(), 1, "{odd}");
        }
        let mut short = table(TWO);
        short.chapters.insert("V6".into(), Counts { l1: 1, l2: 2 });
        short.chapters.remove("V17");
        assert_eq!(
            problems(&short),
            [
                "ASVS V6: 1 of level 1 and 1 of level 2 are listed, [chapters] says 1 and 2",
                "ASVS V17: [chapters] does not say how many there are"
            ]
        );
    }

    #[test]
    fn the_page_counts_and_lists_deviations_first() {
        let page = table(TWO).page();
        assert!(page.contains("| all | 1, 0, 0 | 0, 1, 0 | 0, 0, 0 |\n"), "{page}");
        assert!(page.contains("| V6 Authentication | 1, 0, 0 | 0, 1, 0 | 0, 0, 0 |\n"), "{page}");
        assert!(page.contains("| V7 Session management | 0, 0, 0 | 0, 0, 0 | 0, 0, 0 |\n"), "{page}");
        let deviation = "| 6.6.1 | 2 | no text messages | They can be turned off. `sms::is_off` |\n";
        let pass = "| 6.2.1 | 1 | passwords are long \\| enough | pass | `passwords::short_ones_are_refused`, \
            `cargo xtask arch` |\n";
        let (first, then) = (page.find(deviation).unwrap(), page.find(pass).unwrap());
        assert!(first < then, "{page}");
    }
}
