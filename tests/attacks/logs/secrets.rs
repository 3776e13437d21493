//! L06 and G06: secrets of real flows, searched for in everything the service writes down.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystead_testkit::smtp_peer::{PeerOptions, ReceivedMail, SmtpPeer};
use reqwest::Method;
use serde_json::json;

use crate::at_rest::contains;
use crate::process::api::{Answer, Api, PATIENCE, Person, admin_of, code_in, link_token_in};
use crate::process::configured::Configured;
use crate::process::keystead::finish;
use crate::support::{self, Anonymous, Database, Kind, STEP};

/// Everything that is stored: the files beside the configuration, which holds the master key by design, and what lies on
/// servers.
fn stored(configured: &Configured) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(configured.path()).unwrap().map(|entry| entry.unwrap().path());
    let ours = entries.filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "toml"));
    let files = ours.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()));
    let servers = configured.shared().map(|shared| ("a server".to_owned(), Database::on_servers(shared).bytes()));
    files.chain(servers).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// Passwords of the servers, where there are any, as the configuration has them. The tests' servers trust every connection,
/// whatever it shows.
const SERVERS: [(&str, &str); 2] =
    [("password of PostgreSQL", "canary-postgres-pass-61"), ("password of Redis", "canary-redis-pass-38")];

/// Settings that show these passwords to the servers of a configuration.
fn with_passwords(configured: &Configured) -> Vec<String> {
    let Some(shared) = configured.shared() else { return Vec::new() };
    let with = |key: &str, url: &str, user: Option<&str>, password: &str| {
        let mut url = reqwest::Url::parse(url).unwrap();
        user.map_or(Ok(()), |user| url.set_username(user)).unwrap();
        url.set_password(Some(password)).unwrap();
        format!("{key}={url}")
    };
    let [(postgres_key, postgres), (redis_key, redis), _] = shared.settings();
    vec![with(postgres_key, &postgres, None, SERVERS[0].1), with(redis_key, &redis, Some("default"), SERVERS[1].1)]
}

/// What the one secret is called that a mail is sent for and that is searched for.
const LINK: &str = "reset link";

/// What must be found nowhere.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 6, "{what} is too short to be searched for");
        self.0.push((what, secret.to_owned()));
    }

    fn tokens(&mut self, who: &Person) {
        self.add("access token", &who.access);
        // The part that makes it a token; header and claims are no secret.
        self.add("signature", who.access.rsplit('.').next().unwrap());
        self.add("refresh token", &who.refresh);
        self.add("mac", who.refresh.rsplit('.').next().unwrap());
        self.add("client id", &who.client_id);
        self.add("device token", &who.device);
    }

    /// All but those of a kind.
    fn but(&self, intended: &str) -> Self {
        Self(self.0.iter().filter(|(what, _)| *what != intended).cloned().collect())
    }

    /// In no mail, as it was sent or as it is read, but the link in the mail that is sent for its sake.
    #[track_caller]
    fn nowhere_in_mails(&self, mails: &[ReceivedMail]) {
        for mail in mails {
            let read = [mail.text().unwrap(), mail.html().unwrap()].concat();
            let secrets = if read.contains("#token=") { self.but(LINK) } else { self.but("") };
            for bytes in [mail.data.as_slice(), read.as_bytes()] {
                secrets.nowhere_in(&format!("a mail: {read}"), bytes);
            }
        }
    }

    #[track_caller]
    fn nowhere_in(&self, place: &str, bytes: &[u8]) {
        for (what, secret) in &self.0 {
            assert!(!holds(bytes, secret), "the {what} is in {place}");
        }
    }
}

#[tokio::test]
async fn l06_g06_no_secret_is_logged_or_stored() {
    let mut peer = SmtpPeer::start().await.unwrap();
    let configured = Configured::with_mail_at(peer.port());
    let passwords = with_passwords(&configured);
    let mut settings = vec!["log.level=trace", "limits.mode=off", "unsafe_allow=limits-off"];
    settings.extend(passwords.iter().map(String::as_str));
    let service = configured.serve(&settings);
    let api = Api::new(service.url());
    let mut canaries = Canaries::default();
    for (what, password) in SERVERS {
        canaries.add(what, password);
    }
    let (first, second, third) = ("canary-password-one-8413", "canary-password-two-5179", "canary-password-six-2266");
    for password in [first, second, third, "canary-wrong-password-77"] {
        canaries.add("password", password);
    }

    // Register and prove.
    let registered = api.post("/api/v1/auth/register", &json!({"email": "ada@example.com", "password": first})).await;
    let mail = peer.wait_for(1, PATIENCE).await.unwrap().remove(0).text().unwrap();
    let code = code_in(&mail);
    canaries.add("pre-authorized token", &registered.expect_ref(201).attribute("accessToken"));
    canaries.add("client id", &registered.attribute("clientId"));
    api.verify(&registered, "000000").await;
    let verified = api.verify(&registered, &code).await.expect(200);
    canaries.add("refresh token", &verified.attribute("refreshToken"));

    // Sign in, wrongly and rightly; refresh; change the password; refuse.
    api.login("ada@example.com", "canary-wrong-password-77").await.expect(401);
    let session = api.signed_in("ada@example.com", first).await;
    canaries.tokens(&session);
    let fresh = api.refresh(&session, &session.refresh).await.expect(200);
    canaries.add("refresh token", &fresh.attribute("refreshToken"));
    let change = json!({"currentPassword": first, "newPassword": second});
    api.send_as(&session, "PATCH", "/api/v1/auth/password", Some(&change)).await.expect(200);
    api.send_with("canary-bearer-token", "canary-client-id-31", "GET", "/api/v1/users/me", None).await.expect(401);
    canaries.add("bearer", "canary-bearer-token");
    canaries.add("client id", "canary-client-id-31");
    api.post("/api/v1/auth/login", &json!({"identity": "x", "canary-attribute-name": "canary-attribute-value"})).await;
    canaries.add("attribute", "canary-attribute-value");
    api.get("/api/v1/users/me?token=canary-query-token").await;
    canaries.add("query", "canary-query-token");

    // Forget and reset.
    api.post("/api/v1/auth/password/forgot", &json!({"identity": "ada@example.com"})).await.expect(202);
    let mail = crate::process::api::eventually(PATIENCE, "the link", async || {
        peer.messages().iter().filter_map(ReceivedMail::text).find(|text| text.contains("#token="))
    });
    let link = link_token_in(&mail.await);
    canaries.add(LINK, &link);
    let grant = api.post("/api/v1/auth/password/reset/begin", &json!({"token": link})).await.expect(200);
    canaries.add("reset grant", &grant.attribute("accessToken"));
    let (token, client) = (grant.attribute("accessToken"), grant.attribute("clientId"));
    let reset = json!({"newPassword": third});
    api.send_with(&token, &client, "POST", "/api/v1/auth/password/reset", Some(&reset)).await.expect(204);
    canaries.tokens(&api.signed_in("ada@example.com", third).await);

    // The code, the change, the link, the reset.
    let mails = peer.wait_for(4, PATIENCE).await.unwrap();
    canaries.nowhere_in_mails(&mails);
    let with_code = mails.iter().filter(|mail| words(&mail.text().unwrap()).any(|word| word == code)).count();
    assert_eq!(with_code, 1, "the code is in the mail it was asked for, and in no other");

    // A code that waits: its mail is in the outbox, its hash in the store.
    peer.stop().await;
    let waiting = api.post("/api/v1/auth/register", &json!({"email": "bob@example.com", "password": first})).await;
    canaries.add("pre-authorized token", &waiting.expect_ref(201).attribute("accessToken"));
    crate::process::api::eventually(PATIENCE, "the first try", async || {
        service.log().contains("mail deferred").then_some(())
    })
    .await;

    let log = service.log();
    assert!(log.contains("\"level\":\"TRACE\""), "nothing was logged at this level");
    canaries.nowhere_in("the log", log.as_bytes());
    // Six digits can be anywhere in a binary file; in the log they would stand as a word.
    assert!(!words(&log).any(|word| word == code), "the code is in the log");
    assert!(!log.contains("ada@example.com") && !log.contains("bob@example.com"), "an address is in the log");
    let stored = stored(&configured);
    for (name, bytes) in &stored {
        canaries.nowhere_in(name, bytes);
    }
    // The search finds what is there.
    assert!(stored.values().any(|bytes| holds(bytes, "ada@example.com")), "the address should be in the database");
    assert!(stored.values().any(|bytes| holds(bytes, "$argon2id$")), "the hashes should be in the database");
    service.ask_to_end();
    let (status, log) = tokio::task::spawn_blocking(move || service.wait()).await.unwrap();
    assert!(status.success());
    canaries.nowhere_in("the log", log.as_bytes());
}

/// The step of the system's clock.
fn step() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the process has the system's clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs() / STEP.as_secs()
}

/// What second factors are made of, what the service shows to others, and what it is shown by mistake.
#[tokio::test]
async fn l06_no_secret_of_a_factor_or_of_the_service_is_told() {
    let mailer = Some(("mailer".to_owned(), "canary-mail-pass".to_owned()));
    let peer = SmtpPeer::start_with(PeerOptions { credentials: mailer, ..PeerOptions::default() }).await.unwrap();
    let smtp = format!("smtp+plain://mailer:canary-mail-pass@127.0.0.1:{}", peer.port());
    let configured = Configured::new(&["--smtp", &smtp]);
    let service = configured.serve(&[
        "log.level=trace",
        "limits.mode=off",
        "unsafe_allow=limits-off",
        "http.admin_listen=127.0.0.1:0",
    ]);
    let add = ["--email", "ada@example.com", "--password-stdin"];
    finish(configured.command(&["user", "add"], &add), "canary-password-one-8413\n").ok();
    let native = Anonymous::new(support::Api::new(vec![service.url().to_owned()]), Kind::Native);
    let ada = native.login("ada@example.com", "canary-password-one-8413").await.unwrap();
    let program = ada.begin_totp().await.unwrap();
    let used = program.code(step());
    let ada = ada.confirm_totp(&used).await.unwrap();
    let recovery = ada.recovery_codes().await.unwrap();
    // Used once, and shown wrongly and to the wrong routes.
    let asked = native.login_asked("ada@example.com", "canary-password-one-8413").await.unwrap();
    asked.answer("totp", "000000").await.unwrap_err();
    let again = asked.answer("recovery", &recovery[0]).await.unwrap();
    ada.step_up(&recovery[1]).await.unwrap_err();
    let basic = format!("Basic {}", STANDARD.encode("canary-name:canary-basic-pass"));
    for header in ["authorization", "otp-authorization", "proxy-authorization", "cookie", "x-api-key"] {
        let call = ada.call(Method::GET, "/users/me").without(header).header(header, &basic);
        call.header("referer", "https://a.example/?token=canary-referer").send().await;
    }
    ada.step_up_call(Some(&basic)).send().await.ok(200).unwrap_err();
    let proof = json!({ "identity": "ada@example.com", "clientPublicKey": "02", "clientProof": "c4".repeat(32),
        "sealed": "canary-sealed-state-77" });
    native.post("/auth/srp/login", &proof).await;
    let captcha =
        json!({ "email": "x@example.com", "password": "canary-password-two-5179", "captcha": "canary-captcha-19" });
    native.post("/auth/register", &captcha).await;
    native
        .post("/auth/activate", &json!({ "token": "canary-activation", "password": "canary-password-two-5179" }))
        .await;

    let mut canaries = Canaries::default();
    for (what, secret) in [
        ("password", "canary-password-one-8413"),
        ("password", "canary-password-two-5179"),
        ("password of the mail server", "canary-mail-pass"),
        ("seed", program.base32.as_str()),
        ("Basic credentials", basic.strip_prefix("Basic ").unwrap()),
        ("password of Basic credentials", "canary-basic-pass"),
        ("referrer", "canary-referer"),
        ("client's proof", &"c4".repeat(32)),
        ("sealed state", "canary-sealed-state-77"),
        ("captcha", "canary-captcha-19"),
        ("link", "canary-activation"),
    ] {
        canaries.add(what, secret);
    }
    for code in &recovery {
        canaries.add("recovery code", code);
    }
    for person in [&ada, &again] {
        for secret in [&person.access, &person.refresh, &person.client_id] {
            canaries.add("token", secret);
        }
        for secret in person.proof.iter().chain(&person.device) {
            canaries.add("token", secret);
        }
    }
    let metrics = admin_of(&service).await.get("/metrics").await.expect(200).body;
    assert!(metrics.contains("keystead_http_requests_total"));
    let failed = async || service.stdout().contains("authn_login_fail").then_some(());
    crate::process::api::eventually(PATIENCE, "the audit stream", failed).await;
    // A factor was added, codes were made, one was used.
    let mails = peer.wait_for(3, PATIENCE).await.unwrap();
    canaries.nowhere_in_mails(&mails);
    assert!(mails.iter().all(|mail| !words(&mail.text().unwrap()).any(|word| word == used)), "the code is in a mail");
    let told = service.log() + &service.stdout();
    assert!(told.contains("\"level\":\"TRACE\""), "nothing was logged at this level");
    for (place, text) in [("the log", &told), ("the metrics", &metrics)] {
        canaries.nowhere_in(place, text.as_bytes());
        assert!(!text.contains("ada@example.com"), "an address is in {place}");
        // As a number of their own; they can be part of any other.
        assert!(!words(text).any(|word| word == used), "the code is in {place}");
    }
    let stored = stored(&configured);
    for (name, bytes) in &stored {
        canaries.nowhere_in(name, bytes);
        assert!(!contains(bytes, &program.secret()), "the seed is in {name}");
    }
    assert!(stored.values().any(|bytes| holds(bytes, "ada@example.com")), "the address should be in the database");
}

impl Answer {
    /// This answer, borrowed, when it has the expected status.
    #[track_caller]
    fn expect_ref(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}
