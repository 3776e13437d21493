//! What the manifests cannot show: who names an adapter, and how long a file is.

use super::model::Source;

/// The longest a file may be without its tests.
const LONGEST: usize = 400;

/// Every file that breaks a rule, one sentence each.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        if must_not_name_adapters(&source.path) {
            for (number, line) in source.text.lines().enumerate() {
                if names_adapter(line) {
                    violations.push(format!("{}:{}: only compose.rs names an adapter", source.path, number + 1));
                }
            }
        }
        let lines = if is_test(&source.path) { 0 } else { lines_without_tests(&source.text) };
        if lines > LONGEST {
            violations.push(format!("{}: {lines} lines without tests, at most {LONGEST}: split it", source.path));
        }
    }
    violations
}

/// Whether a path is part of the HTTP crate, but not of the one place that joins adapters to ports.
fn must_not_name_adapters(path: &str) -> bool {
    path.strip_prefix("crates/api-actix/src/")
        .is_some_and(|inside| inside != "compose.rs" && !inside.starts_with("compose/"))
}

/// Whether a line of code names an adapter's crate: in a path or an import. Comments and the names of log targets do not.
fn names_adapter(line: &str) -> bool {
    let code = line.trim_start();
    let Some((before, after)) = code.split_once("keystead_adapters_") else { return false };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let imports = ["use ", "pub use ", "extern crate "].iter().any(|word| before.starts_with(word));
    !code.starts_with("//") && (imports || rest.starts_with("::"))
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Lines of a file, less its `#[cfg(test)] mod … { … }` blocks as rustfmt lays them out.
fn lines_without_tests(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            count += 1;
            continue;
        }
        // Further attributes may stand between; a test module ends at the first brace in the first column.
        let mut attributes = 1;
        while lines.next_if(|next| next.starts_with("#[")).is_some() {
            attributes += 1;
        }
        let opens = |next: &&str| next.contains("mod ") && next.ends_with('{') && !next.starts_with(' ');
        if lines.next_if(opens).is_some() {
            for skipped in lines.by_ref() {
                if skipped == "}" {
                    break;
                }
            }
        } else {
            count += attributes;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn only_the_composition_names_an_adapter() {
        let text = "\nuse keystead_adapters_sqlite::SqliteStore;\n";
        for path in ["crates/api-actix/src/http/login.rs", "crates/api-actix/src/main.rs"] {
            assert_eq!(check(&[source(path, text)]), [format!("{path}:2: only compose.rs names an adapter")]);
        }
        let allowed =
            ["crates/api-actix/src/compose.rs", "crates/api-actix/src/compose/keys.rs", "crates/testkit/src/lib.rs"];
        for path in allowed {
            assert_eq!(check(&[source(path, text)]), Vec::<String>::new());
        }
    }

    #[test]
    fn imports_and_paths_name_an_adapter_and_words_do_not() {
        for code in [
            "use keystead_adapters_sqlite as store;",
            "    let store = keystead_adapters_sqlite::open(path)?;",
            "pub use keystead_adapters_crypto;",
            "extern crate keystead_adapters_smtp;",
        ] {
            assert!(names_adapter(code), "{code}");
        }
        for text in ["    // see keystead_adapters_smtp::Mailer", "let filter = \"info,keystead_adapters_smtp=debug\";"]
        {
            assert!(!names_adapter(text), "{text}");
        }
    }

    #[test]
    fn long_files_are_refused_and_tests_are_not_counted() {
        let code = "fn f() {}\n".repeat(400);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn t() {}\n".repeat(300));
        let path = "crates/domain/src/a.rs";
        assert_eq!(check(&[source(path, &format!("{code}{tests}"))]), Vec::<String>::new());
        assert_eq!(
            check(&[source(path, &format!("{code}{tests}fn g() {{}}\n"))]),
            ["crates/domain/src/a.rs: 401 lines without tests, at most 400: split it"]
        );
        let long = format!("{code}{code}");
        assert_eq!(check(&[source("crates/domain/tests/a.rs", &long)]), Vec::<String>::new());
        assert_eq!(check(&[source("crates/domain/src/a/tests.rs", &long)]), Vec::<String>::new());
    }

    #[test]
    fn a_test_only_item_counts_as_code() {
        assert_eq!(lines_without_tests("#[cfg(test)]\nuse a::b;\nfn f() {}\n"), 3);
        assert_eq!(lines_without_tests("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\n"), 3);
        assert_eq!(lines_without_tests("#[cfg(test)]\nmod tests {\n    fn a() {}\n}\nfn f() {}\n"), 1);
    }
}
