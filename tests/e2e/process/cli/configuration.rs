//! `init`, `check`, and what `serve` refuses.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::process::api::Api;
use crate::process::configured::{Configured, PUBLIC_URL};
use crate::process::keystead::{Finished, Keystead, finish, run};

/// `check` and `serve` refuse alike: exit code 78, and words that name key, source and fix.
#[track_caller]
fn both_refuse(at: &Configured, set: &[&str], words: &[&str]) -> String {
    let flags: Vec<&str> = set.iter().flat_map(|pair| ["--set", pair]).collect();
    finish(at.command(&["check"], &flags), "").refused(78, words);
    let refused = Keystead::try_start(at.serve_command(set)).err().unwrap_or_else(|| panic!("{set:?} is served"));
    assert_eq!(refused.stdout, "");
    refused.refused(78, &[words, &["fix: "]].concat())
}

fn master_key(text: &str) -> String {
    format!("secrets.master_key={text}")
}

#[test]
fn init_writes_a_private_file_once_and_check_passes_on_it() {
    let at = Configured::new(&["--smtp", "smtp://user:hunter2@mail.example.com:587"]);
    assert_eq!(std::fs::metadata(at.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(at.file()).unwrap();
    let said = finish(at.command(&["check"], &[]), "").ok();
    assert!(said.contains("valid and safe to serve"), "{said}");

    let again = run(at.path(), &["init", "--public-url", PUBLIC_URL]);
    again.refused(1, &["keystead.toml", "never overwritten"]);
    assert_eq!(std::fs::read_to_string(at.file()).unwrap(), written);

    let other = Configured::new(&[]);
    let key = |text: &str| text.lines().find(|line| line.starts_with("master_key = ")).map(str::to_owned).unwrap();
    assert_ne!(key(&written), key(&std::fs::read_to_string(other.file()).unwrap()));
}

#[test]
fn init_refuses_what_serve_could_not_read() {
    let home = tempfile::tempdir().unwrap();
    let refused = run(home.path(), &["init", "--public-url", "id.example.com"]);
    refused.refused(78, &["http.public_url", "fix: "]);
    let refused = run(home.path(), &["init", "--public-url", PUBLIC_URL, "--smtp", "smtp://u:hunter2@"]);
    let words = refused.refused(78, &["mail.smtp_url", "fix: "]);
    assert!(!words.contains("hunter2"), "{words}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn unsafe_settings_are_refused_with_key_source_and_fix() {
    let at = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let weak = [
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "one byte repeated"),
        ("K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols", "published example"),
        ("Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSAxMjM", "text, not random bytes"),
        ("aHVudGVyMg", "holds 7 bytes"),
    ];
    for (key, why) in weak {
        let words =
            both_refuse(&at, &[&master_key(key)], &["secrets.master_key", "flag --set secrets.master_key", why]);
        assert!(!words.contains(key), "the key is shown: {words}");
    }
    let cases: [(&str, &[&str]); 6] = [
        (
            "http.public_url=http://id.example.com",
            &["http.public_url", "plain http", "unsafe_allow = [\"plain-http\"]"],
        ),
        ("mail.smtp_url=smtp+plain://mail.example.com", &["mail.smtp_url", "unencrypted", "plain-smtp"]),
        ("http.trusted_proxies=0.0.0.0/0", &["http.trusted_proxies", "trust-everyone"]),
        ("limits.mode=off", &["limits.mode", "limits-off"]),
        ("passwords.argon2.memory_kib=8192", &["passwords.argon2.memory_kib", "OWASP", "weak-password-hash"]),
        ("tokens.access_life=2h", &["tokens.access_life", "flag --set tokens.access_life"]),
    ];
    for (pair, words) in cases {
        both_refuse(&at, &[pair], words);
    }
}

#[test]
fn files_open_to_everyone_are_refused() {
    let at = Configured::new(&[]);
    at.set_mode("keystead.toml", 0o644);
    both_refuse(&at, &[], &["configuration file", "keystead.toml", "open to every user", "chmod 600"]);
    at.set_mode("keystead.toml", 0o600);
    at.write("key.txt", "0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco\n");
    at.set_mode("key.txt", 0o604);
    at.replace("master_key", "master_key_file = \"key.txt\"");
    both_refuse(&at, &[], &["secrets.master_key_file", "keystead.toml, line ", "key.txt", "chmod 600"]);
    at.set_mode("key.txt", 0o600);
    finish(at.command(&["check"], &[]), "").ok();
}

#[test]
fn unknown_keys_are_told_with_the_nearest_name() {
    let at = Configured::new(&[]);
    both_refuse(&at, &["http.lisen=127.0.0.1:1"], &["http.lisen", "http.listen", "flag --set http.lisen"]);
    at.replace("public_url", &format!("public_url = \"{PUBLIC_URL}\"\npublc_url = \"x\""));
    both_refuse(&at, &[], &["http.publc_url", "http.public_url", "keystead.toml, line "]);
    let mut command = at.command(&["check"], &[]);
    command.env("KEYSTEAD_HTTP__LISTN", "127.0.0.1:0");
    finish(command, "").refused(78, &["KEYSTEAD_HTTP__LISTN", "did you mean KEYSTEAD_HTTP__LISTEN?"]);
    let missing = run(at.path(), &["serve", "--config", "other.toml"]);
    missing.refused(78, &["other.toml", "cannot be read", "fix: "]);
}

#[test]
fn an_accepted_danger_is_served_with_a_warning() {
    let at = Configured::new(&["--smtp", "smtp://mail.example.com"]);
    let service = at.serve(&["limits.mode=off", "unsafe_allow=limits-off"]);
    assert!(service.log().contains("limits.mode"), "{}", service.log());
}

#[tokio::test]
async fn flags_beat_the_environment_and_the_environment_the_file() {
    let at = Configured::new(&[]);
    at.replace("listen", "listen = \"192.0.2.1:1\"");
    let public_url = async |service: &Keystead| {
        let page = Api::new(service.url()).get("/.well-known/change-password").await.expect(302);
        page.header("location").strip_suffix("/account/password").map(str::to_owned)
    };
    let mut command = at.serve_command(&[]);
    command.env("KEYSTEAD_HTTP__LISTEN", "127.0.0.1:0").env("KEYSTEAD_HTTP__PUBLIC_URL", "http://localhost:1111");
    let by_environment = Keystead::start(command);
    let mut command = at.serve_command(&["http.public_url=http://localhost:2222"]);
    command.env("KEYSTEAD_HTTP__LISTEN", "127.0.0.1:0").env("KEYSTEAD_HTTP__PUBLIC_URL", "http://localhost:1111");
    let by_flag = Keystead::start(command);
    assert_eq!(public_url(&by_environment).await.as_deref(), Some("http://localhost:1111"));
    assert_eq!(public_url(&by_flag).await.as_deref(), Some("http://localhost:2222"));
}

#[test]
fn check_speaks_json() {
    let at = Configured::new(&[]);
    let Finished { code, stdout, .. } = finish(at.command(&["check"], &["--json", "--set", "limits.mode=off"]), "");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(78));
    assert_eq!(report["unsafe"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(report["unsafe"][0].as_str().is_some_and(|text| text.contains("limits.mode")), "{report}");
}
