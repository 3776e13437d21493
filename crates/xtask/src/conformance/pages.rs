//! Pages of `docs/` that list what the code knows, held beside it: cryptography, data, ways to sign in, events.
//!
//! The code is read as text, so that this runs without building the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(super) type Names = BTreeSet<String>;

fn text(name: &str) -> String {
    super::read(&crate::shell::own_root(), name).unwrap()
}

/// What stands between two texts; what follows the first when the second does not come.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("there is no `{from}`"));
    rest.split_once(to).map_or(rest, |(inner, _)| inner)
}

/// The part of a page below a heading, up to the next of its kind.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    between(page, &format!("\n## {heading}\n"), "\n## ")
}

/// The cells of every row of the tables in a part of a page, but heads and lines below them.
fn rows(part: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = part.lines().collect();
    let is_rule = |line: &&str| line.starts_with("|---");
    let under = |n: usize| lines.get(n + 1).is_some_and(is_rule);
    let kept = lines.iter().enumerate().filter(|(n, line)| line.starts_with('|') && !is_rule(line) && !under(*n));
    kept.map(|(_, line)| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What is in backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// What the cells of a column have in backticks.
fn column(part: &str, number: usize) -> Names {
    rows(part).iter().flat_map(|row| quoted(row.get(number).unwrap_or(&"")).collect::<Vec<_>>()).collect()
}

/// Every text in quotation marks that follows a beginning.
fn literals(code: &str, beginning: &str) -> Names {
    code.split(beginning).skip(1).map(|rest| between(rest, "\"", "\"").to_owned()).collect()
}

/// The variants of an enum.
fn variants(code: &str, name: &str) -> Names {
    let body = between(code, &format!("enum {name} {{\n"), "\n}");
    let names = body.lines().map(str::trim).filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    names.map(|line| line.split([',', '(', ' ']).next().unwrap_or_default().to_owned()).collect()
}

/// `AuditEvent` as `audit-event`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.char_indices() {
        if c.is_ascii_uppercase() && n > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Fails with what only one of the two has.
fn same(what: &str, page: &Names, code: &Names) {
    let missing: Vec<_> = code.difference(page).collect();
    let invented: Vec<_> = page.difference(code).collect();
    assert!(!code.is_empty(), "{what}: nothing was read from the code");
    assert!(missing.is_empty() && invented.is_empty(), "{what}: not on the page {missing:?}, only there {invented:?}");
}

#[test]
fn every_key_and_purpose_is_in_the_inventory() {
    let page = text("docs/crypto.md");
    let uses = literals(between(&text("crates/application/src/ports/keys.rs"), "fn as_str", "\n    }\n"), "=> ");
    same("keys", &column(section(&page, "Keys in the database"), 0), &uses);
    let purposes = variants(&text("crates/application/src/ports/crypto.rs"), "MacPurpose");
    let derived = literals(&text("crates/adapters-crypto/src/keyring/mac_key.rs"), "derive(");
    same("purposes and their subkeys", &purposes.iter().map(|name| kebab(name)).collect(), &derived);
    same("purposes", &column(section(&page, "Keyed hashes"), 0), &derived);
    let subkeys: Names = ["sealing.rs", "kdf.rs", "totp.rs"]
        .iter()
        .flat_map(|file| literals_of(&text(&format!("crates/adapters-crypto/src/{file}")), "b\"keystead/"))
        .collect();
    let master = section(&page, "The master key");
    assert!(
        !subkeys.is_empty() && subkeys.iter().all(|info| master.contains(&format!("keystead/{info}"))),
        "{subkeys:?}"
    );
}

/// Every text from a beginning to its quotation mark.
fn literals_of(code: &str, beginning: &str) -> Names {
    code.split(beginning).skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_algorithm_is_in_the_inventory() {
    let page = text("docs/crypto.md");
    let keyring = text("crates/adapters-crypto/src/keyring/mod.rs");
    let signatures = literals(between(&keyring, "fn as_str", "\n    }\n"), "=> ");
    let settings = text("crates/api-actix/src/config/tokens.rs");
    same("tokens.algorithm", &literals(between(&settings, "fn as_str", "\n    }\n"), "=> "), &signatures);
    same("signatures of tokens", &column(section(&page, "Signatures of tokens"), 0), &signatures);
    let stored = variants(&text("crates/adapters-crypto/src/passwords/stored.rs"), "Stored");
    same("password hashes", &column(section(&page, "Passwords"), 0), &stored);
    let providers = literals(&text("crates/adapters-providers/src/social/jws.rs"), "serde(rename = ");
    same("providers", &column(section(&page, "Providers"), 0), &providers);
    let mut webauthn = String::new();
    super::sources(&crate::shell::own_root().join("crates/adapters-webauthn/src"), &mut webauthn).unwrap();
    let listed = between(between(&webauthn, "ALGORITHMS: [COSEAlgorithm; ", "\n"), "= [", "];");
    let algorithms = listed.split(',').map(|one| one.trim().trim_start_matches("COSEAlgorithm::").to_owned()).collect();
    same("passkeys", &column(section(&page, "Passkeys"), 0), &algorithms);
}

#[test]
fn nginx_offers_the_suites_of_the_inventory_and_no_old_protocol() {
    let page = text("docs/crypto.md");
    let suites = column(section(&page, "TLS"), 1);
    let files = ["deploy/nginx/keystead.conf", "deploy/nginx/protected-app.conf", "deploy/compose/nginx.conf"];
    let mut asked = 0;
    for file in files {
        let conf = text(file);
        let values = |name: &str| -> Vec<Vec<String>> {
            let lines = conf.lines().map(str::trim).filter_map(|line| line.strip_prefix(name));
            lines
                .map(|rest| {
                    rest.trim_end_matches(';').split([' ', ':']).filter(|w| !w.is_empty()).map(str::to_owned).collect()
                })
                .collect()
        };
        let (protocols, ciphers) = (values("ssl_protocols "), values("ssl_ciphers "));
        assert_eq!(
            (protocols.len(), ciphers.len()),
            (conf.matches("ssl_protocols").count(), conf.matches("ssl_ciphers").count())
        );
        let over_tls = values("listen ").iter().any(|words| words.iter().any(|word| word == "ssl"));
        assert_eq!(over_tls, !protocols.is_empty(), "{file}");
        assert_eq!(protocols.len(), ciphers.len(), "{file}");
        for (protocols, ciphers) in protocols.iter().zip(ciphers) {
            assert_eq!(protocols, &["TLSv1.2", "TLSv1.3"], "{file}");
            same(file, &suites, &ciphers.into_iter().collect());
            asked += 1;
        }
    }
    assert!(asked >= 2, "{asked}");
    for suite in &suites {
        let (exchange, aead) =
            (suite.starts_with("ECDHE-"), suite.contains("-GCM-") || suite.ends_with("-CHACHA20-POLY1305"));
        assert!(exchange && aead, "{suite}");
    }
}

/// The columns of every table that the migrations of a database make.
pub(super) fn columns(folder: &str) -> BTreeMap<String, Names> {
    let mut tables = BTreeMap::<String, Names>::new();
    for entry in std::fs::read_dir(crate::shell::own_root().join(folder)).unwrap() {
        let sql = std::fs::read_to_string(entry.unwrap().path().join("up.sql")).unwrap();
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        let sql = lines.collect::<Vec<_>>().join("\n");
        for statement in sql.split(';') {
            let words: Vec<&str> = statement.split([' ', '\n', '\t']).filter(|word| !word.is_empty()).collect();
            for change in ["DROP COLUMN", "RENAME", "DROP TABLE"] {
                assert!(!words.join(" ").contains(change), "{folder}: {change} is not read here yet");
            }
            match words.as_slice() {
                ["CREATE", "TABLE", table, "(", ..] => {
                    let body = between(statement, "(\n", "\n)");
                    let first = body.lines().filter_map(|line| line.strip_prefix("    ")?.split(' ').next());
                    let names = first.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
                    tables.entry((*table).to_owned()).or_default().extend(names.map(str::to_owned));
                }
                ["ALTER", "TABLE", table, rest @ ..] => {
                    let added = rest.windows(3).filter(|three| three.starts_with(&["ADD", "COLUMN"]));
                    tables.entry((*table).to_owned()).or_default().extend(added.map(|three| three[2].to_owned()));
                }
                ["CREATE", "TABLE", ..] => panic!("{folder}: {statement}"),
                _ => {}
            }
        }
    }
    tables
}

/// The columns of every table on the page, in the sections of these headings. Fails for rows without a class of the page.
fn described(page: &str, heading: &str, classes: &Names) -> BTreeMap<String, Names> {
    let mut tables = BTreeMap::new();
    for part in section(page, heading).split("\n### ").skip(1) {
        let name = between(part, "`", "`").to_owned();
        assert!(part.contains("\n\nKept: "), "{name}: it is not said how long");
        let mut names = Names::new();
        for row in rows(part) {
            let [columns, class, ..] = row.as_slice() else { panic!("{name}: {row:?}") };
            assert!(classes.contains(*class), "{name}: {class}");
            for column in quoted(columns) {
                assert!(names.insert(column.clone()), "{name}.{column} is there twice");
            }
        }
        assert!(tables.insert(name.clone(), names).is_none(), "{name} is there twice");
    }
    tables
}

fn pairs(tables: &BTreeMap<String, Names>) -> Names {
    tables.iter().flat_map(|(table, names)| names.iter().map(move |name| format!("{table}.{name}"))).collect()
}

#[test]
fn every_column_and_key_has_a_class_and_an_end() {
    let page = text("docs/data.md");
    let head = between(&page, "# Data\n", "\n## ");
    let classes = column(head, 0);
    assert_eq!(classes.len(), 4);
    let shared = described(&page, "Tables", &classes);
    let mut embedded = described(&page, "Tables of the embedded store only", &classes);
    same("columns in PostgreSQL", &pairs(&shared), &pairs(&columns("migrations/postgres")));
    embedded.extend(shared);
    same("columns in SQLite", &pairs(&embedded), &pairs(&columns("migrations/sqlite")));
    let keys = literals_of(&text("crates/adapters-redis/src/keys.rs"), "format!(\"{}:");
    let keys = keys.iter().map(|key| format!("<prefix>:{}:{{…}}", key.split(':').next().unwrap_or_default()));
    same("keys in Redis", &column(section(&page, "Redis"), 0), &keys.collect());
    let ports = text("crates/application/src/ports/ephemeral.rs");
    let kinds = literals(between(&ports, "impl CeremonyKind", "\n}\n"), "=> ");
    same("ceremonies", &column(section(&page, "Ceremonies"), 0), &kinds);
    for part in ["Redis", "Ceremonies"] {
        assert!(rows(section(&page, part)).iter().all(|row| classes.contains(row[1])), "{part}");
    }
}

/// Method and path of every operation of the document that may answer with a token.
fn with_tokens(document: &Value) -> Names {
    let mut found = Names::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = operation["responses"].to_string();
            if answers.contains("\"accessToken\"") || answers.contains("\"refreshToken\"") {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

#[test]
fn every_route_that_answers_tokens_is_named_with_its_strength() {
    let page = text("docs/authentication.md");
    let document = serde_json::from_str(&text("docs/openapi.json")).unwrap();
    let parts = ["Begin a session", "Half-way only", "Go on with a session"].map(|heading| section(&page, heading));
    let named = parts.map(|part| column(part, 0));
    assert!(named[0].is_disjoint(&named[1]) && named[0].is_disjoint(&named[2]) && named[1].is_disjoint(&named[2]));
    same("routes", &named.iter().flatten().cloned().collect(), &with_tokens(&document));
    let begin = rows(parts[0]);
    assert!(begin.iter().all(|row| row[3].starts_with('1') || row[3].starts_with('2') || row[3].starts_with("as ")));
    let claims = text("crates/domain/src/token/claims.rs");
    let methods = literals(between(&claims, "impl Amr", "\n    }\n"), "=> ");
    same("amr", &column(parts[0], 2), &methods);
}

#[test]
fn every_event_is_in_the_inventory_of_logs() {
    let code = text("crates/domain/src/audit.rs");
    let events = literals(between(&code, "\nevents! {", "\n}\n"), " => ");
    same("events", &column(section(&text("docs/logs.md"), "Events"), 0), &events);
}

#[test]
fn what_only_one_side_has_is_found() {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Names>();
    let page =
        "# P\n\n## A\n\n| head | class |\n|---|---|\n| `a`, `b` | x |\n| `c` | y |\n\n## B\n\n| h |\n|---|\n| `d` |\n";
    assert_eq!(column(section(page, "A"), 0), names(&["a", "b", "c"]));
    assert_eq!(column(section(page, "B"), 0), names(&["d"]));
    assert_eq!(variants("enum E {\n    /// Doc.\n    One,\n    Two(T),\n}\n", "E"), names(&["One", "Two"]));
    let caught = std::panic::catch_unwind(|| same("x", &names(&["a", "b"]), &names(&["a", "c"]))).unwrap_err();
    assert_eq!(caught.downcast_ref::<String>().unwrap(), "x: not on the page [\"c\"], only there [\"b\"]");
    let tables = columns("migrations/postgres");
    assert!(tables["users"].contains("phone") && !tables["users"].contains("CONSTRAINT"), "{:?}", tables["users"]);
}
