//! The real provider: a process of Node, one for all tests of this process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Url, redirect};
use serde_json::{Value, json};

use crate::support::{Back, client_builder};

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("provider/package.json")),
    ("package-lock.json", include_str!("provider/package-lock.json")),
    ("main.mjs", include_str!("provider/main.mjs")),
];

/// Somebody's account there.
#[derive(Clone, Debug)]
pub struct Account(Value);

impl Account {
    /// With an address that the provider verified.
    pub fn new(sub: &str, email: &str) -> Self {
        Self(json!({ "sub": of_this_test(sub), "email": email, "email_verified": true, "name": "Ada Lovelace" }))
    }

    /// With an address that it did not.
    pub fn unverified(sub: &str, email: &str) -> Self {
        Self(json!({ "sub": of_this_test(sub), "email": email, "email_verified": false }))
    }

    /// With another claim.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }

    pub fn without_address(sub: &str) -> Self {
        Self(json!({ "sub": of_this_test(sub) }))
    }

    /// What the provider is told in `login_hint`.
    fn hint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_string())
    }
}

/// All tests share one provider, which remembers by `sub` who came: those of one test are none of another.
fn of_this_test(sub: &str) -> String {
    let thread = std::thread::current();
    format!("{}/{sub}", thread.name().unwrap_or_default())
}

/// A provider that runs. The process ends with this one, which holds its standard input.
pub struct Provider {
    pub issuer: String,
    process: Child,
    _input: ChildStdin,
    /// Kept, so that it can always print.
    _output: BufReader<ChildStdout>,
}

impl Provider {
    pub fn running() -> &'static Self {
        static PROVIDER: OnceLock<Provider> = OnceLock::new();
        PROVIDER.get_or_init(Self::start)
    }

    /// One of its own, for a test that stops it.
    pub fn alone() -> Self {
        Self::start()
    }

    /// Ends the process: nobody answers at its address any more.
    pub fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start() -> Self {
        let mut process = Command::new("node")
            .args(["--no-warnings", "main.mjs"])
            .current_dir(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node: `cargo xtask setup` installs it");
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("the provider prints its port");
        let input = process.stdin.take().unwrap();
        Self { issuer: format!("http://127.0.0.1:{port}"), process, _input: input, _output: output }
    }

    /// The address of a flow, which whoever opens it passes as this account.
    pub fn as_account(url: &str, account: &Account) -> String {
        format!("{url}&login_hint={}", account.hint())
    }

    /// Goes where a flow leads, as this account, in a browser of its own; what the provider sends back.
    pub async fn visit(&self, url: &str, account: &Account) -> Back {
        let client = client_builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        let mut at = Url::parse(&Self::as_account(url, account)).unwrap();
        let mut cookies: Vec<(String, String)> = Vec::new();
        loop {
            assert!(at.as_str().starts_with(&self.issuer), "{at}");
            let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let response = client.get(at.clone()).header(COOKIE, jar.join("; ")).send().await.unwrap();
            for cookie in response.headers().get_all(SET_COOKIE) {
                let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                cookies.retain(|(known, _)| known != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
            let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
            let to = to.unwrap_or_else(|| panic!("{at} leads nowhere: {}", response.status()));
            at = at.join(&to).unwrap();
            if at.path().ends_with("/callback") {
                return back(&at);
            }
        }
    }
}

/// What the address holds that somebody is sent back to.
fn back(at: &Url) -> Back {
    let of = |name: &str| at.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    let code = of("code").unwrap_or_else(|| panic!("no code: {at}"));
    Back { code, state: of("state").unwrap(), iss: of("iss") }
}

/// The folder below `target/` where the package is installed, at the versions of its lock file. Another lock file has another
/// folder; a folder that is there is whole.
fn installed() -> PathBuf {
    use sha2::{Digest as _, Sha256};
    let digest = FILES.iter().fold(Sha256::new(), |digest, (_, text)| digest.chain_update(text));
    let name = digest.finalize().iter().take(8).fold(String::new(), |name, byte| name + &format!("{byte:02x}"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider");
    let folder = cache.join(name);
    if folder.is_dir() {
        return folder;
    }
    fs::create_dir_all(&cache).unwrap();
    let making = tempfile::tempdir_in(&cache).unwrap();
    for (name, text) in FILES {
        fs::write(making.path().join(name), text).unwrap();
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(making.path())
        .output()
        .expect("npm: it comes with node");
    assert!(npm.status.success(), "npm ci: {}", String::from_utf8_lossy(&npm.stderr));
    // Another process may have been faster.
    if fs::rename(making.path(), &folder).is_ok() {
        let _ = making.keep();
    }
    folder
}
