//! Chromium without a window, driven over WebDriver (W3C) with its extension for WebAuthn (WebAuthn Level 3 section 11).

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::api::PATIENCE;
use crate::support::client_builder;

/// Switches of the browser. Tests run as root, for whom there is no sandbox, and visit pages of their own only: nothing else
/// has an address.
const SWITCHES: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];

/// A browser with one page and a profile of its own. It ends when this is dropped, and with the process that holds it.
pub(crate) struct Browser {
    http: reqwest::Client,
    /// The session's URL at the driver.
    session: String,
    // Ended last.
    _driver: Driver,
}

/// A virtual authenticator.
#[derive(Clone, Debug)]
pub(super) struct Authenticator {
    path: String,
}

impl Browser {
    /// A browser that shows an empty page.
    pub(crate) async fn start() -> Self {
        let driver = Driver::start();
        // A script ends sooner than the test loses patience.
        let http = client_builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let profile = format!("--user-data-dir={}", driver.home.join("profile").display());
        let switches: Vec<&str> = SWITCHES.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({
            "webauthn:virtualAuthenticators": true,
            "timeouts": { "script": PATIENCE.as_millis() / 2 },
            "goog:chromeOptions": { "binary": program("chromium"), "args": switches },
        });
        let driver_url = format!("http://127.0.0.1:{}", driver.port);
        let mut browser = Self { http, session: driver_url.clone(), _driver: driver };
        let session = browser.post("/session", json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        browser.session = format!("{driver_url}/session/{}", session["sessionId"].as_str().unwrap());
        // Pages of the service run no scripts at all, not even a test's.
        let bypass = json!({ "cmd": "Page.setBypassCSP", "params": { "enabled": true } });
        browser.post("/goog/cdp/execute", bypass).await;
        browser
    }

    /// Goes to a page.
    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Runs a script in the page. Its last argument is a function that takes the result.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/async", json!({ "script": script, "args": arguments })).await
    }

    /// Builds an authenticator into this device: it keeps passkeys, knows its user, and copies them to other devices.
    pub(super) async fn add_platform_authenticator(&self) -> Authenticator {
        let copied = json!({ "defaultBackupEligibility": true, "defaultBackupState": true });
        self.add_authenticator("internal", true, &copied).await
    }

    /// Plugs in a security key: it keeps no passkeys, cannot tell who touches it, and copies nothing.
    pub(super) async fn add_security_key(&self) -> Authenticator {
        self.add_authenticator("usb", false, &json!({})).await
    }

    async fn add_authenticator(&self, transport: &str, able: bool, more: &Value) -> Authenticator {
        let mut wanted = json!({
            "protocol": "ctap2_1",
            "transport": transport,
            "hasResidentKey": able,
            "hasUserVerification": able,
            "isUserVerified": able,
        });
        wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let id = self.post("/webauthn/authenticator", wanted).await;
        Authenticator { path: format!("/webauthn/authenticator/{}", id.as_str().unwrap()) }
    }

    /// Takes it out, with its credentials.
    pub(super) async fn remove(&self, authenticator: Authenticator) {
        self.command(Method::DELETE, &authenticator.path, None).await;
    }

    /// Whether it recognises its user from now on.
    pub(super) async fn recognises_its_user(&self, authenticator: &Authenticator, yes: bool) {
        self.post(&format!("{}/uv", authenticator.path), json!({ "isUserVerified": yes })).await;
    }

    /// Its credentials with their private keys and counters, as [`Self::put_credential`] takes them.
    pub(super) async fn credentials(&self, authenticator: &Authenticator) -> Vec<Value> {
        let found = self.command(Method::GET, &format!("{}/credentials", authenticator.path), None).await;
        found.as_array().unwrap().clone()
    }

    pub(super) async fn put_credential(&self, authenticator: &Authenticator, credential: &Value) {
        self.post(&format!("{}/credential", authenticator.path), credential.clone()).await;
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.command(Method::POST, path, Some(body)).await
    }

    async fn command(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let is_done = response.status().is_success();
        let value = response.json::<Value>().await.unwrap()["value"].take();
        assert!(is_done, "{path}: {} {}", value["error"], value["message"]);
        value
    }
}

/// `chromedriver` on a port the system chose, in a directory of its own.
struct Driver {
    supervisor: Child,
    port: u16,
    home: PathBuf,
    /// Kept, so that the driver can always print.
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        // The supervisor removes it, also when this process is killed.
        let home = tempfile::Builder::new().prefix("keystead-browser-").tempdir().unwrap().keep();
        let mut supervisor = Command::new("sh")
            .args(["-c", include_str!("supervisor.sh"), "keystead-test-browser", &program("chromedriver"), "--port=0"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Control-C ends the tests; the supervisor has to outlive them.
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(supervisor.stdout.take().unwrap());
        let mut driver = Self { supervisor, port: 0, home, output };
        driver.port = driver.printed_port();
        driver
    }

    /// "ChromeDriver was started successfully on port 1234."
    fn printed_port(&mut self) -> u16 {
        let mut lines = self.output.by_ref().lines().map_while(Result::ok);
        let port =
            lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        port.expect("the driver starts")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// The path of a program.
fn program(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    let found = found.unwrap_or_else(|| panic!("there is no {name}: `cargo xtask setup` installs it, or says how"));
    found.to_str().unwrap().to_owned()
}
