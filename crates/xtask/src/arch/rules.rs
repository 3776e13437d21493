//! Which crate may name which.

use super::model::{Dependency, Kind, Package};

/// Every arrow between our crates that may be shipped: from, to. `*` stands for the rest of a name.
const ARROWS: [(&str, &str); 18] = [
    ("application", "domain"),
    ("adapters-*", "application"),
    ("adapters-*", "domain"),
    ("adapters-sqlite", "adapters-sql"),
    ("adapters-postgres", "adapters-sql"),
    ("api-actix", "application"),
    ("api-actix", "domain"),
    ("api-actix", "adapters-*"),
    ("testkit", "application"),
    ("testkit", "domain"),
    ("testkit", "test-servers"),
    ("example-*", "application"),
    ("example-*", "domain"),
    ("example-*", "adapters-*"),
    ("tests", "*"),
    ("fuzz", "*"),
    ("xtask", "*"),
    ("yardsticks", "*"),
];

/// All the world's crates the domain may be built on: none of them does IO, waits, reads a clock or draws a number.
const DOMAIN_MAY_NAME: [&str; 5] = ["phonenumber", "thiserror", "unicode-normalization", "uuid", "zeroize"];

/// The world's crates that have one home each: who else names them goes around a port.
const HOMES: [(&str, &[&str]); 22] = [
    ("actix-web", &["api-actix"]),
    ("actix-*", &["api-actix"]),
    ("argon2", &["adapters-crypto"]),
    ("bcrypt", &["adapters-crypto"]),
    ("chacha20poly1305", &["adapters-crypto"]),
    ("crypto-bigint", &["adapters-crypto"]),
    ("ed25519-dalek", &["adapters-crypto"]),
    ("hkdf", &["adapters-crypto"]),
    ("hmac", &["adapters-crypto"]),
    ("josekit", &["adapters-crypto"]),
    ("openssl", &["adapters-crypto"]),
    ("openssl-sys", &["adapters-crypto"]),
    ("diesel", &["adapters-sql", "adapters-sqlite", "adapters-postgres"]),
    ("diesel*", &["adapters-sqlite", "adapters-postgres"]),
    ("libsqlite3-sys", &["adapters-sqlite"]),
    ("deadpool", &["adapters-postgres"]),
    ("tokio-postgres", &["adapters-postgres"]),
    ("tokio-postgres-rustls", &["adapters-postgres"]),
    ("deadpool-redis", &["adapters-redis"]),
    ("redis", &["adapters-redis"]),
    ("mail-send", &["adapters-smtp"]),
    ("getrandom", &["adapters-crypto"]),
];

/// What the application may not be built on, beyond [`HOMES`]: it names no runtime, no transport, no store.
const APPLICATION_MUST_NOT_NAME: [&str; 6] = ["tokio", "reqwest", "redis", "deadpool-redis", "rand", "rustls"];

/// Every arrow of the manifests that is not allowed, one sentence each.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        let Some(from) = package.name.strip_prefix("keystead-") else {
            violations.push(format!("{}: a package of this workspace is named keystead-<folder>", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let refusal = match dependency.name.strip_prefix("keystead-") {
                Some(to) => refuse_ours(from, to, dependency),
                None => refuse_foreign(from, dependency),
            };
            if let Some(reason) = refusal {
                violations.push(format!("{} -> {}: {reason}", package.name, dependency.name));
            }
        }
    }
    violations
}

/// Why one of our crates may not name another of ours.
fn refuse_ours(from: &str, to: &str, dependency: &Dependency) -> Option<String> {
    let shipped = dependency.kind == Kind::Normal;
    if from == to {
        // A crate that turns a feature of its own on for its own tests.
        return shipped.then(|| "a crate cannot need itself".into());
    }
    let arrow = ARROWS.iter().any(|(a, b)| matches(a, from) && matches(b, to));
    let for_tests = dependency.kind == Kind::Dev && is_for_tests_of(from, to);
    if !arrow && !for_tests {
        return Some(match from {
            "domain" => "the domain needs nothing of ours".into(),
            _ => format!("not an arrow of the architecture; {from} may name {}", named_by(from)),
        });
    }
    let fakes = dependency.features.iter().any(|feature| feature == "testing");
    if fakes && shipped && !matches!(from, "testkit" | "tests") {
        return Some("the feature `testing` (mocks and fakes) must not be shipped".into());
    }
    None
}

/// What tests may name besides: contracts, and the servers their adapters talk to.
fn is_for_tests_of(from: &str, to: &str) -> bool {
    match to {
        "testkit" => from != "domain",
        "test-servers" => from.starts_with("adapters-"),
        _ => false,
    }
}

/// Why one of our crates may not name a crate of the world.
fn refuse_foreign(from: &str, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let shipped = dependency.kind == Kind::Normal;
    match from {
        // Independent clients, what the service is held against, and what takes it apart.
        "tests" | "yardsticks" | "fuzz" => return None,
        // It compares its tables with SQLite's, whose migrations the system's SQLite may be too old for.
        "adapters-postgres" if !shipped && name == "libsqlite3-sys" => return None,
        // An authenticator for its tests needs keys and signatures that are not those it checks with.
        "adapters-webauthn" if !shipped && name == "openssl" => return None,
        "domain" if shipped && !DOMAIN_MAY_NAME.contains(&name) => {
            return Some(format!("the domain may name only {}", DOMAIN_MAY_NAME.join(", ")));
        }
        "application" if shipped && APPLICATION_MUST_NOT_NAME.contains(&name) => {
            return Some("the application reaches the world through its ports only".into());
        }
        _ => {}
    }
    let (_, homes) = HOMES.iter().find(|(pattern, _)| matches(pattern, name))?;
    (!homes.contains(&from)).then(|| format!("only {} may name it", homes.join(", ")))
}

/// What a crate may name, for the message.
fn named_by(from: &str) -> String {
    let names: Vec<&str> = ARROWS.iter().filter(|(a, _)| matches(a, from)).map(|(_, b)| *b).collect();
    if names.is_empty() { "nothing until crates/xtask/src/arch/rules.rs says so".into() } else { names.join(", ") }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 15] = [
        "domain",
        "application",
        "adapters-crypto",
        "adapters-sql",
        "adapters-sqlite",
        "adapters-postgres",
        "adapters-smtp",
        "api-actix",
        "testkit",
        "test-servers",
        "example-embed",
        "tests",
        "xtask",
        "yardsticks",
        "web-console",
    ];

    fn arrow(from: &str, name: &str, kind: Kind) -> Vec<String> {
        let dependency = Dependency { name: name.into(), kind, features: Vec::new() };
        check(&[Package { name: format!("keystead-{from}"), dependencies: vec![dependency] }])
    }

    fn refused(from: &str, name: &str, kind: Kind) -> bool {
        let violations = arrow(from, name, kind);
        let named = format!("keystead-{from} -> {name}: ");
        assert!(violations.iter().all(|violation| violation.starts_with(&named)), "{violations:?}");
        !violations.is_empty()
    }

    /// The table of docs/architecture.md, written a second time by hand: what each crate may ship with.
    fn may_ship(from: &str) -> Vec<&'static str> {
        match from {
            "application" => vec!["domain"],
            "adapters-crypto" | "adapters-sql" | "adapters-smtp" => vec!["application", "domain"],
            "testkit" => vec!["application", "domain", "test-servers"],
            "adapters-sqlite" | "adapters-postgres" => vec!["application", "domain", "adapters-sql"],
            "api-actix" | "example-embed" => vec![
                "application",
                "domain",
                "adapters-crypto",
                "adapters-sql",
                "adapters-sqlite",
                "adapters-postgres",
                "adapters-smtp",
            ],
            "tests" | "xtask" | "yardsticks" => OURS.to_vec(),
            _ => vec![],
        }
    }

    #[test]
    fn every_arrow_between_our_crates_is_allowed_or_refused_as_the_table_says() {
        let mut refusals = 0;
        for from in OURS {
            for to in OURS.into_iter().filter(|to| *to != from) {
                let name = format!("keystead-{to}");
                let shipped = may_ship(from).contains(&to);
                assert_eq!(refused(from, &name, Kind::Normal), !shipped, "{from} -> {to}");
                let servers = to == "test-servers" && from.starts_with("adapters-");
                let in_tests = shipped || servers || (to == "testkit" && from != "domain");
                assert_eq!(refused(from, &name, Kind::Dev), !in_tests, "{from} -> {to} in tests");
                refusals += usize::from(!shipped);
            }
        }
        assert!(refusals > 70, "{refusals}");
    }

    #[test]
    fn the_domain_is_built_on_a_short_list() {
        for name in ["tokio", "serde", "async-trait", "rand", "getrandom", "jiff", "actix-web", "tracing"] {
            assert!(refused("domain", name, Kind::Normal), "{name}");
        }
        for name in DOMAIN_MAY_NAME {
            assert!(!refused("domain", name, Kind::Normal), "{name}");
        }
        assert!(!refused("domain", "proptest", Kind::Dev));
    }

    #[test]
    fn the_application_names_no_runtime_transport_or_store() {
        for name in ["actix-web", "diesel", "diesel-async", "tokio", "josekit", "argon2", "mail-send", "reqwest"] {
            assert!(refused("application", name, Kind::Normal), "{name}");
        }
        assert!(!refused("application", "tokio", Kind::Dev));
        assert!(!refused("application", "serde", Kind::Normal));
    }

    #[test]
    fn sqlite_has_one_home_and_its_tables_are_compared_in_tests() {
        for from in ["adapters-sql", "adapters-postgres", "api-actix", "testkit"] {
            assert!(refused(from, "libsqlite3-sys", Kind::Normal), "{from}");
        }
        assert!(!refused("adapters-sqlite", "libsqlite3-sys", Kind::Normal));
        assert!(!refused("adapters-postgres", "libsqlite3-sys", Kind::Dev));
        assert!(refused("api-actix", "libsqlite3-sys", Kind::Dev));
    }

    #[test]
    fn cryptography_has_one_home_and_independent_clients_in_tests() {
        let names = ["josekit", "argon2", "ed25519-dalek", "hmac", "hkdf", "chacha20poly1305", "openssl"];
        for name in names {
            for from in ["domain", "application", "adapters-sqlite", "adapters-smtp", "api-actix", "testkit", "xtask"] {
                assert!(refused(from, name, Kind::Normal), "{from} -> {name}");
            }
            assert!(refused("api-actix", name, Kind::Dev), "{name}");
            assert!(!refused("adapters-crypto", name, Kind::Normal), "{name}");
            assert!(!refused("tests", name, Kind::Dev), "{name}");
        }
    }

    #[test]
    fn stores_transports_and_mail_have_their_homes() {
        assert!(!refused("adapters-sql", "diesel", Kind::Normal));
        assert!(refused("adapters-sql", "diesel-async", Kind::Normal));
        assert!(refused("api-actix", "diesel", Kind::Normal));
        assert!(refused("adapters-smtp", "actix-web", Kind::Normal));
        assert!(refused("adapters-smtp", "actix-rt", Kind::Normal));
        assert!(refused("api-actix", "mail-send", Kind::Normal));
    }

    #[test]
    fn fakes_are_not_shipped() {
        let with_fakes = |from: &str, kind| {
            let dependency = Dependency { name: "keystead-application".into(), kind, features: vec!["testing".into()] };
            check(&[Package { name: format!("keystead-{from}"), dependencies: vec![dependency] }])
        };
        assert_eq!(
            with_fakes("api-actix", Kind::Normal),
            ["keystead-api-actix -> keystead-application: the feature `testing` (mocks and fakes) must not be shipped"]
        );
        assert!(with_fakes("api-actix", Kind::Dev).is_empty());
        assert!(with_fakes("testkit", Kind::Normal).is_empty());
        assert!(with_fakes("application", Kind::Dev).is_empty());
    }

    #[test]
    fn a_new_crate_needs_its_own_line() {
        assert!(refused("adapters-http", "keystead-adapters-crypto", Kind::Normal));
        assert!(!refused("adapters-http", "keystead-application", Kind::Normal));
        assert!(refused("something-new", "keystead-domain", Kind::Normal));
        let foreign = Package { name: "other".into(), dependencies: Vec::new() };
        assert_eq!(check(&[foreign]), ["other: a package of this workspace is named keystead-<folder>"]);
    }
}
