//! `openapi`, `doctor`, `debug`, `migrate`, and the help of every command.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::process::api::code_in;
use crate::process::configured::Configured;
use crate::process::keystead::{command, finish, run};
use crate::process::site::Site;
use crate::support::Stores;

#[test]
fn every_command_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut waiting = vec![Vec::<String>::new()];
    let mut leaves = 0;
    while let Some(words) = waiting.pop() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = run(home.path(), &arguments).ok();
        let Some((_, commands)) = help.split_once("Commands:\n") else {
            assert!(help.contains("Usage: keystead"), "{words:?}: {help}");
            assert!(help.contains("Example"), "{words:?} shows no example");
            leaves += 1;
            continue;
        };
        let names = commands.lines().take_while(|line| line.starts_with("  "));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        waiting.extend(names.map(|name| [words.clone(), vec![name.to_owned()]].concat()));
    }
    assert!(leaves >= 16, "{leaves} commands were found");
    run(home.path(), &["nonsense"]).refused(2, &["nonsense"]);
    assert!(run(home.path(), &["--version"]).ok().starts_with("keystead "));
}

#[tokio::test]
async fn the_document_is_served_and_printed_alike_and_lists_every_route() {
    let home = tempfile::tempdir().unwrap();
    let printed: Value = serde_json::from_str(&run(home.path(), &["openapi"]).ok()).unwrap();
    assert!(printed["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", printed["openapi"]);
    let site = Site::without_limits().await;
    let api = site.api();
    assert_eq!(api.get("/api/v1/openapi.json").await.expect(200).json(), printed);

    // Every documented route exists, with exactly the documented methods.
    let methods = ["get", "post", "put", "patch", "delete"];
    let paths = printed["paths"].as_object().unwrap();
    for (path, item) in paths {
        let path = path.replace(['{', '}'], "");
        let documented: BTreeSet<&str> = methods.into_iter().filter(|method| item.get(method).is_some()).collect();
        for method in methods {
            let answer = api.send(&method.to_uppercase(), &path, &[], None).await;
            let known = answer.status != 405 && answer.code() != "NOT_FOUND";
            assert_eq!(known, documented.contains(method), "{method} {path}: {}", answer.status);
        }
    }
    let promised = [
        "/auth/register",
        "/auth/register/verify",
        "/auth/login",
        "/auth/login/otp",
        "/auth/refresh",
        "/auth/token",
        "/auth/token/verify",
        "/auth/tokens/{jti}",
        "/auth/status",
        "/auth/logout",
        "/auth/password/forgot",
        "/auth/password/reset/begin",
        "/auth/password/reset",
        "/auth/password",
        "/auth/reauth",
        "/auth/activate",
        "/users/me",
        "/users/me/export",
        "/sessions",
        "/sessions/{id}",
        "/login-history",
    ];
    for path in promised {
        assert!(paths.contains_key(&format!("/api/v1{path}")), "{path}");
    }
    for path in ["/.well-known/jwks.json", "/.well-known/change-password", "/health/live", "/health/ready"] {
        assert!(paths.contains_key(path), "{path}");
    }
}

#[tokio::test]
async fn tokens_are_verified_with_the_key_set_alone() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start().await;
    let api = site.api();
    let ada = api.sign_up("ada@example.com").await;
    std::fs::write(home.path().join("jwks.json"), api.get("/.well-known/jwks.json").await.expect(200).body).unwrap();
    let verify = |token: &str| run(home.path(), &["debug", "verify-jws", "--jwks", "jwks.json", token]);

    let shown = verify(&ada.access).ok();
    assert!(shown.contains("signature is good") && shown.contains("at+jwt"), "{shown}");
    let by_input = finish(command(home.path(), &["debug", "verify-jws", "--jwks", "jwks.json"]), &ada.access).ok();
    assert_eq!(by_input, shown);

    let (head, signature) = ada.access.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{other}{}", &signature[1..]);
    for token in [forged.as_str(), head, "", "a.b.c"] {
        let refused = verify(token);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{token}: {}", refused.stderr);
    }
    // Half-way tokens are signed with keys that are not published.
    let registered = api.register("bob@example.com").await.expect(201);
    verify(&registered.attribute("accessToken")).refused(1, &["error"]);
    code_in(&api.mail_to("bob@example.com").await);
}

#[test]
fn migrate_and_doctor_tell_what_they_did_and_found() {
    let at = Configured::empty(&[]);
    let run = |words: &[&str], rest: &[&str]| finish(at.command(words, rest), "");
    assert!(run(&["check"], &[]).ok().contains("migrations will be applied"));
    assert!(run(&["migrate"], &[]).ok().contains("applied"));
    assert!(run(&["migrate"], &[]).ok().contains("already"));
    let again: Value = serde_json::from_str(&run(&["migrate"], &["--json"]).ok()).unwrap();
    assert_eq!(again["applied"], serde_json::json!([]));
    assert!(!run(&["check"], &[]).ok().contains("migrations"));

    let found = run(&["doctor"], &["--json"]).ok();
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let checks: BTreeSet<&str> = found.iter().map(|one| one["check"].as_str().unwrap()).collect();
    let shared = ["redis", "clock"].into_iter().filter(|_| Stores::are_shared());
    let expected =
        ["configuration", "migrations", "mail", "templates", "certificate", "database"].into_iter().chain(shared);
    assert_eq!(checks, expected.collect());
    assert!(found.iter().all(|one| one["state"] == "ok"), "{found:?}");

    // Another master key cannot open what the first one sealed; nobody listens on port 1.
    at.replace("master_key", "master_key = \"0NwGIT4gnPmyEbexjTF_mC2kWQ5Xk9s1rzYhV3tAqco\"");
    let set = ["--set", "mail.smtp_url=smtp+plain://127.0.0.1:1", "--set", "http.tls.certificate_file=no.pem"];
    let found = run(&["doctor"], &[&set[..], &["--set", "http.tls.key_file=no.key"]].concat());
    assert_eq!(found.code, Some(1), "{found:?}");
    for what in ["mail", "certificate", "database"] {
        let line = found.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(what)).unwrap();
        assert!(line.starts_with("failed"), "{line}");
    }
    assert!(found.stdout.contains("master key"), "{found:?}");
}

#[test]
fn broken_texts_are_found_before_anybody_is_sent_one() {
    let at = Configured::new(&[]);
    let run = |words: &[&str], rest: &[&str]| finish(at.command(words, rest), "");
    let found = run(&["doctor"], &[]).ok();
    let line = found.lines().find(|line| line.contains("templates")).unwrap();
    assert!(line.starts_with("ok") && line.contains("messages render in de, en, es, fr, id, pt"), "{line}");

    let write = |name: &str, source: &str| {
        let path = at.path().join("texts").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, source).unwrap();
    };
    at.replace("# templates_dir", "templates_dir = \"texts\"");
    write("nl/login_code.sms.txt", "{{ code }} is de code");
    let found = run(&["doctor"], &[]).ok();
    assert!(found.contains("messages render in de, en, es, fr, id, nl, pt"), "{found}");
    write("de/new_device.txt", "Hallo {{ name }}\n{{ gerät }}");
    write("fr/login_code.html", "\n\n{% if %}");
    let wrong = ["de/new_device.txt line 2", "fr/login_code.html line 3"];
    run(&["check"], &[]).refused(78, &wrong);
    let found = run(&["doctor"], &[]);
    assert_eq!(found.code, Some(1), "{found:?}");
    let line = found.stdout.lines().find(|line| line.contains("templates")).unwrap();
    assert!(line.starts_with("failed") && wrong.iter().all(|place| line.contains(place)), "{line}");
    let refused = run(&["serve"], &[]);
    assert!(refused.code != Some(0) && wrong.iter().all(|place| refused.stderr.contains(place)), "{refused:?}");
}

#[test]
fn commands_on_data_that_is_not_there_say_so() {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), &["user", "list", "--data-dir", "nowhere"]).refused(1, &["nowhere", "keystead dev"]);
    run(home.path(), &["key", "list", "--config", "nowhere.toml"]).refused(78, &["nowhere.toml", "fix: "]);
    run(home.path(), &["key", "list"]).refused(2, &["--config", "--data-dir"]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
