//! Every language says everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use keystead_domain::account as a;
use keystead_domain::attendance::{LocalDateError, RemarksError};
use keystead_domain::factor::PasskeyNameError;
use keystead_domain::srp::{KdfRefusal, SrpRefusal};

use super::catalogue::{Catalogue, captured};
use super::*;

/// Every catalogue and its tag.
fn catalogues() -> impl Iterator<Item = (&'static str, &'static Catalogue)> {
    let others = Language::ALL.into_iter().filter_map(|language| Some((language.tag(), language.catalogue()?)));
    others.map(|(tag, index)| (tag, &CATALOGUES[index]))
}

/// The places of a text: `{min}`.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// What the domain refuses with, as clients are told.
fn refusals() -> Vec<String> {
    vec![
        a::EmailAddressError::Length.to_string(),
        a::EmailAddress::try_new("nobody").unwrap_err().to_string(),
        a::PhoneNumber::try_new("0123456789").unwrap_err().to_string(),
        a::PhoneNumber::try_new("+1").unwrap_err().to_string(),
        a::Username::try_new("x").unwrap_err().to_string(),
        a::Username::try_new("-ada-").unwrap_err().to_string(),
        a::FullName::try_new("").unwrap_err().to_string(),
        a::FullName::try_new("https://evil.example").unwrap_err().to_string(),
        a::Reason::try_new("x").unwrap_err().to_string(),
        a::Reason::try_new(&"x".repeat(201)).unwrap_err().to_string(),
        a::Reason::try_new("two\nlines").unwrap_err().to_string(),
        a::LocaleError.to_string(),
        a::UnknownRole.to_string(),
        a::PasswordRefusal::TooShort { min: 15 }.to_string(),
        a::PasswordRefusal::TooLong.to_string(),
        a::PasswordRefusal::Common.to_string(),
        a::PasswordRefusal::OwnWords.to_string(),
        PasskeyNameError.to_string(),
        LocalDateError.to_string(),
        RemarksError::TooLong.to_string(),
        RemarksError::NotPrintable.to_string(),
        SrpRefusal::NotHex.to_string(),
        SrpRefusal::WrongLength.to_string(),
        SrpRefusal::LeadingZero.to_string(),
        SrpRefusal::OutOfRange.to_string(),
        KdfRefusal::TooCheap.to_string(),
        KdfRefusal::OutOfRange.to_string(),
    ]
}

/// Texts that are put together, or stand where the search below does not look.
const OTHERS: [&str; 13] = [
    "the type must be \"users\"",
    "the length must be 6",
    "the length must be 1 to 6",
    "the length must be at least 1",
    "the length must be at most 6",
    "the value must be 6",
    "the value must be 1 to 6",
    "the value must be at least 1",
    "the value must be at most 6",
    "the value breaks a rule",
    "the body is not UTF-8",
    "the body begins with a byte order mark",
    "the body is not valid JSON at line 1, column 2",
];

/// The texts of details in the sources of this crate: what is given to `detail` and `refuse`, what attributes expect, and
/// whatever begins with "must be". What goes into them is a 7.
fn texts_of_sources() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut texts = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in [".detail(", ".refuse(", "let detail = "] {
            let calls = code.match_indices(call).map(|(at, _)| &code[at + call.len()..]);
            texts.extend(calls.filter_map(|rest| literals(arguments(rest)).pop()));
        }
        let expected = code.match_indices("const EXPECTED: &'static str = \"");
        texts.extend(
            expected.filter_map(|(at, _)| literals(&code[at..]).into_iter().next()).map(|e| format!("must be {e}")),
        );
        let attributes = code.match_indices("\nattribute!(");
        texts.extend(
            attributes.filter_map(|(at, _)| literals(&code[at..]).into_iter().next()).map(|e| format!("must be {e}")),
        );
        texts.extend(literals(code).into_iter().filter(|text| text.starts_with("must be ")));
    }
    texts.iter().map(|text| with_sevens(text)).filter(|text| text.contains(' ') && text != "must be 7").collect()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What the commands say goes to a terminal.
            if !["cli", "config", "languages"].iter().any(|name| path.ends_with(name)) {
                sources(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// What stands between the parentheses a text begins within, or up to the end of a statement.
fn arguments(rest: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let end = rest.find(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        !quoted && (depth < 0 || (depth == 0 && c == ';'))
    });
    &rest[..end.unwrap_or(rest.len())]
}

/// The string literals of a piece of Rust.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once('"') {
            let mut escaped = false;
            let end = after.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let Some(end) = end else { break };
            found.push(after[..end].replace("\\\"", "\""));
            rest = &after[end + 1..];
        }
    }
    found
}

fn with_sevens(text: &str) -> String {
    places(text).iter().fold(text.to_owned(), |text, place| text.replace(&format!("{{{place}}}"), "7"))
}

static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let others = OTHERS.iter().map(ToString::to_string);
    texts_of_sources().into_iter().chain(refusals()).chain(others).collect()
});

#[test]
fn every_catalogue_can_be_read_and_has_every_code() {
    for source in SOURCES {
        toml::from_str::<Catalogue>(source).unwrap();
    }
    for (tag, catalogue) in catalogues() {
        let codes: BTreeSet<&str> = catalogue.codes.keys().map(String::as_str).collect();
        assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str()).collect(), "{tag}");
        for code in Code::ALL {
            let text = catalogue.code(*code);
            assert!(text != code.meaning() && text.ends_with('.') && text.trim() == text, "{tag} {code}: {text}");
        }
    }
}

#[test]
fn every_text_an_error_can_have_is_in_every_catalogue() {
    assert!(TEXTS.len() > 60, "the search found {TEXTS:?}");
    let mut missing = Vec::new();
    for (tag, catalogue) in catalogues() {
        for text in TEXTS.iter().filter(|text| Code::ALL.iter().all(|code| code.meaning() != **text)) {
            match catalogue.detail(text) {
                Some(said) if said != *text && !said.contains('{') => {}
                Some(said) => missing.push(format!("{tag}: {text:?} is {said:?}")),
                None => missing.push(format!("{tag}: {text:?}")),
            }
        }
    }
    assert!(missing.is_empty(), "write these in crates/api-actix/src/http/languages:\n{}", missing.join("\n"));
}

#[test]
fn every_catalogue_has_the_same_texts_with_the_same_places_and_none_in_vain() {
    let (_, first) = catalogues().next().unwrap();
    let keys: BTreeSet<&String> = first.details.keys().collect();
    for (tag, catalogue) in catalogues() {
        assert_eq!(catalogue.details.keys().collect::<BTreeSet<_>>(), keys, "{tag}");
        for (english, text) in &catalogue.details {
            assert_eq!(places(english), places(text), "{tag}: {english}");
        }
    }
    let used = |key: &&&String| TEXTS.iter().any(|text| text == **key || captured(key, text).is_some());
    let vain: Vec<_> = keys.iter().filter(|key| !used(key)).collect();
    assert!(vain.is_empty(), "nobody says {vain:?}");
}

#[test]
fn what_goes_into_a_text_goes_into_its_translation() {
    for (english, german) in [
        ("the length must be 3 to 5", "die Länge muss 3 bis 5 sein"),
        ("the type must be \"users\"", "der type muss \"users\" sein"),
        (
            "a name has 1 to 64 characters and no control characters",
            "ein Name hat 1 bis 64 Zeichen und keine Steuerzeichen",
        ),
        ("a name has 1 to 64 characters", "ein Name hat 1 bis 64 Zeichen"),
        ("the body is not valid JSON at line 1, column 20", "der Inhalt ist kein gültiges JSON in Zeile 1, Spalte 20"),
        ("nobody wrote this", "nobody wrote this"),
    ] {
        assert_eq!(Language::German.say(Code::VALIDATION_FAILED, Some(english)), german);
    }
    assert_eq!(
        Language::German.say(Code::NOT_FOUND, None),
        "Es gibt keine solche Ressource, oder sie gehört jemand anderem."
    );
    let meaning = Code::NOT_FOUND.meaning();
    assert_eq!(Language::English.say(Code::NOT_FOUND, None), meaning);
    assert_eq!(Language::Spanish.say(Code::NOT_FOUND, Some(meaning)), "No existe ese recurso, o es de otra persona.");
    assert_eq!(captured("a {x} b {y}", "a 1 b 2 b 3"), Some(vec![("{x}", "1"), ("{y}", "2 b 3")]));
    assert_eq!(captured("{x}", "all"), Some(vec![("{x}", "all")]));
    assert_eq!(captured("a {x} b", "a 1 c"), None);
}

#[test]
fn a_language_is_negotiated_or_the_default_holds() {
    let of = |lists: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_bytes(list).unwrap());
        }
        (Language::of_request(&headers, Language::French).tag(), accept_language(&headers))
    };
    for (list, tag) in [
        ("de-AT", "de"),
        ("fr;q=0.9, pt", "pt"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("xx, id;q=0.2", "id"),
        ("xx", "fr"),
        ("*", "fr"),
    ] {
        assert_eq!(of(&[list.as_bytes()]), (tag, Some(list.to_owned())), "{list}");
    }
    assert_eq!(of(&[]), ("fr", None));
    assert_eq!(of(&[b""]), ("fr", None));
    assert_eq!(of(&[b"d\xe9"]), ("fr", None));
    assert_eq!(of(&["de,".repeat(2000).as_bytes()]), ("fr", None));
    assert_eq!(of(&[b"de", b"en"]), ("fr", Some("de".to_owned())));
}
