//! `tests/attacks/catalogue.toml`: the attack list, and whether every attack was made on every kind of store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::cell;
use super::ran::{EMBEDDED, REPLICAS, Ran};
use crate::Outcome;

/// Where the tests of the list are, as folders and as modules.
const FOLDER: &str = "tests/attacks";
const MODULE: &str = "attacks::";

/// The list.
#[derive(Debug, Deserialize)]
pub(super) struct Catalogue {
    /// How many attacks each letter has, so that none is lost unnoticed.
    groups: BTreeMap<String, usize>,
    #[serde(rename = "attack")]
    attacks: Vec<Attack>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    id: String,
    /// What is tried.
    what: String,
    /// Why one kind of store is enough.
    once: Option<String>,
}

impl Catalogue {
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        toml::from_str(text).map_err(|error| format!("{FOLDER}/catalogue.toml: {error}").into())
    }

    /// Reads the list of the workspace at `root`.
    pub(super) fn load(root: &Path) -> Outcome<Self> {
        Self::parse(&super::read(root, "tests/attacks/catalogue.toml")?)
    }

    /// What is wrong with the list itself.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for Attack { id, what, once } in &self.attacks {
            if !is_id(&id.to_lowercase()) || !seen.insert(id) {
                problems.push(format!("attack {id}: not a new id of a letter and two digits"));
            }
            if what.trim().is_empty() || once.as_ref().is_some_and(|why| why.trim().is_empty()) {
                problems.push(format!("attack {id}: something is left empty"));
            }
            *counted.entry(id.chars().take(1).collect()).or_default() += 1;
        }
        if counted != self.groups {
            problems.push(format!("attacks by letter: {counted:?} are listed, [groups] says {:?}", self.groups));
        }
        problems
    }

    /// Every attack that was not made, or not on every kind of store, and every excuse for one that was.
    pub(super) fn not_made(&self, ran: &Ran) -> Vec<String> {
        let on = |stores: &str| ran.on(stores).filter(|name| name.starts_with(MODULE)).flat_map(ids).collect();
        let (embedded, replicas): (BTreeSet<String>, BTreeSet<String>) = (on(EMBEDDED), on(REPLICAS));
        let mut problems = Vec::new();
        for Attack { id, once, .. } in &self.attacks {
            let made = (embedded.contains(id), replicas.contains(id));
            let wrong = match (made, once) {
                ((false, false), _) => "no test of it ran",
                ((true, false), None) => "no test of it ran on replicas, and nothing says that once is enough",
                ((false, true), None) => {
                    "no test of it ran on the embedded store, and nothing says that once is enough"
                }
                ((true, true), Some(_)) => "its tests ran on every kind of store: take `once` away",
                _ => continue,
            };
            problems.push(format!("attack {id} ({MODULE}…::{}_…): {wrong}", id.to_lowercase()));
        }
        problems
    }

    /// The part of the page.
    pub(super) fn page(&self, tests: &BTreeMap<String, Vec<String>>) -> String {
        let mut page = format!(
            "## The attack list\n\n{} attacks, each with a test or more in `{FOLDER}`. They run on both kinds of stores; where \
             once is enough, it says why.\n\n| id | attack | tests |\n|---|---|---|\n",
            self.attacks.len()
        );
        for Attack { id, what, once } in &self.attacks {
            let named = tests.get(id).into_iter().flatten().map(|name| format!("`{name}`"));
            let why = once.iter().map(|why| format!("once: {}", cell(why)));
            let shown: Vec<String> = named.chain(why).collect();
            let _ = writeln!(page, "| {id} | {} | {} |", cell(what), shown.join(", "));
        }
        page
    }
}

/// The tests of the attack list as the sources have them: by id, their functions.
pub(super) fn in_sources(root: &Path) -> Outcome<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut code = String::new();
    super::sources(&root.join(FOLDER), &mut code)?;
    for name in functions(&code) {
        for id in ids(name) {
            found.entry(id).or_default().push(name.to_owned());
        }
    }
    for names in found.values_mut() {
        names.sort();
        names.dedup();
    }
    Ok(found)
}

/// The functions that stand right below an attribute which makes a test of them.
fn functions(code: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    code.lines().map(str::trim_start).filter_map(move |line| {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test") || line.contains("::test");
            return None;
        }
        let name =
            line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        std::mem::take(&mut is_test).then_some(name).flatten()
    })
}

/// The ids a test is named after: those its own name begins with. `o07_o08_odd_forms` is about two.
fn ids(test: &str) -> Vec<String> {
    let name = test.rsplit("::").next().unwrap_or(test);
    name.split('_').take_while(|word| is_id(word)).map(str::to_uppercase).collect()
}

fn is_id(word: &str) -> bool {
    matches!(word.as_bytes(), [letter, tens, ones] if letter.is_ascii_lowercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
[groups]
J = 1
O = 2
[[attack]]
id = "J01"
what = "a | b"
[[attack]]
id = "O07"
what = "odd"
once = "nothing is stored"
[[attack]]
id = "O08"
what = "odder"
"#;

    fn ran(embedded: &[&str], replicas: &[&str]) -> Ran {
        let mut ran = Ran::default();
        for (stores, names) in [(EMBEDDED, embedded), (REPLICAS, replicas)] {
            for name in names {
                ran.add(stores, &format!("test {name} ... ok"));
            }
        }
        ran
    }

    #[test]
    fn a_test_is_about_the_ids_its_name_begins_with() {
        assert_eq!(ids("attacks::codes::o07_o08_odd_forms_of_x12_codes"), ["O07", "O08"]);
        assert_eq!(ids("g12_z01_ids_of_others"), ["G12", "Z01"]);
        assert_eq!(ids("attacks::j01::unsigned"), Vec::<String>::new());
    }

    #[test]
    fn every_attack_is_made_on_every_kind_of_store_or_says_why_not() {
        let list = Catalogue::parse(LIST).unwrap();
        let both = ["attacks::tokens::j01_unsigned", "attacks::codes::o08_odder"];
        assert_eq!(list.not_made(&ran(&[both[0], both[1], "attacks::codes::o07_odd"], &both)), Vec::<String>::new());
        assert_eq!(
            list.not_made(&ran(&["j01_elsewhere", "attacks::codes::o07_o08_odd"], &["attacks::codes::o07_odd"])),
            [
                "attack J01 (attacks::…::j01_…): no test of it ran",
                "attack O07 (attacks::…::o07_…): its tests ran on every kind of store: take `once` away",
                "attack O08 (attacks::…::o08_…): no test of it ran on replicas, and nothing says that once is enough",
            ]
        );
        let reversed = list.not_made(&ran(&both[..1], &["attacks::a::o07_a", both[0], both[1]]));
        let sentence = "no test of it ran on the embedded store, and nothing says that once is enough";
        assert_eq!(reversed, [format!("attack O08 (attacks::…::o08_…): {sentence}")]);
    }

    #[test]
    fn the_list_is_whole() {
        assert_eq!(Catalogue::parse(LIST).unwrap().problems(), Vec::<String>::new());
        let lost = LIST.replace("O = 2", "O = 3");
        assert_eq!(
            Catalogue::parse(&lost).unwrap().problems(),
            [r#"attacks by letter: {"J": 1, "O": 2} are listed, [groups] says {"J": 1, "O": 3}"#]
        );
        let twice = LIST.replace("\"O08\"", "\"O07\"");
        assert_eq!(
            Catalogue::parse(&twice).unwrap().problems(),
            ["attack O07: not a new id of a letter and two digits"]
        );
        let silent = LIST.replace("nothing is stored", " ");
        assert_eq!(Catalogue::parse(&silent).unwrap().problems(), ["attack O07: something is left empty"]);
    }

    #[test]
    fn tests_are_functions_with_an_attribute() {
        let code = "#[test]\nfn j01_a() {}\n\n#[actix_web::test]\n#[expect(clippy::x)]\nasync fn j02_b() {}\nfn j03_help() {}\n";
        assert_eq!(functions(code).collect::<Vec<_>>(), ["j01_a", "j02_b"]);
    }

    #[test]
    fn the_page_names_the_tests() {
        let tests = BTreeMap::from([("J01".to_owned(), vec!["j01_a".to_owned(), "j01_b".to_owned()])]);
        let page = Catalogue::parse(LIST).unwrap().page(&tests);
        assert!(page.contains("3 attacks"), "{page}");
        assert!(page.contains("| J01 | a \\| b | `j01_a`, `j01_b` |\n"), "{page}");
        assert!(page.contains("| O07 | odd | once: nothing is stored |\n"), "{page}");
    }
}
