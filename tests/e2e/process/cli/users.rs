//! `keystead user …`, beside a service that runs at the same data.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::process::api::{Api, PASSWORD, PATIENCE, eventually, link_token_in};
use crate::process::keystead::{Finished, Keystead, finish};
use crate::process::site::Site;
use crate::support::PROMISED;

/// `keystead user …` on the data of a service.
fn user(site: &Site, arguments: &[&str], input: &str) -> Finished {
    let (verb, rest) = arguments.split_first().unwrap();
    finish(site.command(&["user", verb], rest), input)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_operator_adds_lists_and_sets_passwords() {
    let site = Site::start().await;
    let api = site.api();
    let user = |arguments: &[&str], input: &str| user(&site, arguments, input);

    let add = ["add", "--email", "Ada@Example.com", "--username", "ada", "--role", "admin", "--password-stdin"];
    user(&add, &format!("{PASSWORD}\n")).ok();
    user(&["add", "--email", "ada@example.com"], "").refused(1, &["the address has an account"]);
    user(&["add", "--email", "bob@example.com", "--username", "ADA"], "").refused(1, &["username is taken"]);
    user(&["add", "--email", "no address"], "").refused(1, &["address"]);
    let refused = user(&["add", "--email", "eve@example.com", "--password-stdin"], "short\n").refused(1, &["8"]);
    assert!(!refused.contains("short\n"), "{refused}");
    user(&["add", "--email", "eve@example.com", "--password-stdin"], "").refused(1, &["no password"]);

    let ada = api.signed_in("ada", PASSWORD).await;
    let me = api.send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(200).json();
    // In `keystead dev` there is also the one who waits for a first administrator.
    let mut listed = lines(&user(&["list", "--json"], "").ok());
    listed.retain(|user| user["email"] != json!("admin@keystead.localhost"));
    assert_eq!(listed.len(), 1, "{listed:?}");
    for (name, value) in [("email", "ada@example.com"), ("username", "ada"), ("role", "admin"), ("status", "active")] {
        assert_eq!(listed[0][name], json!(value));
    }
    assert_eq!(listed[0]["id"], me["data"]["id"]);

    let new = "another battery staple 23";
    user(&["passwd", "ada", "--password-stdin"], &format!("{new}\n")).ok();
    api.refused_within_a_second(&ada).await;
    assert_eq!(api.refresh(&ada, &ada.refresh).await.expect(401).code(), "SESSION_ENDED");
    assert_eq!(api.login("ada", PASSWORD).await.expect(401).code(), "INVALID_CREDENTIALS");
    api.signed_in("ada", new).await;
    user(&["passwd", "nobody", "--password-stdin"], &format!("{new}\n")).refused(1, &["no such account"]);
}

#[tokio::test]
async fn an_activation_link_works_once() {
    let site = Site::start().await;
    let api = site.api();
    let added = user(&site, &["add", "--email", "ada@example.com", "--json"], "").ok();
    let shown = link_token_in(lines(&added)[0]["activationLink"].as_str().unwrap());
    // The running service mails the same link.
    assert_eq!(link_token_in(&api.mail_to("ada@example.com").await), shown);
    api.login("ada@example.com", PASSWORD).await.expect(401);

    let activate =
        async |password: &str| api.post("/api/v1/auth/activate", &json!({"token": shown, "password": password})).await;
    assert_eq!(activate("short").await.expect(422).code(), "PASSWORD_TOO_SHORT");
    activate(PASSWORD).await.expect(200);
    assert_eq!(activate(PASSWORD).await.expect(401).code(), "LINK_INVALID");
    api.signed_in("ada@example.com", PASSWORD).await;
}

#[tokio::test]
async fn g05_a_ban_by_another_process_is_seen_within_a_second() {
    let site = Site::without_limits().await;
    let api = site.api();
    let (ada, bob) = (api.sign_up("ada@example.com").await, api.sign_up("bob@example.com").await);
    api.send_as(&ada, "POST", "/api/v1/auth/token/verify", None).await.expect(200);

    user(&site, &["ban", "ada@example.com"], "").ok();
    api.refused_within_a_second(&ada).await;
    assert_eq!(api.send_as(&ada, "GET", "/api/v1/users/me", None).await.expect(401).code(), "TOKEN_REVOKED");
    assert_eq!(api.refresh(&ada, &ada.refresh).await.expect(401).code(), "SESSION_ENDED");
    assert_eq!(api.login("ada@example.com", PASSWORD).await.expect(403).code(), "ACCOUNT_INACTIVE");
    assert_eq!(api.login("ada@example.com", "a wrong password 1").await.expect(401).code(), "INVALID_CREDENTIALS");
    api.send_as(&bob, "POST", "/api/v1/auth/token/verify", None).await.expect(200);

    // Banning twice changes nothing; whoever is let in again has to sign in anew.
    user(&site, &["ban", "ada@example.com"], "").ok();
    user(&site, &["unban", "ada@example.com"], "").ok();
    api.send_as(&ada, "POST", "/api/v1/auth/token/verify", None).await.expect(401);
    let again = api.signed_in("ada@example.com", PASSWORD).await;
    api.send_as(&again, "POST", "/api/v1/auth/token/verify", None).await.expect(200);
}

#[tokio::test]
async fn an_operator_changes_what_an_account_may_do() {
    let site = Site::without_limits().await;
    let api = site.api();
    let ada = api.sign_up("ada@example.com").await;
    let role = |who: &str, role: &str| user(&site, &["role", who, role, "--json"], "");
    let told = lines(&role("ada@example.com", "super-admin").ok());
    assert_eq!((&told[0]["email"], &told[0]["role"]), (&json!("ada@example.com"), &json!("super-admin")));
    eventually(PATIENCE, "she is told", async || {
        let mails = api.mails_to("ada@example.com").await;
        mails.iter().any(|mail| mail.contains("Your role is now: super-admin.")).then_some(())
    })
    .await;
    // Whoever signs in, or refreshes, has the new role in the token.
    let mut refresh = ada.refresh.clone();
    eventually(PROMISED, "the new role", async || {
        let tokens = api.refresh(&ada, &refresh).await.expect(200);
        refresh = tokens.attribute("refreshToken");
        (role_in(&tokens.attribute("accessToken")) == "super-admin").then_some(())
    })
    .await;
    role("ada@example.com", "user").ok();
    assert_eq!(role_in(&api.signed_in("ada@example.com", PASSWORD).await.access), "user");
    role("nobody@example.com", "admin").refused(1, &["no such account"]);
    role("ada@example.com", "root").refused(2, &["root"]);
}

/// What a token says its owner may do.
fn role_in(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["role"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn dev_gives_a_link_to_the_first_administrator_until_it_was_used() {
    let home = tempfile::tempdir().unwrap();
    let activate = async |service: &Keystead, link: &str| {
        let body = json!({"token": link_token_in(link), "password": PASSWORD});
        Api::new(service.url()).post("/api/v1/auth/activate", &body).await
    };
    let first = Keystead::dev(home.path(), &[]);
    let void = link_of(&first).await;
    assert!(void.starts_with(&format!("{}/activate#token=", first.url())), "{void}");
    first.kill();

    // Nobody used it: there is another one, and the one before is void.
    let second = Keystead::dev(home.path(), &[]);
    let link = link_of(&second).await;
    assert_eq!(activate(&second, &void).await.expect(401).code(), "LINK_INVALID");
    activate(&second, &link).await.expect(200);
    assert_eq!(activate(&second, &link).await.expect(401).code(), "LINK_INVALID");
    let admin = Api::new(second.url()).signed_in("admin@keystead.localhost", PASSWORD).await;
    assert_eq!(role_in(&admin.access), "super-admin");
    second.kill();

    let third = Keystead::dev(home.path(), &[]);
    let printed = eventually(PATIENCE, "all of what it prints", async || {
        let stdout = third.stdout();
        stdout.contains("For real use").then_some(stdout)
    })
    .await;
    Api::new(third.url()).signed_in("admin@keystead.localhost", PASSWORD).await;
    assert!(!third.stdout().contains("activate"), "{printed}");
}

/// The link a `keystead dev` prints.
async fn link_of(service: &Keystead) -> String {
    eventually(PATIENCE, "the link of a first administrator", async || {
        let stdout = service.stdout();
        stdout.lines().map(str::trim).find(|line| line.contains("/activate#token=")).map(str::to_owned)
    })
    .await
}
