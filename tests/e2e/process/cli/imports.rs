//! `keystead user import` and `keystead user export`, beside a service that runs at the same data.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::api::{PATIENCE, eventually};
use crate::process::keystead::{Finished, finish};
use crate::process::site::Site;

/// What every hash of ours begins with, as configured from the start.
const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// A service, and a folder with files for it.
struct Import {
    site: Site,
    files: TempDir,
}

impl Import {
    async fn prepare() -> Self {
        Self { site: Site::without_limits().await, files: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, lines: &[Value]) -> PathBuf {
        let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Imports a file, with a report under this name.
    fn import(&self, file: &Path, report: &str, more: &[&str]) -> Finished {
        let report = self.path(report);
        let all = [&[file.to_str().unwrap(), "--json", "--report", report.to_str().unwrap()], more].concat();
        finish(self.site.command(&["user", "import"], &all), "")
    }

    /// What the report of this name says.
    fn report(&self, name: &str) -> Vec<Value> {
        lines(&std::fs::read_to_string(self.path(name)).unwrap())
    }

    fn export(&self, more: &[&str]) -> Vec<Value> {
        imported(&finish(self.site.command(&["user", "export"], more), "").ok())
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The users of an export, without the first administrator of a `keystead dev`.
fn imported(text: &str) -> Vec<Value> {
    lines(text).into_iter().filter(|line| line["email"] != "admin@keystead.localhost").collect()
}

fn outcomes(report: &[Value]) -> Vec<&str> {
    report.iter().map(|line| line["outcome"].as_str().unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], key: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line[key].as_str()).collect()
}

/// Somebody with a verified address.
fn person(name: &str, password_hash: impl Into<Value>) -> Value {
    let email = format!("{name}@example.com");
    json!({"email": email, "emailVerified": true, "passwordHash": password_hash.into()})
}

/// Hashes of every format, from their home implementations, and their passwords. Where each is from is told beside the known
/// answers of `keystead-adapters-crypto`.
fn formats() -> Vec<(Value, &'static str)> {
    let texts = [
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"),
        ("$argon2d$v=19$m=64,t=2,p=2$c29tZXNhbHQ$1q8bgD0xYiK3sMCt/uIryr7jP0g04fs9QOITesC7M88", "password"),
        (
            "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
            "secret",
        ),
        (
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
            "pleaseletmein",
        ),
        (
            "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
            "lètmein",
        ),
        ("$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI", "password"),
        (
            "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ",
            "Password",
        ),
        (
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
            "password",
        ),
        ("pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=", "lètmein"),
        ("pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I=", "lètmein"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy", "lètmein"),
        (
            "bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.d313R/0E/uxPsXDdVk8c8V8G.lZMH2K",
            "VSK0UYV6FFQVZ0KG88DYN9WADAADZO1CTSIVDJUNZSUML6IBX7LN7ZS3R5JGB3RGZ7VI7G7DJQ9NI8BQFSRPTG6UWTTVESA5ZPUN",
        ),
        // Of a password that long bcrypt looked at the first 72 bytes.
        (
            "$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        ),
        ("{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a", "test123"),
        ("{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK", "test123"),
        (
            "{ssha512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC",
            "password",
        ),
    ];
    let pbkdf2 = json!({
        "type": "password",
        "createdDate": 1_717_741_345_301_i64,
        "secretData": r#"{"value":"5oS6wHpjW6lZ7PS25rHXFGXqwc31BBsIKPL3ePl/3a1LTm44ZD4dTT2d0tRLE4XK0DCLASa00fHSVRlMlcuh4Q==","salt":"CVjSQwO3bRYQIZC95+2UvQ==","additionalParameters":{}}"#,
        "credentialData": r#"{"hashIterations":210000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}"#,
    });
    let argon2 = json!({
        "secretData": {"value": "BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg=", "salt": "Cf9AYCE5pAbb4CKEF0GUTA=="},
        "credentialData": {
            "hashIterations": 5,
            "algorithm": "argon2",
            "additionalParameters":
                {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]},
        },
    });
    let keycloak = [(pbkdf2, "password"), (argon2, "password")];
    texts.into_iter().map(|(hash, password)| (json!(hash), password)).chain(keycloak).collect()
}

#[tokio::test]
async fn every_format_signs_in_and_is_a_hash_of_ours_from_then_on() {
    let import = Import::prepare().await;
    let api = import.site.api();
    let formats = formats();
    let users: Vec<Value> =
        formats.iter().enumerate().map(|(n, (hash, _))| person(&format!("user{n}"), hash.clone())).collect();
    let file = import.write("users.jsonl", &users);
    import.import(&file, "report.jsonl", &["--allow-salted-sha"]).ok();
    let hashes = import.export(&["--with-password-hashes"]);
    assert_eq!(of(&hashes, "passwordHash").iter().filter(|hash| hash.starts_with(OURS)).count(), 0, "{hashes:?}");

    for (n, (hash, password)) in formats.iter().enumerate() {
        let email = format!("user{n}@example.com");
        let wrong = api.login(&email, &format!("x{password}")).await;
        assert_eq!((wrong.status, wrong.code().as_str()), (401, "INVALID_CREDENTIALS"), "{hash}");
        let right = api.login(&email, password).await;
        assert_eq!(right.status, 200, "{hash}: {}", right.body);
    }
    let upgraded = import.export(&["--with-password-hashes"]);
    let ours = of(&upgraded, "passwordHash").into_iter().filter(|hash| hash.starts_with(OURS)).count();
    assert_eq!(ours, formats.len(), "{upgraded:?}");
    for (n, (hash, password)) in formats.iter().enumerate() {
        let email = format!("user{n}@example.com");
        let again = api.login(&email, password).await;
        assert_eq!(again.status, 200, "{hash}: {}", again.body);
        assert_eq!(api.login(&email, &format!("x{password}")).await.status, 401, "{hash}");
    }
    // Its hash is over all of it now.
    let long = formats.iter().position(|(_, password)| password.ends_with("ignored")).unwrap();
    assert_eq!(api.login(&format!("user{long}@example.com"), &formats[long].1[..72]).await.status, 401);
}

#[tokio::test]
async fn what_is_refused_is_named_and_nothing_of_it_is_repeated() {
    let import = Import::prepare().await;
    let strong = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let users = [
        (person("fine", strong), "imported"),
        (person("salted", "{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a"), "--allow-salted-sha"),
        (person("bare", "5f4dcc3b5aa765d61d8327deb882cf99"), "no salt"),
        (person("costly", "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"), "cost too much"),
        (person("odd", "$7$hunter2"), "not known"),
        (json!({"email": "claimed@example.com", "passwordHash": strong}), "no contact that was verified"),
        (json!({"username": "nobody", "passwordHash": strong}), "no contact"),
        (json!({"email": "x@example.com", "emailVerified": true, "password": "hunter2"}), "unknown field `password`"),
        (json!(["hunter2"]), "not a JSON object"),
        (person("fine", strong), "there is an account with this e-mail address"),
        (
            json!({"email": "half@example.com", "phone": "+442079460958", "phoneVerified": true, "passwordHash": strong}),
            "without its e-mail address",
        ),
        (json!({"email": "boss@example.com", "emailVerified": true, "role": "admin"}), "role: needs --allow-roles"),
    ];
    let lines: Vec<Value> = users.iter().map(|(line, _)| line.clone()).collect();
    let file = import.write("users.jsonl", &lines);
    let finished = import.import(&file, "report.jsonl", &["--batch", "3"]);
    let summary: Value = serde_json::from_str(finished.stdout.trim()).unwrap();
    assert_eq!(
        summary,
        json!({"imported": 2, "administrators": 0, "exists": 1, "refused": 9, "dryRun": false, "complete": true}),
        "{finished:?}"
    );
    let told = finished.refused(1, &["9 lines were refused"]);
    let report = import.report("report.jsonl");
    for (line, (_, word)) in report.iter().zip(&users) {
        assert!(line.to_string().contains(word), "{line}: {word}");
    }
    assert_eq!(report.len(), users.len());
    let report_text = std::fs::read_to_string(import.path("report.jsonl")).unwrap();
    for secret in ["hunter2", "E5YPO9", "JFZFs0", "5f4dcc", "@example.com"] {
        assert!(!report_text.contains(secret) && !told.contains(secret), "{secret}");
    }
    assert_eq!(of(&import.export(&[]), "email"), ["fine@example.com"]);
    // A report is never overwritten, and without one, what was refused is said.
    import.import(&file, "report.jsonl", &[]).refused(1, &["report.jsonl", "exists"]);
    let said =
        finish(import.site.command(&["user", "import"], &["-"]), "{\"email\":1}\n").refused(1, &["line 1: refused"]);
    assert!(said.contains("not a text"), "{said}");

    import.import(&file, "allowed.jsonl", &["--allow-salted-sha", "--assume-verified"]).refused(1, &["7 lines"]);
    let emails: BTreeSet<String> = of(&import.export(&[]), "email").into_iter().map(str::to_owned).collect();
    assert_eq!(emails, ["claimed@example.com", "fine@example.com", "salted@example.com"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    let import = Import::prepare().await;
    import.site.api().sign_up("here@example.com").await;
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let named = |name: &str| {
        let mut person = person(name, hash);
        person["username"] = json!("ada");
        person
    };
    let users = [named("ada"), person("here", hash), named("other"), person("ada", hash), person("odd", "?")];
    let file = import.write("users.jsonl", &users);
    let before = import.export(&["--with-password-hashes"]);
    let dry = import.import(&file, "dry.jsonl", &["--dry-run", "--batch", "2"]);
    assert!(dry.stdout.contains(r#""dryRun":true"#), "{dry:?}");
    dry.refused(1, &["2 lines were refused"]);
    assert_eq!(import.export(&["--with-password-hashes"]), before);
    import.import(&file, "report.jsonl", &["--batch", "2"]).refused(1, &["2 lines were refused"]);
    let (dry, real) = (import.report("dry.jsonl"), import.report("report.jsonl"));
    assert_eq!(outcomes(&real), ["imported", "exists", "refused", "exists", "refused"]);
    assert_eq!((outcomes(&dry), of(&dry, "reason")), (outcomes(&real), of(&real, "reason")));
}

#[tokio::test]
async fn administrators_are_taken_when_allowed_and_counted() {
    let import = Import::prepare().await;
    let with_role = |role: &str| {
        let mut person = person(role, Value::Null);
        person["role"] = json!(role);
        person
    };
    let file = import.write("users.jsonl", &["user", "admin", "super-admin"].map(with_role));
    let refused = import.import(&file, "refused.jsonl", &[]);
    assert!(refused.stdout.contains(r#""administrators":0"#), "{refused:?}");
    refused.refused(1, &["2 lines were refused"]);
    assert_eq!(of(&import.export(&[]), "role"), ["user"]);
    assert_eq!(outcomes(&import.report("refused.jsonl")), ["imported", "refused", "refused"]);

    let file = file.to_str().unwrap();
    let run = |more: &[&str]| {
        finish(import.site.command(&["user", "import"], &[&[file, "--allow-roles"], more].concat()), "")
    };
    let dry = run(&["--dry-run"]).ok();
    assert!(dry.contains("2 would be imported (2 with a role above user), 1 there already, 0 refused"), "{dry}");
    assert_eq!(of(&import.export(&[]), "role"), ["user"]);
    let summary: Value = serde_json::from_str(run(&["--json"]).ok().trim()).unwrap();
    assert_eq!((&summary["imported"], &summary["administrators"]), (&json!(2), &json!(2)), "{summary}");
    let again = run(&[]).ok();
    assert!(again.contains("0 imported (0 with a role above user), 3 there already"), "{again}");
    let exported = import.export(&[]);
    let roles: BTreeSet<&str> = of(&exported, "role").into_iter().collect();
    assert_eq!((exported.len(), roles), (3, ["user", "admin", "super-admin"].into()));
}

#[tokio::test]
async fn an_import_that_was_killed_is_run_again_and_ends_complete() {
    const USERS: usize = 6000;
    let import = Import::prepare().await;
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let users: Vec<Value> = (0..USERS).map(|n| person(&format!("user{n}"), hash)).collect();
    let file = import.write("users.jsonl", &users);
    let killed = import.path("killed.jsonl");
    let arguments = [file.to_str().unwrap(), "--batch", "20", "--report", killed.to_str().unwrap()];
    let mut command = import.site.command(&["user", "import"], &arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(PATIENCE, "the first users", async || {
        let written = std::fs::read_to_string(&killed).unwrap_or_default();
        (written.lines().count() >= 200).then_some(())
    })
    .await;
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it was done before");
    let confirmed = std::fs::read_to_string(&killed).unwrap().lines().count();
    let here = import.export(&[]).len();
    assert!(confirmed <= here && here < USERS && here % 20 == 0, "{confirmed} confirmed, {here} here");

    import.import(&file, "resumed.jsonl", &[]).ok();
    let report = import.report("resumed.jsonl");
    let told = outcomes(&report);
    assert_eq!(told.iter().filter(|outcome| **outcome == "exists").count(), here);
    assert_eq!(told.iter().filter(|outcome| **outcome == "imported").count(), USERS - here);
    let exported = import.export(&[]);
    let emails: BTreeSet<&str> = of(&exported, "email").into_iter().collect();
    assert_eq!((exported.len(), emails.len()), (USERS, USERS));
    import.site.api().login("user5999@example.com", "U*U").await.expect(200);

    // A third run changes nothing.
    let before = import.export(&["--with-password-hashes"]);
    import.import(&file, "third.jsonl", &[]).ok();
    assert_eq!(import.export(&["--with-password-hashes"]), before);
}

#[tokio::test]
async fn what_one_service_exports_another_imports() {
    let (from, to) = (Import::prepare().await, Import::prepare().await);
    let users = [
        json!({
            "id": "6f1d3f0e-4ab0-4d5a-9c39-0d2d2c0a7b11", "email": "ada@example.com", "emailVerified": true,
            "phone": "+442079460958", "phoneVerified": true, "username": "ada", "fullName": "Ada Lovelace",
            "locale": "en-GB", "role": "admin", "isActive": true, "createdAt": "2020-02-29T12:30:45.123456Z",
            "passwordHash": "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        }),
        json!({
            "email": "bob@example.com", "emailVerified": true, "isActive": false, "createdAt": "2021-01-01T00:00:00Z",
        }),
        json!({
            "phone": "+442079460959", "phoneVerified": true, "isActive": false, "isDeactivated": true,
            "createdAt": "2022-01-01T00:00:00Z",
        }),
    ];
    let file = from.write("users.jsonl", &users);
    from.import(&file, "report.jsonl", &["--allow-roles"]).ok();
    let out = from.path("out.jsonl");
    let arguments = ["--with-password-hashes", "--out", out.to_str().unwrap()];
    finish(from.site.command(&["user", "export"], &arguments), "").ok();
    assert_eq!(out.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let exported = imported(&std::fs::read_to_string(&out).unwrap());
    assert_eq!(exported[0], users[0]);
    finish(from.site.command(&["user", "export"], &arguments), "").refused(1, &["out.jsonl", "exists"]);
    assert_eq!(imported(&std::fs::read_to_string(&out).unwrap()), exported, "it is never overwritten");
    assert!(from.export(&[]).iter().all(|line| line.get("passwordHash").is_none()));

    to.import(&out, "report.jsonl", &["--allow-roles"]).ok();
    assert_eq!(to.export(&["--with-password-hashes"]), exported);
    to.site.api().login("+442079460958", "U*U").await.expect(200);
    assert_eq!(to.site.api().login("bob@example.com", "U*U").await.expect(401).code(), "INVALID_CREDENTIALS");
}
