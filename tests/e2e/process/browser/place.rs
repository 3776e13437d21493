//! A service that browsers may use passkeys at: its public URL has a name.

use std::net::TcpListener;
use std::sync::Arc;

use keystead_testkit::smtp_peer::SmtpPeer;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::driver::Browser;
use super::front::Front;
use crate::process::api::{Answer, Api, Person};
use crate::process::configured::Configured;
use crate::process::keystead::Keystead;
use crate::support::{REPLICAS, Stores};

/// On the stores of this run: one `keystead dev`, or replicas of `keystead serve` behind one address. Without limits.
pub(super) struct Place {
    // Dropped before what they stand on.
    _front: Option<Front>,
    _services: Vec<Keystead>,
    _data: Data,
    api: Api,
    origin: String,
}

enum Data {
    Dev { _home: TempDir },
    Servers { _configured: Configured },
}

impl Place {
    pub(super) async fn start() -> Self {
        if Stores::of_this_run() == Stores::Embedded {
            return Self::dev();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = localhost(listener.local_addr().unwrap().port());
        let peer = SmtpPeer::start().await.unwrap();
        let configured = Configured::with_mail_at(peer.port());
        let set = [&format!("http.public_url={origin}"), "limits.mode=off", "unsafe_allow=limits-off"];
        let services: Vec<Keystead> = (0..REPLICAS).map(|_| configured.serve(&set)).collect();
        let urls: Vec<String> = services.iter().map(|service| service.url().to_owned()).collect();
        Self {
            _front: Some(Front::start(listener, urls.clone())),
            api: Api::of(urls, Some(Arc::new(peer))),
            _services: services,
            _data: Data::Servers { _configured: configured },
            origin,
        }
    }

    fn dev() -> Self {
        let home = tempfile::tempdir().unwrap();
        let service = Keystead::dev(home.path(), &["--limits", "off"]);
        let port = service.address().rsplit_once(':').unwrap().1.parse().unwrap();
        Self {
            _front: None,
            api: Api::new(service.url()),
            _services: vec![service],
            _data: Data::Dev { _home: home },
            origin: localhost(port),
        }
    }

    /// A native client of every replica, in turn.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// A page of the service.
    pub(super) fn page(&self) -> String {
        format!("{}/health/live", self.origin)
    }

    /// A browser at a page of the service.
    pub(super) async fn browser(&self) -> Browser {
        let browser = Browser::start().await;
        browser.open(&self.page()).await;
        browser
    }

    /// Somebody new with a passkey at the browser's authenticator, signed in.
    pub(super) async fn with_passkey(&self, browser: &Browser, email: &str) -> Person {
        let person = self.api.sign_up(email).await;
        self.register_passkey(browser, &person).await
    }

    /// Registers a passkey of somebody at the browser's authenticator. Their session goes on with another access token.
    pub(super) async fn register_passkey(&self, browser: &Browser, who: &Person) -> Person {
        let options = self.api.send_as(who, "POST", "/api/v1/passkeys/options", None).await.expect(200);
        let attestation = browser.create_credential(&public_key(&options)).await.unwrap();
        let wish = json!({ "attestation": attestation });
        let registered = self.api.send_as(who, "POST", "/api/v1/passkeys", Some(&wish)).await.expect(201);
        Person { access: next_access_token(&registered), ..who.clone() }
    }

    /// The options of a ceremony that names nobody.
    pub(super) async fn sign_in_options(&self) -> Value {
        let native = [("keystead-client", "native")];
        public_key(&self.api.send("POST", "/api/v1/auth/login/passkey/options", &native, None).await.expect(200))
    }

    /// Answers [`Self::sign_in_options`].
    pub(super) async fn sign_in(&self, assertion: &Value) -> Answer {
        self.api.post("/api/v1/auth/login/passkey", &json!({ "assertion": assertion })).await
    }
}

/// Secure to a browser, and the same machine (RFC 6761 section 6.3).
pub(super) fn localhost(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// The options of a ceremony.
#[track_caller]
pub(super) fn public_key(answer: &Answer) -> Value {
    let options = answer.json().pointer("/data/attributes/publicKey").cloned();
    options.unwrap_or_else(|| panic!("no options: {answer:?}"))
}

/// The access token a session goes on with after a registration.
#[track_caller]
pub(super) fn next_access_token(registered: &Answer) -> String {
    let document = registered.json();
    let token = document.pointer("/meta/tokens/accessToken").and_then(Value::as_str);
    token.unwrap_or_else(|| panic!("no tokens: {registered:?}")).to_owned()
}
