//! What `docs/asvs.toml` says is not there: text that runs as a script, hints and questions in the place of a password.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::pages::columns;

/// What makes text run as a script, or turns it into markup that could.
const RUN_TEXT: [&str; 8] = [
    "eval",
    "Function",
    "importScripts",
    "execScript",
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "createContextualFragment",
];

/// What of [`RUN_TEXT`] stands in a script as a word of its own, and timers that are given a text.
fn runs_text(script: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words: BTreeSet<&str> = script.split(|c: char| !is_word(c)).collect();
    let mut found: Vec<&str> = RUN_TEXT.into_iter().filter(|word| words.contains(word)).collect();
    for timer in ["setTimeout", "setInterval"] {
        let mut given = script.split(timer).skip(1).map(|rest| rest.trim_start().trim_start_matches('(').trim_start());
        found.extend(given.any(|rest| rest.starts_with(['"', '\'', '`'])).then_some(timer));
    }
    found.extend(script.contains("document.write").then_some("document.write"));
    found
}

/// Every file below a folder whose name ends so, but not what was installed or built there: its path and its text.
fn files(folder: &Path, ending: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                files(&path, ending, found);
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Scripts are shipped in one folder; mails are HTML without any.
#[test]
fn no_script_runs_text() {
    let root = crate::shell::own_root();
    let (mut scripts, mut mails) = (Vec::new(), Vec::new());
    files(&root.join("clients/javascript"), "js", &mut scripts);
    files(&root.join("crates/adapters-smtp/templates"), "html", &mut mails);
    assert!(scripts.len() > 10 && mails.len() > 10, "{} scripts, {} mails", scripts.len(), mails.len());
    for (path, script) in &scripts {
        assert_eq!(runs_text(script), Vec::<&str>::new(), "{path}");
    }
    for (path, mail) in &mails {
        let mail = mail.to_lowercase();
        assert!(!mail.contains("<script") && !mail.contains("javascript:"), "{path}");
    }
}

#[test]
fn what_runs_text_is_found() {
    for (script, found) in [
        ("eval(text)", "eval"),
        ("window.eval (text)", "eval"),
        ("new  Function('a', text)", "Function"),
        ("(0,eval)(text)", "eval"),
        ("page.innerHTML = text", "innerHTML"),
        ("setTimeout('f()', 1)", "setTimeout"),
        ("setInterval( `f()`)", "setInterval"),
        ("document.write(text)", "document.write"),
    ] {
        assert_eq!(runs_text(script), [found], "{script}");
    }
    for script in ["medieval(text)", "evaluate()", "function f() {}", "setTimeout(f, 1)", "setTimeout(() => 'a')"] {
        assert_eq!(runs_text(script), Vec::<&str>::new(), "{script}");
    }
}

/// The names of every property and parameter of the document.
fn names(document: &Value, found: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                found.extend(properties.keys().cloned());
            }
            if let (Some(Value::String(name)), Some(_)) = (members.get("name"), members.get("in")) {
                found.insert(name.clone());
            }
            members.values().for_each(|member| names(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// Whether somebody could be asked for this in the place of a password.
fn is_in_place_of_a_password(name: &str) -> bool {
    let name = name.to_lowercase();
    ["hint", "question", "answer"].iter().any(|word| name.contains(word))
}

/// ASVS 6.4.2.
#[test]
fn no_attribute_or_column_is_a_hint_a_question_or_an_answer() {
    let root = crate::shell::own_root();
    let document = serde_json::from_str(&super::read(&root, "docs/openapi.json").unwrap()).unwrap();
    let mut attributes = BTreeSet::new();
    names(&document, &mut attributes);
    assert!(attributes.contains("password") && attributes.contains("code") && attributes.len() > 100);
    for folder in ["migrations/postgres", "migrations/sqlite"] {
        let tables = columns(folder);
        assert!(tables["users"].contains("phone"), "{folder}");
        attributes.extend(tables.into_iter().flat_map(|(table, names)| names.into_iter().chain([table])));
    }
    let odd: Vec<&String> = attributes.iter().filter(|name| is_in_place_of_a_password(name)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(is_in_place_of_a_password("passwordHint") && is_in_place_of_a_password("security_answer"));
}
