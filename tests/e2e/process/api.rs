//! A small native client of the API, and what it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead_testkit::smtp_peer::SmtpPeer;
use reqwest::Method;
use serde_json::{Value, json};

use super::keystead::Keystead;
use crate::support::{PROMISED, client_builder};

/// Longest wait for something that must happen; only a broken service takes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A password nobody's name or address is in.
pub(crate) const PASSWORD: &str = "correct horse battery 17";

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// An attribute of the one resource in the body.
    pub(crate) fn attribute(&self, name: &str) -> String {
        let attribute =
            self.json().pointer(&format!("/data/attributes/{name}")).and_then(Value::as_str).map(str::to_owned);
        attribute.unwrap_or_else(|| panic!("no attribute {name}: {self:?}"))
    }

    /// The code of the first error; empty when there is none.
    pub(crate) fn code(&self) -> String {
        self.json().pointer("/errors/0/code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A header as text; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// This answer, when it has the expected status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// A client of one service. Every request goes to another replica than the last one.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    urls: Arc<[String]>,
    turn: Arc<AtomicUsize>,
    /// Where the service sends mail; without it, it keeps mail in a development mailbox.
    peer: Option<Arc<SmtpPeer>>,
}

/// Somebody signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) client_id: String,
    pub(crate) device: String,
}

impl Person {
    /// Reads a `tokens` answer.
    pub(crate) fn new(tokens: &Answer) -> Self {
        Self {
            access: tokens.attribute("accessToken"),
            refresh: tokens.attribute("refreshToken"),
            client_id: tokens.attribute("clientId"),
            device: tokens.attribute("deviceToken"),
        }
    }
}

impl Api {
    pub(crate) fn new(url: &str) -> Self {
        // Connections are left before the service would leave them (`http.header_timeout`): an answer that meets a request on
        // its way is neither's fault.
        let http = client_builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(3))
            .build()
            .unwrap();
        Self { http, urls: Arc::from([url.to_owned()]), turn: Arc::default(), peer: None }
    }

    /// A client of these replicas, which send mail to this server, or keep it in a development mailbox each.
    pub(crate) fn of(urls: Vec<String>, peer: Option<Arc<SmtpPeer>>) -> Self {
        Self { peer, urls: urls.into(), ..Self::new("") }
    }

    /// Every replica by itself.
    pub(crate) fn each(&self) -> Vec<Self> {
        self.urls.iter().map(|url| Self { urls: Arc::from([url.clone()]), ..self.clone() }).collect()
    }

    /// Sends a request; `Err` when no answer came.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let url = &self.urls[self.turn.fetch_add(1, Ordering::Relaxed) % self.urls.len()];
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{url}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }

    /// Sends a request that must be answered.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    /// A POST of a native client.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("keystead-client", "native")], Some(body)).await
    }

    /// A request with somebody's access token and client id.
    pub(crate) async fn send_as(&self, who: &Person, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send_with(&who.access, &who.client_id, method, path, body).await
    }

    /// A request with a token and a client id.
    pub(crate) async fn send_with(
        &self,
        token: &str,
        client_id: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers =
            [("keystead-client", "native"), ("keystead-client-id", client_id), ("authorization", bearer.as_str())];
        self.send(method, path, &headers, body).await
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        self.post("/api/v1/auth/register", &json!({"email": email, "password": PASSWORD})).await
    }

    /// Proves a registration with the code that was mailed.
    pub(crate) async fn verify(&self, registered: &Answer, code: &str) -> Answer {
        let (token, client_id) = (registered.attribute("accessToken"), registered.attribute("clientId"));
        self.send_with(&token, &client_id, "POST", "/api/v1/auth/register/verify", Some(&json!({"code": code}))).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", &json!({"identity": email, "password": password})).await
    }

    /// Signs in; it must work.
    pub(crate) async fn signed_in(&self, email: &str, password: &str) -> Person {
        Person::new(&self.login(email, password).await.expect(200))
    }

    /// Registers, reads the code in the development mailbox, proves it.
    pub(crate) async fn sign_up(&self, email: &str) -> Person {
        let registered = self.register(email).await.expect(201);
        let code = code_in(&self.mail_to(email).await);
        Person::new(&self.verify(&registered, &code).await.expect(200))
    }

    pub(crate) async fn refresh(&self, who: &Person, token: &str) -> Answer {
        let headers = [("keystead-client", "native"), ("keystead-client-id", who.client_id.as_str())];
        self.send("POST", "/api/v1/auth/refresh", &headers, Some(&json!({"refreshToken": token}))).await
    }

    /// G05: every replica refuses the access token, and says why, within a second of now.
    pub(crate) async fn refused_within_a_second(&self, who: &Person) {
        let all_refuse = async {
            for replica in self.each() {
                let refused = eventually(PROMISED, "a refusal", async || {
                    let answer = replica.send_as(who, "POST", "/api/v1/auth/token/verify", None).await;
                    (answer.status != 200).then_some(answer)
                })
                .await;
                assert_eq!((refused.status, refused.code().as_str()), (401, "TOKEN_REVOKED"));
            }
        };
        tokio::time::timeout(PROMISED, all_refuse).await.expect("every replica refuses it");
    }

    /// The texts of the mails to an address, newest first.
    pub(crate) async fn mails_to(&self, email: &str) -> Vec<String> {
        if let Some(peer) = &self.peer {
            let mine = peer.messages().into_iter().rev().filter(|mail| mail.recipients == [email]);
            return mine.filter_map(|mail| mail.text()).collect();
        }
        let mut mails: Vec<Value> = Vec::new();
        for replica in self.each() {
            let page = replica.get(&format!("/dev/mail?filter[to]={email}")).await.expect(200).json();
            mails.extend(page.get("data").and_then(Value::as_array).cloned().unwrap_or_default());
        }
        let part = |mail: &Value, name: &str| mail["attributes"][name].as_str().unwrap().to_owned();
        mails.sort_by_key(|mail| std::cmp::Reverse(part(mail, "createdAt")));
        mails.iter().map(|mail| part(mail, "text")).collect()
    }

    /// The newest mail to an address, once there is one.
    pub(crate) async fn mail_to(&self, email: &str) -> String {
        eventually(PATIENCE, "a mail", async || self.mails_to(email).await.into_iter().next()).await
    }

    /// What no refused request may change: the profile, the sessions, the logins.
    pub(crate) async fn state_of(&self, who: &Person) -> (Value, Vec<String>, Vec<String>) {
        let me = self.send_as(who, "GET", "/api/v1/users/me", None).await.expect(200).json();
        let sessions = self.send_as(who, "GET", "/api/v1/sessions", None).await.expect(200).json();
        let logins = self.send_as(who, "GET", "/api/v1/login-history", None).await.expect(200).json();
        (me, ids(&sessions), ids(&logins))
    }
}

/// The identifiers of the resources in a document.
fn ids(document: &Value) -> Vec<String> {
    let data = document.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    data.iter().filter_map(|one| one.get("id")?.as_str().map(str::to_owned)).collect()
}

/// The line of a mail that is six digits.
#[track_caller]
pub(crate) fn code_in(mail: &str) -> String {
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    mail.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code in: {mail}")).to_owned()
}

/// What follows `#token=` in a mail.
#[track_caller]
pub(crate) fn link_token_in(mail: &str) -> String {
    let rest = mail.split_once("#token=").unwrap_or_else(|| panic!("no link in: {mail}")).1;
    rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap().to_owned()
}

/// The second address a service logs: where its metrics are.
pub(crate) async fn admin_of(service: &Keystead) -> Api {
    let address = eventually(PATIENCE, "the second address", async || {
        let log = service.log();
        let mut listening = log.split("listening on: ").skip(1).filter_map(|rest| rest.split(['"', ',', '\n']).next());
        listening.find(|address| *address != service.address()).map(str::to_owned)
    });
    Api::new(&format!("http://{}", address.await))
}

/// Asks again and again until there is an answer; fails the test after `limit`.
pub(crate) async fn eventually<T>(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}
